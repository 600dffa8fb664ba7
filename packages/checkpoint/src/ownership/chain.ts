// Invariant 2 over a journal's commit records: dense batch numbers, generations that never go down, ids that do not come back. The one
// comparison that sees every hole of fencing, of truncation and of reading.
import { invariantBroken } from '@tidemark/base'
import type { TransactionalId } from '@tidemark/base'
import { compareGenerations, formatGeneration, sameOwner } from '../records/generation.ts'
import type { BatchContent, CommitRecord, SnapshotRef, Stamp } from '../records/records.ts'

/** What the next commit record must continue. Immutable. */
export interface Chain {
  /** Last batch folded; 0: none. */
  readonly batchId: number
  /** Stamp of the last commit record, or of the snapshot that the chain begins at. */
  readonly last?: Stamp
  /** Ids of the present generation that others have followed. */
  readonly gone: ReadonlySet<TransactionalId>
}

const NONE: ReadonlySet<TransactionalId> = new Set()

const EMPTY: Chain = Object.freeze({ batchId: 0, gone: NONE })
/** Before the first batch of a run. */
export const emptyChain = (): Chain => EMPTY

/** Right after the batch at which a snapshot is exact. Batch 0 is the state before the journal's first. */
export const chainAfter = (ref: SnapshotRef): Chain => (ref.batchId === 0 ? EMPTY : { batchId: ref.batchId, last: stampOf(ref), gone: NONE })

/** What of a commit record continues a chain. */
type Link = Stamp & Pick<CommitRecord, 'task'> & { readonly content: Pick<BatchContent, 'batchId'> }

/** The chain with one more record; throws `INVARIANT_BROKEN` when it does not continue it. */
export const foldCommit = (chain: Chain, record: Link): Chain => {
  const { batchId } = record.content
  const broken = (message: string): Error => invariantBroken('2', message, { ...record.task, details: { expected: chain.batchId + 1, found: batchId, last: chain.last, stamp: stampOf(record) } })
  if (batchId !== chain.batchId + 1) throw broken(`batch ${chain.batchId + 1} must follow, the journal has ${batchId}`)
  const { last } = chain
  if (last === undefined) return { batchId, last: stampOf(record), gone: NONE }
  const order = compareGenerations(record.generation, last.generation)
  if (order < 0) throw broken(`batch ${batchId} has generation ${formatGeneration(record.generation)}, below ${formatGeneration(last.generation)} of the batch before`)
  if (order > 0) return { batchId, last: stampOf(record), gone: NONE }
  if (!sameOwner(record.owner, last.owner)) {
    throw broken(`generation ${formatGeneration(record.generation)} has two owners: slot ${last.owner.slotId}, then slot ${record.owner.slotId} at batch ${batchId}`)
  }
  if (record.transactionalId === last.transactionalId) return { batchId, last, gone: chain.gone }
  if (chain.gone.has(record.transactionalId)) throw broken(`id ${record.transactionalId} came back at batch ${batchId}, after ${last.transactionalId} of the same generation`)
  return { batchId, last: stampOf(record), gone: new Set([...chain.gone, last.transactionalId]) }
}

const stampOf = ({ generation, owner, transactionalId }: Stamp): Stamp => ({ generation, owner, transactionalId })
