// A run of two stages with a shuffle between them, for the tests of this room.
import { jobId, stageId } from '@tidemark/base'
import { paths } from '../paths.ts'
import type { RunRecord } from '../run.ts'

const job = jobId('orders')
const shuffle = { shuffle: 's0-keyBy:user', topic: paths.shuffleTopic(job, 2, 's0-keyBy:user'), partitions: 2 }

/** s0 (2 tasks, topic `orders`) → shuffle → s1 (2 tasks). */
export const runRecord: RunRecord = {
  formatVersion: 1, job, run: 2, jobVersion: '1.0', planHash: 'a'.repeat(64), plan: paths.plan(job, 'a'.repeat(64)),
  bundle: { key: paths.bundle(job, 'b'.repeat(64)), sha256: 'b'.repeat(64), sizeBytes: 1_000 },
  stages: [
    { stage: stageId(0), partitions: 2, inputs: [{ input: 'source:orders', kind: 'topic', topic: 'orders', partitions: 4 }] },
    { stage: stageId(1), partitions: 2, inputs: [{ input: shuffle.shuffle, kind: 'shuffle', topic: shuffle.topic, partitions: 2 }] },
  ],
  shuffles: [{ ...shuffle, from: stageId(0), to: stageId(1) }],
  from: { run: 1, checkpoint: 9, manifest: paths.manifest(job, 9) }, createdAt: 1_700_000_000_000,
}
