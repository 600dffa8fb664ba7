// For the tests of checks: records and batches written by hand, of a job with one stage and three runs, each of which goes on from the one before.
import { jobId, stageId } from '@tidemark/base'
import { emptyBooks } from '@tidemark/checkpoint'
import type { Books, Manifest, RunRecord, SnapshotRef } from '@tidemark/checkpoint'
import type { Placed } from '../cluster.ts'
import type { SimEvent } from '../events.ts'
import type { CommittedWrite } from '../observed-broker.ts'
import type { Committed, SeenBatch } from './batches.ts'
import { Lineage } from './lineage.ts'
import type { Violations } from './violations.ts'

export const T0 = 1_700_000_000_000
export const REF = { job: jobId('copartitioned'), run: 1, stage: stageId(0), partition: 0 }
/** Its results are those of `s0-1`, all others' those of `s0-0`. */
export const OTHER = 'other'

/** All of one partition, in this order. */
export const placed = (...events: readonly (Omit<SimEvent, 'user'> & { readonly user?: string })[]): Placed[] => events.map((event, offset) => ({ event: { user: 'u0', ...event, ts: T0 + event.ts }, partition: 0, offset }))
export const write = (topic: string, values: readonly unknown[], headers: Readonly<Record<string, string>> = {}): CommittedWrite => ({ topic, partition: 0, baseOffset: 0, records: values.map((value) => ({ key: 'u0', value: typeof value === 'string' ? value : JSON.stringify(value), headers })) })
export const batch = (from: number, to: number, books: Partial<Books>, writes: readonly CommittedWrite[] = [], batchId = 1, run = 1): SeenBatch =>
  ({ of: { ref: { ...REF, run } }, content: { batchId, books: { ...emptyBooks, records: to - from, lateDrops: books.late ?? 0, ...books } }, writes, source: { partition: 0, from, to } })

/** With this batch of either task. */
export const committed = (writes: readonly CommittedWrite[], run = 1, batchId = 1): Committed => ({ run, writes, batches: new Map([['s0-0', batchId], ['s0-1', batchId]]) })

/** Run 2 goes on from a checkpoint with two batches of `s0-0` of run 1, and five of `s0-1`; run 3 from one with the first of each of run 2. */
export const lineageOf = (violations: Violations): Lineage => {
  const lineage = new Lineage((key) => (key === OTHER ? 1 : 0), violations)
  const begin = (run: number, ...batchIds: readonly number[]): void => {
    const parts = batchIds.map((batchId, partition): Manifest['parts'][number] => ({ stage: REF.stage, partition, upstreams: [], ref: { batchId } as SnapshotRef }))
    const from: RunRecord['from'] = run === 1 ? null : { run: run - 1, checkpoint: run, manifest: 'a copy' }
    lineage.runBegins({ run, stages: [{ stage: REF.stage, partitions: 2, inputs: [] }], from }, run === 1 ? undefined : { parts })
  }
  begin(1)
  begin(2, 2, 5)
  begin(3, 1, 1)
  return lineage
}
