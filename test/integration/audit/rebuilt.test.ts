// `audit --state` on a stopped cluster's own journal and snapshots: one value is made another one, and written again with every length and checksum
// right. Only states that are rebuilt in different ways and compared can tell.
import { afterEach, describe, expect, test } from '@jest/globals'
import { hash } from 'node:crypto'
import { jobId, stageId } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'
import { decodeSnapshot, encodeRecord, encodeSnapshot, paths } from '@tidemark/checkpoint'
import type { AssembledRecord, CommitRecord, JournalRecord, SnapshotRef } from '@tidemark/checkpoint'
import { Packr } from 'msgpackr'
import type { Cluster } from '../../cluster/cluster.ts'
import { MainJob, SEED } from '../../cluster/main-job.ts'
import { auditReportOf, runAudit } from '../../cluster/audit.ts'
import { commitsOf, readJournal } from '../promises/journal.ts'

const PARTITION = 2
const packr = new Packr({ useRecords: false })

/** Of after-images or a block of a snapshot: the first number in a table's columns is another one. Undefined: there is none. */
const forge = (images: Buffer): { readonly images: Buffer, readonly key: unknown } | undefined => {
  const unpacked: [number, ...[string, number[], [number, unknown[], unknown[], unknown[][]][]][]] = packr.unpack(images)
  for (const [, , groups] of unpacked.slice(1) as [string, number[], [number, unknown[], unknown[], unknown[][]][]][]) {
    for (const [, , keys, columns] of groups) {
      const [numbers] = columns
      if (keys.length === 0 || !Array.isArray(numbers) || typeof numbers[0] !== 'number') continue
      numbers[0] += 1_000
      return { images: packr.pack(unpacked), key: keys[0] }
    }
  }
  return undefined
}

/** The journal of one task as if its records had been these from the start; their offsets stay. */
const writeJournal = async (cluster: Cluster, task: TaskRef, journal: readonly AssembledRecord[], others: ReadonlyMap<number, readonly AssembledRecord[]>): Promise<void> => {
  const topic = paths.journalTopic(task.job, task.run, task.stage)
  await cluster.log.deleteTopics([topic])
  await cluster.log.createTopics([{ topic, partitions: others.size }])
  for (const [partition, records] of new Map([...others, [task.partition, journal]])) {
    const start = records[0]?.offset ?? 0
    const values = [...Array.from({ length: start }, () => 'padding'), ...records.flatMap(({ record }) => encodeRecord(record))]
    if (values.length !== records.at(-1)?.next) throw new Error(`the journal of partition ${partition} has gaps: it can't be written again in its place`)
    await cluster.log.write([{ topic, partition, records: values.map((value) => ({ key: null, value })) }])
    await cluster.log.trim(topic, partition, start)
  }
}

const mapped = (journal: readonly AssembledRecord[], change: (record: CommitRecord) => CommitRecord): AssembledRecord[] => journal.map((one): AssembledRecord => {
  const record: JournalRecord = one.record.kind === 'commit' ? change(one.record) : one.record
  return { ...one, record }
})

describe(`audit of states (seed ${SEED})`, () => {
  let open: MainJob | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
  }, 60_000)

  test('audit --state, one value in an after-image, then in a snapshot, forged with right checksums → task, batch and key are told; without it one hash', async () => {
    const main = open = await MainJob.start({}, { copartitioned: true, executors: 2, checkpointInterval: 1_500 })
    const { cluster, job } = main
    const task: TaskRef = { job: jobId(job.name), run: 1, stage: stageId(0), partition: PARTITION }
    main.feeder.start()
    await main.checkpoint(3)
    await main.fed(500)
    await Promise.all([cluster.driver, ...cluster.executors].map((one) => one?.kill()))
    await main.feeder.pause()
    const all = new Map(await Promise.all([0, 1, 2, 3].map(async (partition) => [partition, await readJournal(cluster.log, { ...task, partition })] as const)))
    const journal = all.get(PARTITION) ?? []
    const [newest, older] = commitsOf(journal).at(-1)?.snapshots ?? []
    if (newest === undefined || older === undefined) throw new Error('two snapshots were to be there')

    const whole = await auditReportOf(cluster.folder, {}, [job.name, '--state'])
    expect([whole.report.findings, whole.code]).toEqual([[], 0])
    const state = whole.report.states?.find(({ partition }) => partition === PARTITION)
    expect(state).toMatchObject({ stage: 's0', hash: expect.stringMatching(/^[0-9a-f]{64}$/), batchId: commitsOf(journal).at(-1)?.content.batchId, witnessedTo: newest.batchId })
    expect(state?.ways.map(({ checkpoint }) => checkpoint)).toEqual(expect.arrayContaining([older.checkpoint, newest.checkpoint]))
    const text = await runAudit(cluster.folder, {}, [job.name, '--state'])
    expect(text.out).toMatch(new RegExp(`s0-2 .*${state?.hash?.slice(0, 16)} .*checkpoint ${older.checkpoint}, checkpoint ${newest.checkpoint}.* batch ${newest.batchId}`))
    expect((await auditReportOf(cluster.folder, {}, [job.name])).report).not.toHaveProperty('states')

    // The last batch before the newest snapshot that wrote a number: nothing writes over it in between.
    let forged: { readonly batchId: number, readonly key: unknown } | undefined
    const target = commitsOf(journal).findLast(({ content }) => content.batchId > older.batchId && content.batchId <= newest.batchId && forge(content.state) !== undefined)
    await writeJournal(cluster, task, mapped(journal, (record) => {
      const made = record.content.batchId === target?.content.batchId ? forge(record.content.state) : undefined
      if (made === undefined) return record
      forged = { batchId: record.content.batchId, key: made.key }
      return { ...record, content: { ...record.content, state: made.images } }
    }), all)
    const inJournal = await auditReportOf(cluster.folder, {}, [job.name, '--state'])
    expect(inJournal.code).toBe(1)
    expect(inJournal.report.findings.find(({ kind }) => kind === 'rebuilt-differs')).toMatchObject({
      stage: 's0', partition: PARTITION, batchId: newest.batchId, message: expect.stringContaining(`another value of ${JSON.stringify(forged?.key)} of`),
    })
    expect(inJournal.report.findings.find(({ kind }) => kind === 'rebuilt-differs')?.message).toContain(`which batch ${forged?.batchId} wrote last`)
    expect(inJournal.report.states?.map(({ differsAt }) => differsAt)).toEqual([0, 1, 2, 3].map((partition) => partition === PARTITION ? newest.batchId : undefined))

    const bodies = await Promise.all(newest.objects.map(({ key }) => cluster.store.get(key)))
    const { header, blocks } = decodeSnapshot(bodies, newest.objects)
    const at = blocks.slice(0, -1).findLastIndex((block) => forge(block) !== undefined)
    const made = forge(blocks[at] ?? Buffer.alloc(0))
    const objects = encodeSnapshot(header, blocks.map((block, i) => i === at ? made?.images ?? block : block))
    const refs = await Promise.all(objects.map(async ({ body }, i) => {
      const key = newest.objects[i]?.key ?? ''
      await cluster.store.delete([key])
      await cluster.store.put(key, body)
      return { key, sizeBytes: body.length, sha256: hash('sha256', body, 'hex') }
    }))
    const renamed = (ref: SnapshotRef): SnapshotRef => ref.checkpoint === newest.checkpoint ? { ...ref, objects: refs } : ref
    await writeJournal(cluster, task, mapped(journal, (record) => ({ ...record, snapshots: record.snapshots.map(renamed) })), all)
    const inSnapshot = await auditReportOf(cluster.folder, {}, [job.name, '--state'])
    expect(inSnapshot.code).toBe(1)
    expect(inSnapshot.report.findings.find(({ kind }) => kind === 'rebuilt-differs')).toMatchObject({
      stage: 's0', partition: PARTITION, batchId: newest.batchId, message: expect.stringMatching(`checkpoint ${newest.checkpoint} has another state.*another value of ${JSON.stringify(made?.key)} of`),
    })
    expect((await runAudit(cluster.folder, {}, [job.name, '--state'])).out).toMatch(new RegExp(`NOT BALANCED[^]*s0-2 .*differs behind batch ${newest.batchId}[^]*rebuilt-differs`))
  }, 120_000)
})
