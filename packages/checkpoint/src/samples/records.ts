// Records, stamps and snapshots for the tests of this room: short to write, complete in type.
import { executorId, jobId, slotId, stageId, transactionalId } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'
import type { BatchContent, Books, ClaimRecord, CommitRecord, EndedRecord, ReleaseRecord, SnapshotRef, Stamp } from '../records/records.ts'

export const task: TaskRef = { job: jobId('orders'), run: 1, stage: stageId(0), partition: 2 }

/** `name` is the slot; its ids are `name.0`, `name.1`, … */
export const stamp = (name: string, counter: number, id = 0, epoch = 1): Stamp => ({
  generation: { epoch, counter }, owner: { executor: executorId(`executor-${name}`), slot: 0, slotId: slotId(`slot-${name}`) }, transactionalId: transactionalId(`${name}.${id}`),
})

export const driverStamp = (name: string, epoch: number): Stamp => {
  const base = stamp(name, 1, 0, epoch)
  return { ...base, owner: { ...base.owner, slot: -1 } }
}

const noBooks: Books = {
  offsets: 0, noRecord: 0, records: 0, shuffleRecords: 0, blocks: 0, folded: 0, passedOn: 0, filtered: 0, late: 0, deadLettered: 0, skipped: 0, emitted: 0,
}

export const content = (batchId: number, state: Buffer = Buffer.alloc(0)): BatchContent => ({
  batchId, positions: [{ input: 'source:orders', topic: 'orders', partition: 2, next: batchId * 10 }], upstreams: [], idle: false, state, books: noBooks, totals: noBooks, outbox: { entries: 0, bytes: 0 },
})

const base = { task, timestamp: 1_700_000_000_000 }
export const claim = (by: Stamp, nonce = 'n'): ClaimRecord => ({ kind: 'claim', ...base, ...by, nonce })
export const release = (by: Stamp): ReleaseRecord => ({ kind: 'release', ...base, ...by })
export const ended = (by: Stamp): EndedRecord => ({ kind: 'ended', ...base, ...by })
export const commit = (by: Stamp, batchId: number, snapshots: readonly SnapshotRef[] = [], state?: Buffer): CommitRecord =>
  ({ kind: 'commit', ...base, ...by, engineVersion: '0.1.0', jobVersion: '1', content: content(batchId, state), snapshots })

export const snapshot = (by: Stamp, checkpoint: number, batchId: number, journalNext: number): SnapshotRef => ({
  ...by, checkpoint, batchId, journalNext, positions: content(batchId).positions, keys: 3,
  objects: [{ key: `orders/state/${checkpoint}/s0-2/g1.1-n-0`, sizeBytes: 10, sha256: 'a'.repeat(64) }],
})
