// What an audit says of a log and a store that somebody has changed by hand, of a job that was restored, and of what is not there.
import { afterEach, describe, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jobId, realClock } from '@tidemark/base'
import type { Log } from '@tidemark/base'
import { parseManifest, paths } from '@tidemark/checkpoint'
import { audit } from '@tidemark/cli'
import { MainJob, SEED } from '../../cluster/main-job.ts'
import { auditReportOf, runAudit } from '../../cluster/audit.ts'

const A_NUMBER: unknown = expect.any(Number)
const BOOKS = Object.fromEntries(['offsets', 'noRecord', 'records', 'shuffleRecords', 'blocks', 'folded', 'passedOn', 'filtered', 'late', 'deadLettered', 'skipped', 'emitted', 'lateDrops'].map((name) => [name, A_NUMBER]))

/** What `--json` prints, whatever the figures are. */
const reportOf = (job: string, given: object) => ({
  job, run: 1, from: null, at: A_NUMBER, balanced: true, lost: 0, doubled: 0, totals: BOOKS, findings: [], unlisted: 0, untold: [],
  tasks: ['s0', 's1'].flatMap((stage) => [0, 1, 2, 3].map((partition) => ({
    stage, partition, batches: A_NUMBER, firstBatch: A_NUMBER, lastBatch: A_NUMBER, ended: false, totals: BOOKS,
    positions: expect.arrayOf({ input: expect.any(String), topic: expect.any(String), partition: A_NUMBER, next: A_NUMBER, lag: A_NUMBER }),
  }))),
  outputs: expect.arrayOf({ stages: expect.arrayOf(expect.any(String)), shuffles: expect.arrayOf(expect.any(String)), topics: expect.arrayOf(expect.any(String)), sent: A_NUMBER, sentBefore: A_NUMBER, taken: A_NUMBER, inFlight: A_NUMBER, found: A_NUMBER }),
  compared: expect.objectContaining(Object.fromEntries(['batches', 'positions', 'checksums', 'source ranges', 'shuffle ranges', 'blocks', 'emitted', 'totals', 'snapshots', 'checkpoints', 'objects'].map((what) => [what, A_NUMBER]))), ...given,
})

/** As a client sees it that may not read the settings of any topic. */
const withHiddenSettings = (log: Log): Log => {
  const describeTopics: Log['describeTopics'] = async (names) => new Map([...await log.describeTopics(names)].map(([topic, about]) => [topic, { ...about, settingsHidden: true }]))
  return { name: log.name, describeTopics, offsets: (...given) => log.offsets(...given), reader: () => log.reader() } as Partial<Log> as Log
}

describe(`audit of what was changed by hand (seed ${SEED})`, () => {
  let open: MainJob | undefined
  let folder: string | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    folder = undefined
  }, 60_000)

  const kinds = async (main: MainJob, ...args: string[]): Promise<unknown> => {
    const { report, code } = await auditReportOf(main.cluster.folder, {}, [main.job.name, ...args])
    return { code, lost: report.lost, doubled: report.doubled, kinds: [...new Set(report.findings.map(({ kind }) => kind))] }
  }

  test('audit, a stopped job: an output record too many, an object gone, a block that is none, a journal gone → each is told, by name', async () => {
    const main = open = await MainJob.start({}, { copartitioned: false, executors: 2, checkpointInterval: 1_000, between: ".map((event) => { if (event.amount === 13) throw new Error('thirteen'); return event })" })
    const { cluster, job } = main
    main.feeder.start()
    await main.fed(3_000)
    await main.finish()
    await cluster.until(job.name, ({ summary, checkpoints }) => summary.lag === 0 && (checkpoints[0]?.checkpoint ?? 0) >= 2, 'everything read, and two checkpoints')
    await Promise.all([cluster.driver, ...cluster.executors].map((one) => one?.kill()))

    const { report } = await auditReportOf(cluster.folder, {}, [job.name])
    expect(report.findings).toEqual([])
    // The dead letters are among what balances.
    expect(report.totals.deadLettered).toBe(main.feeder.written.filter(({ amount }) => amount === 13).length)
    expect(report.totals.deadLettered).toBeGreaterThan(0)
    expect(report.outputs.map(({ sent, sentBefore, taken, inFlight, found }) => ({ isWhole: sent === sentBefore && sent - taken - inFlight === found }))).toEqual([{ isWhole: true }, { isWhole: true }])
    expect(report).toEqual(reportOf(job.name, {}))
    expect((await auditReportOf(cluster.folder, {}, [job.name, '--state'])).report).toEqual(reportOf(job.name, {
      states: expect.arrayOf({
        stage: expect.stringMatching(/^s[01]$/), partition: A_NUMBER, batchId: A_NUMBER, keys: A_NUMBER, hash: expect.stringMatching(/^[0-9a-f]{64}$/), witnessedTo: A_NUMBER, outOfReach: A_NUMBER,
        ways: expect.arrayOf(expect.objectContaining({ from: A_NUMBER, hash: expect.stringMatching(/^[0-9a-f]{64}$/) })),
      }),
    }))

    const untold = await audit(withHiddenSettings(cluster.log), cluster.store, realClock, new AbortController().signal, { job: job.name, shared: [], outputs: true, state: false, say: () => {} })
    expect([untold.lost, untold.doubled, untold.findings]).toEqual([0, 0, []])
    expect(untold.untold.filter(({ why }) => why.includes('DescribeConfigs')).map(({ what }) => what).toSorted()).toEqual([
      `dead letters in ${job.name}.dead-letters`, `records between positions in ${job.input}`, `the records that s1 sent to ${job.running}, ${job.windows}`,
    ])

    await cluster.log.write([{ topic: job.running, partition: 0, records: [{ key: 'u1', value: '{"key":"u1","count":1,"sum":1}' }] }])
    const { code, err, report: unbalanced } = await auditReportOf(cluster.folder, {}, [job.name])
    expect([code, err]).toEqual([1, ''])
    expect(unbalanced).toEqual(reportOf(job.name, { balanced: false, doubled: 1, findings: [{ kind: 'output-doubled', lost: 0, doubled: 1, message: expect.stringMatching(/ records were committed, \d+ are there; another program that writes to it is named with --shared$/) }] }))
    expect((await runAudit(cluster.folder, {}, [job.name])).out).toMatch(/NOT BALANCED: 1 fault, 0 lost, 1 doubled/)
    expect(await kinds(main, '--shared', job.running)).toEqual({ code: 0, lost: 0, doubled: 0, kinds: [] })
    expect((await runAudit(cluster.folder, {}, [job.name, '--no-outputs'])).out).toMatch(/balanced: 0 lost, 0 doubled[^]*could not be told[^]*outputs were left out/)

    const newest = Math.max(...(await cluster.store.list(paths.manifestPrefix(jobId(job.name)))).flatMap(({ key }) => paths.parseManifest(key)?.number ?? []))
    const manifest = parseManifest(await cluster.store.get(paths.manifest(jobId(job.name), newest)), 'manifest')
    const key = manifest.parts[0]?.ref.objects[0]?.key ?? ''
    const body = await cluster.store.get(key)
    await cluster.store.delete([key])
    expect(await kinds(main, '--no-outputs')).toEqual({ code: 1, lost: 0, doubled: 0, kinds: ['snapshot-unreadable', 'object-missing'] })
    await cluster.store.put(key, body)

    await cluster.log.write([{ topic: paths.shuffleTopic(jobId(job.name), 1, 's0-n2'), partition: 0, records: [{ key: null, value: 'no block' }] }])
    expect(await kinds(main, '--no-outputs')).toEqual({ code: 1, lost: 0, doubled: 0, kinds: ['block-damaged'] })
    await cluster.log.write([{ topic: paths.journalTopic(jobId(job.name), 1, 's0'), partition: 1, records: [{ key: null, value: 'no record' }] }])
    expect(await kinds(main, '--no-outputs')).toEqual({ code: 1, lost: 0, doubled: 0, kinds: ['journal-damaged', 'block-damaged'] })

    await cluster.log.deleteTopics([paths.journalTopic(jobId(job.name), 1, 's1')])
    expect(await kinds(main, '--no-outputs')).toMatchObject({ code: 1, kinds: ['journal-gone', 'journal-damaged'] })
    await cluster.log.deleteTopics([paths.journalTopic(jobId(job.name), 1, 's0')])
    expect(await runAudit(cluster.folder, {}, [job.name])).toMatchObject({ code: 1, out: '', err: expect.stringContaining('AUDIT_RUN_GONE') })
  }, 120_000)

  test('audit, a restored run → balanced from what it began with on, and it says that its outputs can not be counted', async () => {
    // With a sink whose outbox the checkpoint may hold entries of.
    folder = mkdtempSync(join(tmpdir(), 'tidemark-sink-'))
    const main = open = await MainJob.start({}, { copartitioned: false, executors: 2, checkpointInterval: 3_000, folder })
    const { cluster, job } = main
    main.feeder.start()
    const checkpoint = await main.checkpoint(1)
    await main.fed(500)
    expect((await cluster.submit(job.file, checkpoint)).outcome).toBe('restored')
    await cluster.until(job.name, ({ summary, tasks }) => summary.run === 2 && tasks.length > 0 && tasks.every(({ batchId }) => batchId > 3), 'run 2 goes on')
    // On a quick machine before its first snapshots are named: the journals go back to what the run began from.
    const { report, code } = await auditReportOf(cluster.folder, {}, [job.name])
    expect([report.findings, code]).toEqual([[], 0])
    expect(report.from).toMatchObject({ run: 1, checkpoint })
    expect(report.untold.map(({ why }) => why).join()).toMatch(/files is no topic of the log/)
    expect(report.outputs.find(({ stages }) => stages.includes('s0'))?.taken).toBeGreaterThan(0)
    await main.finish()
    await main.checkpoint(checkpoint + 2)
    expect((await auditReportOf(cluster.folder, {}, [job.name])).report.findings).toEqual([])
    expect(await runAudit(cluster.folder, {}, [job.name, '--run', '1'])).toMatchObject({ code: 1, err: expect.stringContaining('AUDIT_RUN_GONE') })
  }, 120_000)

  test('audit, a sink outside the log → its outbox balances, and it says that its records can not be counted', async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-sink-'))
    const main = open = await MainJob.start({}, { copartitioned: false, executors: 2, checkpointInterval: 1_000, folder })
    const { cluster, job } = main
    main.feeder.start()
    await main.checkpoint(2)
    const [victim] = await cluster.owners(job.name)
    await victim?.kill()
    await main.recovered(2)
    await main.fed(500)
    const { report, code } = await auditReportOf(cluster.folder, {}, [job.name])
    expect([report.findings, code]).toEqual([[], 0])
    expect(report.untold.map(({ why }) => why)).toEqual(['files is no topic of the log, and takes records of the same stage'])
    expect(report.outputs.map(({ found }) => found !== undefined)).toEqual([true, false])
  }, 120_000)

  test('audit, no such job, no such run, no log, no store → 1 for what is wrong, 3 for what is not reached', async () => {
    const main = open = await MainJob.start({}, { copartitioned: true, executors: 1 })
    const inFolder = (args: readonly string[], servers = {}) => runAudit(main.cluster.folder, servers, args)
    expect(await inFolder(['nobody'])).toMatchObject({ code: 1, err: expect.stringContaining('AUDIT_JOB_UNKNOWN') })
    expect(await inFolder(['No Name'])).toMatchObject({ code: 1, err: expect.stringContaining('AUDIT_JOB_UNKNOWN') })
    expect(await inFolder([main.job.name, '--run', '7'])).toMatchObject({ code: 1, err: expect.stringContaining('has no run 7') })
    expect(await inFolder([main.job.name])).toMatchObject({ code: 0 })
    expect(await runAudit(join(main.cluster.folder, 'nowhere'), {}, [main.job.name])).toMatchObject({ code: 3, err: expect.stringContaining('CLI_NO_CLUSTER') })
    // Nobody listens there.
    expect(await inFolder([main.job.name], { TIDEMARK_S3_ENDPOINT: 'http://127.0.0.1:1', TIDEMARK_S3_ACCESS_KEY: 'a', TIDEMARK_S3_SECRET_KEY: 'b' })).toMatchObject({ code: 3, err: expect.stringContaining('STORE_UNAVAILABLE') })
  }, 120_000)
})
