// What a reader of one journal knows of the task's owners, folded from its records in journal order and from the snapshot it begins at.
import type { TransactionalId } from '@tidemark/base'
import { compareGenerations, sameOwner } from '../records/generation.ts'
import type { FramedRecord } from '../records/codec.ts'
import type { JournalRecord, SnapshotRef, Stamp } from '../records/records.ts'
import { ALL_RULES } from '../rules.ts'
import type { Rules } from '../rules.ts'

/** How an id stands from an offset on, until its next standing. */
export interface Standing extends Stamp {
  readonly offset: number
  /** Its last record is a release: nothing of it is under way in this task. */
  readonly released: boolean
  readonly ended: boolean
}

/** Read only for everybody but `see` and its like, which change it in place and return it: a journal is long, an owner lives for months. */
export interface JournalView {
  readonly rules: Rules
  /** Every id that was named, with what changed about it, oldest first. One entry an ownership event, not one a record. */
  readonly ids: ReadonlyMap<TransactionalId, readonly Standing[]>
  /** Claims and `ended` records by offset. */
  readonly claims: ReadonlyMap<number, { readonly transactionalId: TransactionalId, readonly nonce: string | undefined }>
  /** Right behind the first part of the farthest record seen. */
  readonly seenTo: number
  /** Where the journal begins, as far as known. */
  readonly start: number
  /** Where the tail of the snapshot used begins; 0: none used. */
  readonly tailBegin: number
}

class View implements JournalView {
  readonly rules: Rules
  readonly ids = new Map<TransactionalId, Standing[]>()
  readonly claims = new Map<number, { readonly transactionalId: TransactionalId, readonly nonce: string | undefined }>()
  seenTo = 0
  start = 0
  tailBegin = 0

  constructor(rules: Rules) {
    this.rules = rules
  }
}

const writable = (view: JournalView): View => {
  if (!(view instanceof View)) throw new TypeError('a journal view is made by emptyView')
  return view
}

export const emptyView = (rules: Rules = ALL_RULES): JournalView => new View(rules)

/** Folds one committed record; changes and returns the view. `offset` is that of its first part. */
export const see = (view: JournalView, record: JournalRecord | FramedRecord, offset: number): JournalView => {
  const into = writable(view)
  into.seenTo = Math.max(into.seenTo, offset + 1)
  // R6: with the rule off, only claims and releases name an owner.
  if (record.kind === 'commit' && !into.rules.R6) return into
  if (record.kind === 'claim' || record.kind === 'ended') into.claims.set(offset, { transactionalId: record.transactionalId, nonce: record.kind === 'claim' ? record.nonce : undefined })
  // R7: with the rule off, a release says nothing.
  if (record.kind === 'release' && !into.rules.R7) return into
  // A slot that was given the task again uses the same id: its earlier ownership gives up nothing of the later one.
  if (record.kind === 'release' && (into.ids.get(record.transactionalId) ?? []).some((standing) => compareGenerations(standing.generation, record.generation) > 0)) return into
  stand(into, { ...stampOf(record), offset, released: record.kind === 'release', ended: record.kind === 'ended' })
  return into
}

/**
 * Folds the own committed record, whose offset the log's answer told: what others wrote before it, behind the own claim, may not have been read. Of what
 * was read there too far ahead, a lower generation's claim is forgotten: it lost to the own one, and its release may lie in what is jumped over. Kept, it
 * would be taken for unreleased at the next own claim, and a slot that works be fenced for nothing (R7).
 */
export const passOwn = (view: JournalView, record: JournalRecord, offset: number): JournalView => {
  const into = writable(see(view, record, offset))
  let claimed = Infinity
  for (const [at, { transactionalId }] of into.claims) if (transactionalId === record.transactionalId && at < offset) claimed = at
  for (const [id, list] of into.ids) {
    while (lostBehind(list.at(-1), claimed, record)) list.pop()
    if (list.length === 0) into.ids.delete(id)
  }
  return into
}

const lostBehind = (standing: Standing | undefined, claimed: number, { generation }: Stamp): boolean =>
  standing !== undefined && standing.offset > claimed && !standing.released && !standing.ended && compareGenerations(standing.generation, generation) < 0

/** The snapshot that reading begins at names an owner too (R6); not that of the run's origin (batch 0): its run has been ended. */
export const seeSnapshot = (view: JournalView, ref: SnapshotRef): JournalView => {
  const into = writable(view)
  into.tailBegin = Math.max(into.tailBegin, ref.journalNext)
  if (!into.rules.R6 || ref.batchId === 0) return into
  const known = into.ids.get(ref.transactionalId)?.at(-1)
  // Whatever the journal says of this id behind that position is newer.
  if (known === undefined || known.offset < ref.journalNext - 1) stand(into, { ...stampOf(ref), offset: ref.journalNext - 1, released: false, ended: false })
  return into
}

/** The journal begins here now; it never grows backwards. */
export const seeStart = (view: JournalView, start: number): JournalView => {
  const into = writable(view)
  into.start = Math.max(into.start, start)
  return into
}

const stand = (into: View, standing: Standing): void => {
  const list = into.ids.get(standing.transactionalId)
  const last = list?.at(-1)
  if (last !== undefined && last.released === standing.released && last.ended === standing.ended && compareGenerations(last.generation, standing.generation) === 0 && sameOwner(last.owner, standing.owner)) return
  if (list === undefined) into.ids.set(standing.transactionalId, [standing])
  else list.push(standing)
}

const stampOf = ({ generation, owner, transactionalId }: Stamp): Stamp => ({ generation, owner, transactionalId })

/** How each id stood for whoever has read up to and including `offset`. */
export const standingsAt = (view: JournalView, offset: number): Standing[] => {
  const found: Standing[] = []
  for (const list of view.ids.values()) {
    const standing = list.findLast((entry) => entry.offset <= offset)
    if (standing !== undefined) found.push(standing)
  }
  return found
}

/** Every standing there ever was. */
export const allStandings = (view: JournalView): Standing[] => [...view.ids.values()].flat()
