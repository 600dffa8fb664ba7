// Which snapshots a commit record names, and what may be trimmed behind them (invariant 4, S8).
import { isDeepStrictEqual } from 'node:util'
import type { CommitRecord, SnapshotRef } from '../records/records.ts'
import { ALL_RULES } from '../rules.ts'
import type { Rules } from '../rules.ts'

/**
 * The newest two good ones, newest first: the fresh one and the best of those named so far. `noGood`: of these, what a takeover found missing or damaged.
 * It is no good one to fall back on, and the journal is not trimmed to it.
 */
export const snapshotsToName = (current: readonly SnapshotRef[], fresh: SnapshotRef, noGood: readonly SnapshotRef[] = []): readonly SnapshotRef[] => {
  const [newest] = current
  // The same batch again (an idle task) or the same checkpoint again (a new owner, whose predecessor's word was lost) is a snapshot like others.
  if (newest !== undefined && (fresh.batchId < newest.batchId || fresh.checkpoint < newest.checkpoint)) {
    throw new RangeError(`snapshot of checkpoint ${fresh.checkpoint} at batch ${fresh.batchId} does not follow that of checkpoint ${newest.checkpoint} at batch ${newest.batchId}`)
  }
  return [fresh, ...current.filter((ref) => !noGood.some((bad) => isDeepStrictEqual(bad.objects, ref.objects))).slice(0, 1)]
}

export interface TrimPlan {
  /** Delete the journal below this offset. Absent: nothing. */
  readonly journalBefore?: number
  /** Delete the shuffle partitions read below these. */
  readonly shuffles: readonly { readonly input: string, readonly topic: string, readonly partition: number, readonly before: number }[]
}

/**
 * What this committed record allows to trim: below the older of its two newest good snapshots; with fewer than two nothing. One at batch 0 is
 * the state before the journal: a takeover that falls back on it reads the journal from its start. `shuffles`:
 * ids of the inputs that are shuffles (a user's topic is never trimmed). Made anew for each record, only ever from committed ones: a
 * zombie's plan is older and harmless.
 */
export const trimPlan = (record: CommitRecord, shuffles: ReadonlySet<string>, rules: Rules = ALL_RULES): TrimPlan => {
  const kept = rules.S8 ? record.snapshots[1] : record.snapshots[0]
  if (kept === undefined) return { shuffles: [] }
  return {
    ...(kept.batchId > 0 ? { journalBefore: kept.journalNext } : {}),
    shuffles: kept.positions.filter((position) => shuffles.has(position.input) && position.next > 0)
      .map(({ input, topic, partition, next }) => ({ input, topic, partition, before: next })),
  }
}
