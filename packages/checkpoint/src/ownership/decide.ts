// Who may claim, who may commit: rules R2, R3, R4, R7, R8 and the `ended` record of C3 as decisions over what a journal says.
// Takeover and the claim after a failure of the own session (design, Commit, step 4) ask the same questions.
//
// `fenced` holds the ids whose fence was answered after they were read in this journal (R4, see `countFence`); a fence made on a hint does
// not belong in it. Former ids of the own slot are taken as fenced: a slot uses a new id only after the fence of its old one was answered
// (`afterSessionEnd`).
import { invariantBroken } from '@tidemark/base'
import type { TransactionalId } from '@tidemark/base'
import { compareGenerations, formatGeneration, sameOwner } from '../records/generation.ts'
import type { JournalRecord, Stamp } from '../records/records.ts'
import type { Rules } from '../rules.ts'
import { claimPermit, commitPermit } from './permit.ts'
import type { ClaimPermit, CommitPermit } from './permit.ts'
import { allStandings, standingsAt } from './view.ts'
import type { JournalView, Standing } from './view.ts'

export interface GiveUp {
  /** For people. */
  readonly because: string
  /** The run is over: nobody takes this task any more. */
  readonly ended: boolean
}

export type BeforeClaim =
  | ({ readonly kind: 'give-up' } & GiveUp)
  /** Fence these, add those that were answered to `fenced`, ask again. */
  | { readonly kind: 'fence', readonly ids: readonly TransactionalId[] }
  | { readonly kind: 'claim', readonly permit: ClaimPermit }

export type AfterClaim =
  /** Write a release record (so that nobody fences this slot for a claim it does not hold), then give up. */
  | ({ readonly kind: 'withdraw' } & GiveUp)
  | { readonly kind: 'fence-and-claim-again', readonly ids: readonly TransactionalId[] }
  /** The own claim is gone: somebody took over, took a snapshot and trimmed. Begin the takeover anew; an owner that re-claimed gives up. */
  | { readonly kind: 'start-over', readonly because: string }
  | { readonly kind: 'own', readonly permit: CommitPermit }

export type OpenRecords =
  | ({ readonly kind: 'give-up' } & GiveUp)
  | { readonly kind: 'fence', readonly ids: readonly TransactionalId[] }
  /** Whoever holds the stable offset is about to end its transaction. */
  | { readonly kind: 'wait' }

/** `view`: read to the stable offset. R2 is decided before anybody is fenced. */
export const beforeClaim = (view: JournalView, me: Stamp, fenced: ReadonlySet<TransactionalId>, rules: Rules): BeforeClaim => {
  const standings = allStandings(view)
  const lost = endedBy(standings, me, rules) ?? overtakenBy(standings, me, rules)
  if (lost !== undefined) return { kind: 'give-up', ...lost }
  const ids = toFence(standingsAt(view, Infinity), me, fenced)
  return ids.length > 0 ? { kind: 'fence', ids } : { kind: 'claim', permit: claimPermit(me) }
}

/** `view`: read at least up to the own claim. A driver that closes a run passes the offset of its `ended` record and no nonce. */
export const afterClaim = (view: JournalView, me: Stamp, fenced: ReadonlySet<TransactionalId>, claim: { readonly nonce?: string, readonly offset: number }, rules: Rules): AfterClaim => {
  if (claim.offset < view.tailBegin) return { kind: 'start-over', because: `the own claim at ${claim.offset} lies below ${view.tailBegin}, where the tail of the snapshot begins` }
  if (claim.offset < view.start) return { kind: 'start-over', because: `the own claim at ${claim.offset} lies below ${view.start}, where the journal begins` }
  if (view.seenTo <= claim.offset) throw invariantBroken('2', `the journal was read up to ${view.seenTo}, the own claim is at ${claim.offset}`, { offset: claim.offset })
  const found = view.claims.get(claim.offset)
  if (found?.transactionalId !== me.transactionalId || found.nonce !== claim.nonce) return { kind: 'start-over', because: `the journal does not hold the own claim at ${claim.offset}` }

  const all = allStandings(view)
  const upTo = all.filter((standing) => standing.offset <= claim.offset)
  const lost = endedBy(all, me, rules) ?? overtakenBy(upTo, me, rules) ?? overtakenBy(all, me, rules, false)
  if (lost !== undefined) return { kind: 'withdraw', ...lost }
  // R3, judged where the claim stands: an id released or fenced only behind it may have committed in between.
  const ids = rules.R3 ? toFence(standingsAt(view, claim.offset), me, fenced) : []
  return ids.length > 0 ? { kind: 'fence-and-claim-again', ids } : { kind: 'own', permit: commitPermit(me, claim.offset) }
}

/** R8. `open`: what an uncommitted read finds from the stable offset on, in order, while that offset stays below the own claim. */
export const openRecords = (_view: JournalView, me: Stamp, open: readonly (Stamp & { readonly kind: JournalRecord['kind'] })[], rules: Rules): OpenRecords => {
  if (!rules.R8) return { kind: 'wait' }
  const lost = overtakenBy(open, me, rules)
  if (lost !== undefined) return { kind: 'give-up', ...lost }
  // The record at the stable offset is the only one that is certainly open: those behind it may have been committed or aborted long ago.
  const first = open[0]
  return first === undefined || sameOwner(first.owner, me.owner) ? { kind: 'wait' } : { kind: 'fence', ids: [first.transactionalId] }
}

/** R4: the ids fenced so far that count, after fences of `ids` were answered: only those that the view had read before. */
export const countFence = (view: JournalView, fenced: ReadonlySet<TransactionalId>, ids: readonly TransactionalId[], rules: Rules): ReadonlySet<TransactionalId> =>
  new Set([...fenced, ...ids.filter((id) => !rules.R4 || view.ids.has(id))])

/** A driver (slot -1) closes a run by claiming its tasks with `ended` records: an older one of another driver is a claim like others to it. */
const endsRuns = (me: Stamp): boolean => me.owner.slot < 0

const endedBy = (standings: readonly Standing[], me: Stamp, rules: Rules): GiveUp | undefined => {
  const end = standings.find((standing) => standing.ended && !sameOwner(standing.owner, me.owner))
  // C3: `ended` is final, whatever the generations.
  return end === undefined || !rules.C3 || endsRuns(me) ? undefined : { because: `driver ${end.owner.executor} ended this run at offset ${end.offset}`, ended: true }
}

/** R2. A higher generation of the own slot counts too: the command that gave this one is stale. */
const overtakenBy = (stamps: readonly Stamp[], me: Stamp, rules: Rules, equalCounts = true): GiveUp | undefined => {
  if (!rules.R2) return undefined
  const other = stamps.find((stamp) => compareGenerations(stamp.generation, me.generation) >= (equalCounts && !sameOwner(stamp.owner, me.owner) ? 0 : 1))
  return other === undefined ? undefined : {
    because: `slot ${other.owner.slotId} of executor ${other.owner.executor} has generation ${formatGeneration(other.generation)}, this is ${formatGeneration(me.generation)}`,
    ended: false,
  }
}

/** Foreign, unreleased, not fenced since it was read. */
const toFence = (standings: readonly Standing[], me: Stamp, fenced: ReadonlySet<TransactionalId>): TransactionalId[] =>
  standings.filter((standing) => !standing.released && !sameOwner(standing.owner, me.owner) && !fenced.has(standing.transactionalId)).map((standing) => standing.transactionalId)
