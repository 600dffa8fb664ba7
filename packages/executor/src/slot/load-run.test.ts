import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { jobId, silentLogger, stageId, TidemarkError } from '@tidemark/base'
import { formatRun, paths } from '@tidemark/checkpoint'
import type { RunRecord } from '@tidemark/checkpoint'
import { MemoryObjectStore, VirtualClock } from '@tidemark/testkit'
import { job, jobFunctions, json, planHash, topic, topicSink } from 'tidemark'
import { importBundleFrom, loadRun } from './load-run.ts'

/** Run 2 of a job, as it lies in its store. */
const begun = async () => {
  const clock = new VirtualClock()
  const store = new MemoryObjectStore({ clock })
  const id = jobId('orders')
  const passing = job('orders', { version: '1' }).source('in', topic('in', { value: json() })).sink('out', topicSink('out', { value: json() }))
  const hash = planHash(passing.plan())
  const sha256 = 'b'.repeat(64)
  const record: RunRecord = {
    formatVersion: 1, job: id, run: 2, jobVersion: '1', planHash: hash, plan: paths.plan(id, hash), bundle: { key: paths.bundle(id, sha256), sha256, sizeBytes: 1 },
    from: { run: 1, checkpoint: 7, manifest: paths.manifest(id, 7) }, createdAt: 0, stages: [{ stage: stageId(0), partitions: 1, inputs: [{ input: 'n0', kind: 'topic', topic: 'in', partitions: 1 }] }], shuffles: [],
  }
  await store.put(paths.run(id, 2), formatRun(record))
  await store.put(record.plan, Buffer.from(JSON.stringify(passing.plan())))
  await store.put(record.bundle.key, Buffer.from('x'))
  return { clock, store, id, record, importBundle: async () => jobFunctions(passing) }
}

test('a run, the checkpoint that it began from has been removed since → a new slot process loads it all the same', async () => {
  const { clock, store, id, importBundle } = await begun()
  const loaded = await loadRun({ store, clock, logger: silentLogger, importBundle }, id, 2)
  expect(loaded.run.from?.checkpoint).toBe(7)
  expect(loaded.origin).toBe(undefined)
})

test('the store is away, and each call to it takes its time to say so → that is said every second until it is back, and no longer, with what is waited for', async () => {
  const { clock, store, id, importBundle } = await begun()
  const [callMs, awayMs] = [30_000, 200_000]
  const slow = Object.assign(Object.create(store) as typeof store, { get: async (key: string) => {
    if (clock.monotonic() >= awayMs) return store.get(key)
    await clock.sleep(callMs)
    throw new TidemarkError(`get ${key}`, { code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry' })
  } })
  const said: number[] = []
  const whats = new Set<string>()
  const waits = (what: string): void => {
    said.push(clock.monotonic())
    whats.add(what)
  }
  const loading = loadRun({ store: slow, clock, logger: silentLogger, importBundle, waits }, id, 2)
  await clock.advance(awayMs)
  expect(said).toEqual(Array.from({ length: awayMs / 1_000 }, (_, second) => (second + 1) * 1_000))
  await clock.advance(2 * callMs)
  expect((await loading).run.run).toBe(2)
  expect([...whats]).toEqual([`the object store does not answer for ${paths.run(id, 2)}`, `store unreachable: get ${paths.run(id, 2)}`, 'its bundle to be loaded'])
  const words = said.length
  await clock.advance(10_000)
  expect(said).toHaveLength(words)
})

test('a bundle whose file is there, and the disk takes nothing more → imported from the file as it is; one that is damaged is written anew, or it is said why not, also where nothing can be removed', async () => {
  const { record } = await begun()
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-bundles-'))
  try {
    const bundle = Buffer.from('export default 1')
    const sha256 = createHash('sha256').update(bundle).digest('hex')
    const imported = (): Promise<unknown> => importBundleFrom(folder)(bundle, { ...record, bundle: { ...record.bundle, sha256 } })
    const file = join(folder, 'bundles', `${sha256}.mjs`)
    // Where it would be written first: neither written nor removed, as with a disk that is broken.
    const blocked = join(folder, 'bundles', `.${sha256}.${process.pid}`)
    const noJob = { code: 'SLOT_BUNDLE_INVALID', message: expect.stringContaining('its default export is no job') }
    await expect(imported()).rejects.toMatchObject(noJob)
    const { ino } = statSync(file)
    mkdirSync(blocked)
    await expect(imported()).rejects.toMatchObject(noJob)
    expect(statSync(file).ino).toBe(ino)
    writeFileSync(file, 'export default 2')
    await expect(imported()).rejects.toMatchObject({ code: 'EISDIR' })
    rmdirSync(blocked)
    await expect(imported()).rejects.toMatchObject(noJob)
    expect(readFileSync(file).equals(bundle)).toBe(true)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
