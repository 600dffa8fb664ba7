// Deaths in a row of a task's owners that did not get away from where the one before had died. The count stands in claims, and in commits until its
// owner has got away, so that it outlives every process; it says when what comes next is to be tried in a throw-away process first.
import { FramedCommit } from '../records/codec.ts'
import type { FramedRecord } from '../records/codec.ts'
import { compareGenerations } from '../records/generation.ts'
import type { Generation, JournalRecord, Owner } from '../records/records.ts'

/** Absent: none that counts. */
export interface Deaths {
  /** Slots that died while their executor lived. */
  readonly slots: number
  /** Owners that ended with the whole executor, right after they had begun. */
  readonly executors: number
}

/**
 * An owner that has committed for so long, from its first commit to its last, has got away from what killed the one before: the next death is the first
 * again, ms. So has one that for so long had nothing to commit, after it had looked at its inputs to their ends: it says so in a commit without a count.
 */
export const AWAY_AFTER_MS = 10_000
/**
 * Executors are killed for many reasons: one that committed for longer (ms), or more batches of input, counts for nothing. Whatever killed the one
 * before lay in the batch that it had open, so there are only so many deaths that count for nothing before a record that kills is reached.
 */
const EXECUTOR_AWAY_AFTER_MS = 1_000
const EXECUTOR_AWAY_AFTER_BATCHES = 10
/** The same of a slot that died alone: more, because a record that kills is to be found within three deaths, and an owner may take its inputs in another order than the one before. */
const SLOT_AWAY_AFTER_BATCHES = 20

/** With the third death the record that kills is known: the third is that of the process in which it is tried. */
const SLOT_DEATHS_MAX = 2
const EXECUTOR_DEATHS_MAX = 4

export const isToBeTried = (deaths: Deaths | undefined): boolean => deaths !== undefined && (deaths.slots >= SLOT_DEATHS_MAX || deaths.executors >= EXECUTOR_DEATHS_MAX)

/** What of the deaths before an owner still counts when it has committed for so long, and so many batches of input. `whole`: of those, the ones that were not taken a step at a time, if that is known. */
export const deathsLeft = (deaths: Deaths | undefined, livedMs: number, batches: number, whole = 0): Deaths | undefined => {
  const slots = livedMs >= AWAY_AFTER_MS || whole >= SLOT_AWAY_AFTER_BATCHES ? 0 : deaths?.slots ?? 0
  const executors = livedMs >= EXECUTOR_AWAY_AFTER_MS || batches >= EXECUTOR_AWAY_AFTER_BATCHES ? 0 : deaths?.executors ?? 0
  return slots === 0 && executors === 0 ? undefined : { slots, executors }
}

/** What still counts when the input was tried and nothing killed: one death more has it tried again, a planned move has not. */
export const clearedByTrial = (deaths: Deaths | undefined): Deaths | undefined =>
  deaths && { slots: Math.min(deaths.slots, SLOT_DEATHS_MAX - 1), executors: Math.min(deaths.executors, EXECUTOR_DEATHS_MAX - 1) }

interface LastOwner {
  readonly owner: Owner
  readonly generation: Generation
  readonly deaths: Deaths | undefined
  /** From its first commit that was read to its last, by its own clock; what it tried out before the first is not counted. */
  readonly firstCommitAt: number | undefined
  readonly livedMs: number
  /** Of its commits that were read, those that moved a position, as far as more of them make a difference. */
  readonly batches: number
  readonly released: boolean
}

/** Folds a journal in its order. Of an owner that has committed often, only its last record is looked into. */
export class DeathCount {
  #last: LastOwner | undefined
  /** Its newest commit, not looked into yet. */
  #newest: FramedCommit | undefined

  see(record: JournalRecord | FramedRecord): void {
    // A claimant that came too late withdraws (R2): it knows of no death since it was told, and had nothing to die of.
    if (this.#last !== undefined && compareGenerations(record.generation, this.#last.generation) < 0) return
    const goesOn = this.#last?.owner.slotId === record.owner.slotId && !this.#last.released && this.#last.batches >= EXECUTOR_AWAY_AFTER_BATCHES
    if (goesOn && record instanceof FramedCommit) {
      this.#newest = record
      return
    }
    this.#lookInto()
    this.#see(record instanceof FramedCommit ? record.whole : record)
  }

  #lookInto(): void {
    if (this.#newest !== undefined) this.#see(this.#newest.whole)
    this.#newest = undefined
  }

  #see(record: JournalRecord): void {
    const { owner, timestamp } = record
    const known = this.#last?.owner.slotId === owner.slotId ? this.#last : undefined
    if (record.kind === 'ended') return
    if (record.kind === 'release') {
      if (known !== undefined) this.#last = { ...known, released: true }
      return
    }
    // A claim is written when its owner begins, and again after each lost session.
    const before = known?.released === false ? known : undefined
    const firstCommitAt = before?.firstCommitAt ?? (record.kind === 'commit' ? timestamp : undefined)
    const livedMs = record.kind === 'commit' && firstCommitAt !== undefined ? timestamp - firstCommitAt : before?.livedMs ?? 0
    const batches = (before?.batches ?? 0) + (record.kind === 'commit' && record.content.books.offsets > 0 ? 1 : 0)
    this.#last = { owner, generation: record.generation, deaths: record.deaths, firstCommitAt, livedMs, batches, released: false }
  }

  /** What the claim of the next owner says. `slotDied`: the driver gave the task out because its slot died alone. */
  next(me: Owner, slotDied: boolean): Deaths | undefined {
    this.#lookInto()
    const last = this.#last
    if (last === undefined) return slotDied ? { slots: 1, executors: 0 } : undefined
    // Who released it, or has it still, did not die; but what killed slots before may still lie ahead of a task that is moved on at once.
    const alive = last.released || last.owner.slotId === me.slotId
    // As if its own end had come before it began, so that it is cleared of suspicion like those before.
    const { slots, executors } = last.deaths ?? { slots: 0, executors: 0 }
    const left = deathsLeft({ slots, executors: alive ? 0 : executors + (slotDied ? 0 : 1) }, last.livedMs, last.batches)
    return slotDied ? { slots: (left?.slots ?? 0) + 1, executors: left?.executors ?? 0 } : left
  }
}
