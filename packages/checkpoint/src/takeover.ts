// Where a takeover begins (design §3, Takeover): which snapshot to load, where its tail begins, and what to do when that fails.
import type { CommitRecord, JournalRecord, SnapshotRef } from './records/records.ts'
import type { RunRecord } from './run.ts'

/** The one with the newest word on snapshots; records in journal order. */
export const newestCommit = (records: readonly JournalRecord[]): CommitRecord | undefined =>
  records.findLast((record) => record.kind === 'commit')

/** One way to rebuild the state; the journal is read from `tailBegin` on. */
export type Start =
  | { readonly kind: 'snapshot', readonly ref: SnapshotRef, readonly tailBegin: number }
  /** The state that the run began from: the part of its manifest. */
  | { readonly kind: 'origin', readonly from: NonNullable<RunRecord['from']>, readonly tailBegin: number }
  /** Empty, and every batch there ever was. Needs no object store. */
  | { readonly kind: 'journal', readonly tailBegin: number }

/** How a way went that was tried: `no-good` is missing or damaged, for good; `unreachable` may work later. */
export type Tried = 'no-good' | 'unreachable'

export type TakeoverPlan =
  | { readonly kind: 'try', readonly start: Start, /** What it costs that a better way did not work, for people. */ readonly remarks: readonly string[] }
  /** The store can't be reached and the journal alone does not reach far enough: wait, then ask again with the unreachable ones untried. */
  | { readonly kind: 'wait', readonly because: string }
  /** Nothing left that reaches far enough. Never begin empty instead. */
  | { readonly kind: 'lost', readonly because: string }

/** All ways, best first. `journalStart`: oldest offset that the journal still holds. */
export const startsOf = (newest: CommitRecord | undefined, from: RunRecord['from'], journalStart: number): Start[] => {
  // Batch 0 named by a commit record is the origin itself, which is known from the run record.
  const named = (newest?.snapshots ?? []).filter((ref) => ref.batchId > 0 && ref.journalNext >= journalStart).map((ref): Start => ({ kind: 'snapshot', ref, tailBegin: ref.journalNext }))
  if (journalStart > 0) return named
  return [...named, from === null ? { kind: 'journal', tailBegin: 0 } : { kind: 'origin', from, tailBegin: 0 }]
}

/** `tried`: how the first ways of `startsOf` went, in order. */
export const planTakeover = (newest: CommitRecord | undefined, from: RunRecord['from'], journalStart: number, tried: readonly Tried[] = []): TakeoverPlan => {
  const starts = startsOf(newest, from, journalStart)
  const remarks = tried.map((how, i) => `${describe(starts[i])} is ${how === 'no-good' ? 'missing or damaged' : 'not reachable'}`)
  const left = starts.slice(tried.length)
  // While the store is away only the journal alone is worth trying; the next snapshot is in the same store.
  const next = tried.includes('unreachable') ? left.find((start) => start.kind === 'journal') : left[0]
  if (next !== undefined) return { kind: 'try', start: next, remarks: remarks.map((remark) => `${remark}; ${describe(next)} is used, the tail begins at ${next.tailBegin}`) }
  if (tried.includes('unreachable')) return { kind: 'wait', because: `${remarks.join(', ')}; the journal begins at ${journalStart}${from === null ? '' : `, the run at checkpoint ${from.checkpoint}`}` }
  return { kind: 'lost', because: starts.length === 0 ? `no snapshot reaches back to ${journalStart}, where the journal begins` : remarks.join(', ') }
}

const describe = (start: Start | undefined): string => {
  switch (start?.kind) {
    case 'snapshot': return `the snapshot of checkpoint ${start.ref.checkpoint}`
    case 'origin': return `the state of checkpoint ${start.from.checkpoint} of run ${start.from.run}`
    case 'journal': return 'the whole journal'
    case undefined: return 'nothing'
  }
}
