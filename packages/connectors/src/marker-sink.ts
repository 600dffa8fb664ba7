// A sink in memory that keeps a marker beside its writes, as a database sink does in one transaction; for tests of exactly once.
import type { OutboxSink } from '@tidemark/base'

/** What one (job, sink, stage, partition) has applied: the marker and the writes it stands for, always changed together. */
export interface MarkerEntry {
  readonly run: number
  readonly batchId: number
  readonly records: readonly { readonly run: number, readonly batchId: number, readonly record: Buffer }[]
}

/** The "database": give the same one to a sink opened later, as after a crash. Key: `job/sink/stage/partition`. */
export type MarkerStore = Pick<Map<string, MarkerEntry>, 'get' | 'set'>

/** Applies a delivery only if its (run, batchId) is greater than the marker, compared in that order; a repeated one resolves without effect. */
export const openMarkerSink = (store: MarkerStore): OutboxSink => ({
  deliver: async ({ task, sink, batchId, records }) => {
    const key = `${task.job}/${sink}/${task.stage}/${task.partition}`
    const present = store.get(key)
    if (present && (task.run < present.run || (task.run === present.run && batchId <= present.batchId))) return
    const applied = records.map((record) => ({ run: task.run, batchId, record: Buffer.from(record) }))
    store.set(key, { run: task.run, batchId, records: [...present?.records ?? [], ...applied] })
  },
  close: async () => {},
})
