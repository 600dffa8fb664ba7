import { expect, test } from '@jest/globals'
import { jobId, silentLogger, stageId } from '@tidemark/base'
import { formatRun, paths } from '@tidemark/checkpoint'
import type { RunRecord } from '@tidemark/checkpoint'
import { MemoryObjectStore, VirtualClock } from '@tidemark/testkit'
import { job, jobFunctions, json, planHash, topic, topicSink } from 'tidemark'
import { loadRun } from './load-run.ts'

test('a run, the checkpoint that it began from has been removed since → a new slot process loads it all the same', async () => {
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
  const loaded = await loadRun({ store, clock, logger: silentLogger, importBundle: async () => jobFunctions(passing) }, id, 2)
  expect(loaded.run.from?.checkpoint).toBe(7)
  expect(loaded.origin).toBe(undefined)
})
