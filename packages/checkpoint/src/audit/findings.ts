// What an audit finds and what it can't tell: one kind for each fault there is, and the list that every check writes into.
import type { StageId } from '@tidemark/base'

/** Every fault an audit can report, with what it means. */
export const FAULTS = {
  'journal-gone': 'a journal of the run is not in the log',
  'journal-damaged': "a journal record can't be read: its frame, checksum or a part of it",
  'foreign-record': "a record of another task stands in this task's journal",
  'batch-missing': 'batch numbers have a hole',
  'batch-doubled': 'a batch number comes a second time',
  'generation-back': 'a commit record has a lower generation than the one before it',
  'generation-shared': 'two owners committed in one generation',
  'id-back': 'a transactional id committed again after another of the same generation',
  'unclaimed': 'an id committed that no claim before it names',
  'after-ended': 'something was committed behind the last record that ended the run',
  'books-unbalanced': 'the books of a batch do not balance',
  'totals-wrong': 'the running totals are not those before plus the batch',
  'position-jump': 'positions do not continue those of the batch before, or did not move as the books say',
  'mark-back': 'the word on an upstream task, or the watermark, went back',
  'snapshot-misplaced': 'a named snapshot is not of the batch, or not at the place in the journal, that it says',
  'tail-trimmed': 'the journal no longer reaches back to the older of its two snapshots',
  'position-beyond-end': 'a position lies beyond the end of its topic: the topic was made anew, or lost its end',
  'position-behind-start': 'records that were not read yet are gone from the log',
  'record-changed': 'the log holds another record at an offset than the one that was read there',
  'records-miscounted': 'the log holds another number of records between two positions than the batch counted',
  'blocks-miscounted': 'the log holds other shuffle blocks between two positions than the batch counted',
  'block-damaged': "a shuffle block can't be read",
  'block-foreign': 'a shuffle block names a writer that does not write this shuffle',
  'block-missing': "of a writer's batch not every block is there",
  'block-doubled': "a writer's block came a second time, or behind a later batch",
  'block-uncommitted': "a shuffle block belongs to a batch that its writer's journal does not have",
  'mark-wrong': 'a reader says that it applied another batch of a writer than its position shows',
  'emitted-miscounted': 'a batch says it sent another number of records than its blocks hold',
  'shuffle-miscounted': 'what writers sent over all batches is not what readers took plus what is in flight',
  'output-missing': 'an output topic holds fewer records than were committed to it',
  'output-doubled': 'an output topic holds more records than were committed to it',
  'snapshot-unreadable': 'a named snapshot is missing, or not what was written',
  'content-differs': "a snapshot's positions or totals are not those of its batch",
  'state-differs': "a snapshot is not what the state before it and the journal's after-images make",
  'rebuilt-differs': 'a task has another state when it is rebuilt from another snapshot',
  'keys-miscounted': 'a snapshot holds another number of keys than it says',
  'outbox-differs': 'the undelivered outbox entries are not those that the books of the batch say',
  'object-missing': 'an object that a checkpoint names is missing, or has another size',
} as const

export type FaultKind = keyof typeof FAULTS

export interface FindingPlace {
  readonly stage?: StageId
  readonly partition?: number
  readonly batchId?: number
  readonly topic?: string
  readonly topicPartition?: number
  readonly offset?: number
  readonly key?: string
}

export interface Finding extends FindingPlace {
  readonly kind: FaultKind
  /** Records that are missing, as far as this fault can be counted in records; 0 where it can't. */
  readonly lost: number
  readonly doubled: number
  /** For people: both values. */
  readonly message: string
}

/** Something that could not be compared, and why. No fault. */
export interface Untold {
  readonly what: string
  readonly why: string
}

/** Kept of an audit at most; what comes after is only counted. */
const FINDINGS_MAX = 1_000

export class Findings {
  readonly list: Finding[] = []
  readonly untold: Untold[] = []
  /** Found beyond the limit of the list. */
  unlisted = 0
  lost = 0
  doubled = 0
  /** How many comparisons were made, by what was compared. */
  readonly compared = new Map<string, number>()

  add(kind: FaultKind, message: string, place: FindingPlace, counted: { readonly lost?: number, readonly doubled?: number } = {}): void {
    const { lost = 0, doubled = 0 } = counted
    this.lost += lost
    this.doubled += doubled
    if (this.list.length < FINDINGS_MAX) this.list.push({ kind, ...place, lost, doubled, message })
    else this.unlisted += 1
  }

  /** `expected` and `found` records differ: the difference is lost or doubled. */
  differ(kind: FaultKind, expected: number, found: number, message: string, place: FindingPlace): void {
    this.add(kind, message, place, expected > found ? { lost: expected - found } : { doubled: found - expected })
  }

  cannotTell(what: string, why: string): void {
    if (!this.untold.some((one) => one.what === what && one.why === why)) this.untold.push({ what, why })
  }

  /** What a check of its own has found. */
  take(other: Findings): void {
    for (const { kind, message, lost, doubled, ...place } of other.list) this.add(kind, message, place, { lost, doubled })
    for (const { what, why } of other.untold) this.cannotTell(what, why)
    for (const [what, times] of other.compared) this.count(what, times)
    this.unlisted += other.unlisted
  }

  count(what: string, times = 1): void {
    this.compared.set(what, (this.compared.get(what) ?? 0) + times)
  }
}
