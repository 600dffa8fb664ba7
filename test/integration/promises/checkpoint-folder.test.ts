// The checkpoint folder of a job as people and programs find it: its layout, what a checkpoint without a manifest is worth, which of the good
// ones is used, and that nothing in it is a secret.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jobId, realClock } from '@tidemark/base'
import type { StageId, TaskRef } from '@tidemark/base'
import { decodeSnapshot, InFlightDecoder, objectsOf, parseManifest, paths } from '@tidemark/checkpoint'
import type { Manifest } from '@tidemark/checkpoint'
import { MainJob, SEED } from '../../cluster/main-job.ts'
import { commitsOf, readJournal } from './journal.ts'

const SECRETS = { TIDEMARK_S3_ACCESS_KEY: 'access-key-9b1f', TIDEMARK_S3_SECRET_KEY: 'secret-key-47aa', AWS_SECRET_ACCESS_KEY: 'aws-secret-c03e' }
/** Tasks of the job with a shuffle: four that read the topic, four that read the shuffle. */
const TASKS = ['s0-0', 's0-1', 's0-2', 's0-3', 's1-0', 's1-1', 's1-2', 's1-3']
const LAYOUT = /^(?:metadata\.json|offsets\/\d+\.json|commits\/\d+\.json|state\/\d+\/s\d+-\d+\/g\d+\.\d+-[0-9a-f-]{36}-\d+\.(?:snapshot|in-flight))$/

describe(`the checkpoint folder (seed ${SEED})`, () => {
  let main: MainJob
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-sink-'))
    main = await MainJob.start({}, { copartitioned: false, checkpointInterval: 700, executors: 1, folder: join(folder, 'out'), env: SECRETS })
    main.feeder.start()
  }, 60_000)
  afterAll(async () => {
    await main.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }, 60_000)

  const job = () => jobId(main.job.name)
  const keys = async (): Promise<string[]> => (await main.cluster.store.list(`${main.job.name}/`)).map(({ key }) => key.slice(main.job.name.length + 1))
  const manifestOf = async (checkpoint: number): Promise<Manifest> => parseManifest(await main.cluster.store.get(paths.manifest(job(), checkpoint)), 'manifest')
  const restart = async (): Promise<void> => {
    await main.cluster.startDriver()
    main.cluster.startExecutor()
    await main.cluster.allRunning(main.job.name)
  }

  test('the checkpoint directory: offsets/N.json, state/N/<stage>-<partition>/, commits/N.json, metadata.json, and nothing else; the manifest was written last', async () => {
    await main.fed(1_000)
    const n = await main.checkpoint(2)
    const all = await keys()
    expect(all.filter((key) => !LAYOUT.test(key))).toEqual([])
    const manifest = await manifestOf(n)
    // Every object of this checkpoint is named by its manifest, and the other way round.
    expect(all.filter((key) => key.startsWith(`state/${n}/`)).toSorted()).toEqual(objectsOf(manifest).map(({ key }) => key.slice(main.job.name.length + 1)).toSorted())
    expect(all.filter((key) => key.split('/')[1]?.replace('.json', '') === String(n) && !key.startsWith('state/')).toSorted()).toEqual([`commits/${n}.json`, `offsets/${n}.json`])
    const folders = new Set(all.filter((key) => key.startsWith(`state/${n}/`)).map((key) => key.split('/')[2]))
    expect([...folders].toSorted()).toEqual(TASKS)
    // `commits/N`: "fully processed" is said after everything that it stands for.
    const infos = new Map((await main.cluster.store.list(`${main.job.name}/`)).map((info) => [info.key, info]))
    const written = (key: string): number => infos.get(key)?.modifiedAt ?? Number.NaN
    for (const { key, sizeBytes } of objectsOf(manifest)) {
      expect(infos.get(key)?.sizeBytes).toBe(sizeBytes)
      expect(written(key)).toBeLessThanOrEqual(written(paths.manifest(job(), n)))
    }
    expect(written(paths.offsets(job(), n))).toBeLessThanOrEqual(written(paths.manifest(job(), n)))
    expect(JSON.parse((await main.cluster.store.get(paths.metadata(job()))).toString())).toMatchObject({ jobId: main.job.name, name: main.job.name, engineVersion: expect.any(String), jobVersion: '1', formatVersion: 1, newest: { run: 1 } })
  }, 60_000)

  test('configuration without secrets: no stored object holds one, packed or not', async () => {
    const found: string[] = []
    const infos = await main.cluster.store.list('')
    expect(infos.some(({ key }) => key.startsWith('jobs/'))).toBe(true)
    for (const { key } of infos) {
      // Retention may have removed it since.
      const body = await main.cluster.store.get(key).catch(() => undefined)
      for (const [name, secret] of Object.entries(SECRETS)) if (body?.includes(secret) === true) found.push(`${key} holds ${name}`)
    }
    const newest = (await main.cluster.jobs.describe(main.job.name)).checkpoints[0]?.checkpoint ?? 0
    const manifest = await manifestOf(newest)
    for (const part of manifest.parts) {
      const { header, blocks } = decodeSnapshot(await Promise.all(part.ref.objects.map(({ key }) => main.cluster.store.get(key))), part.ref.objects)
      for (const [name, secret] of Object.entries(SECRETS)) if (JSON.stringify(header).includes(secret) || blocks.some((block) => block.includes(secret))) found.push(`${part.stage}-${part.partition} holds ${name}`)
    }
    for (const { objects } of manifest.inFlight) {
      const decoder = new InFlightDecoder()
      for (const ref of objects) for (const { value } of decoder.object(await main.cluster.store.get(ref.key), ref)) for (const [name, secret] of Object.entries(SECRETS)) if (value.includes(secret)) found.push(`in flight: ${name}`)
    }
    expect(found).toEqual([])
  }, 60_000)

  test('kill before the manifest: the checkpoint is not listed, not restorable, and no number comes twice', async () => {
    const { cluster } = main
    writeFileSync(join(cluster.faultFolder, 'snapshot.uploaded'), 'both')
    while (existsSync(join(cluster.faultFolder, 'snapshot.uploaded'))) await realClock.sleep(1)
    // The only executor died with an upload that no record names, and now the driver.
    await cluster.driver?.kill()
    const cut = Math.max(...(await keys()).map((key) => paths.parseStateObject(`${main.job.name}/${key}`)?.checkpoint ?? 0))
    await restart()
    const next = await main.checkpoint(cut + 1)
    expect(next).toBeGreaterThan(cut)
    const all = await keys()
    expect(all.filter((key) => key.startsWith(`state/${cut}/`)).length).toBeGreaterThan(0)
    expect(all.filter((key) => key === `commits/${cut}.json` || key === `offsets/${cut}.json`)).toEqual([])
    expect((await cluster.jobs.describe(main.job.name)).checkpoints.map(({ checkpoint }) => checkpoint)).not.toContain(cut)
    await expect(cluster.submit(main.job.file, cut)).rejects.toMatchObject({ code: 'CHECKPOINT_UNKNOWN' })
    await main.fed(500)
    expect(await main.soFar()).toEqual([])
  }, 60_000)

  test('newest good one wins: the newest is corrupt → one older and a longer tail, and describe says which and why', async () => {
    const { cluster } = main
    await main.checkpoint(((await cluster.jobs.describe(main.job.name)).checkpoints[0]?.checkpoint ?? 0) + 2)
    // Nobody takes checkpoints any more, then nobody holds a task.
    await cluster.driver?.kill()
    await Promise.all(cluster.executors.map((executor) => executor.kill()))
    const spoiled = new Map<string, readonly [newest: number | undefined, before: number | undefined]>()
    for (const name of TASKS) {
      const [stage, partition] = name.split('-') as [StageId, string]
      const ref: TaskRef = { job: job(), run: 1, stage, partition: Number(partition) }
      const [newest, before] = commitsOf(await readJournal(cluster.log, ref)).at(-1)?.snapshots ?? []
      for (const { key } of newest?.objects ?? []) {
        const body = await cluster.store.get(key)
        body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 0xff
        await cluster.store.put(key, body)
      }
      spoiled.set(name, [newest?.checkpoint, before?.checkpoint])
    }
    await restart()
    const { tasks, warnings } = await cluster.until(main.job.name, (description) => description.tasks.every((task) => task.recovery?.steps?.snapshot !== undefined), 'recoveries')
    expect(tasks).toHaveLength(TASKS.length)
    for (const { stage, partition, recovery } of tasks) {
      const [newest, before] = spoiled.get(`${stage}-${partition}`) ?? []
      expect(before).toBeLessThan(newest ?? 0)
      expect(recovery?.steps?.snapshot?.checkpoint).toBe(before)
      expect(recovery?.steps?.remarks.join()).toContain(`the snapshot of checkpoint ${newest} is missing or damaged; the snapshot of checkpoint ${before} is used`)
      expect(warnings.join('\n')).toContain(`the snapshot of checkpoint ${newest} is missing or damaged`)
    }
    await main.fed(500)
    expect(await main.soFar()).toEqual([])
  }, 60_000)

  test('after all of it every result is right', async () => {
    expect(await main.settle()).toEqual([])
  }, 60_000)
})
