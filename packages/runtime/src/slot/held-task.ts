// What a slot keeps of a task it was given: the task itself, its journal, its claim, its snapshots.
//
//   assigned -> taking-over -> running <-> waiting -> releasing -> (released)
//                    |            |           |
//                    +------------+-----------+--> given up (R2, ended), or failed
import { invariantBroken, taskKey } from '@tidemark/base'
import type { Clock, TaskRef, TidemarkError, TransactionalId } from '@tidemark/base'
import { AWAY_AFTER_MS, DeathCount, deathsLeft } from '@tidemark/checkpoint'
import type { CommitPermit, Deaths, FramedCommit, Generation, JournalCursor, OwedToSink, Owner, PlacedRecord, SnapshotRef, UpstreamMark } from '@tidemark/checkpoint'
import type { Task } from '../task/task.ts'
import { Drain } from './drain.ts'
import type { Culprit } from './isolation.ts'
import type { TakeoverTimeline } from './messages.ts'
import type { BytesPerOffset } from './shuffle-backlog.ts'
import { Slices } from './slices.ts'
import { Tail } from './tail.ts'

export type TaskPhase = 'taking-over' | 'running' | 'waiting' | 'releasing'

/** Phase changes that are legal; anything else is a bug. */
const LEGAL: Readonly<Record<TaskPhase, readonly TaskPhase[]>> = {
  'taking-over': ['running', 'releasing'],
  running: ['waiting', 'releasing'],
  waiting: ['running', 'releasing'],
  releasing: [],
}

/** Queued and not yet processed. */
const QUEUED_BYTES_MAX = 8 * 1024 * 1024

export interface OwnClaim {
  readonly nonce: string
  readonly offset: number
  readonly transactionalId: TransactionalId
}

/** With what a checkpoint needs to know of the batch that it is exact at. */
export interface UnnamedSnapshot {
  readonly ref: SnapshotRef
  readonly upstreams: readonly UpstreamMark[]
  readonly watermark?: number
  readonly outbox: readonly OwedToSink[]
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export class HeldTask {
  readonly ref: TaskRef
  readonly key: string
  readonly generation: Generation
  /** Made anew when a takeover begins anew: what an earlier attempt still loads goes nowhere. */
  task: Task
  readonly timeline: Mutable<TakeoverTimeline> & { remarks: string[] }
  readonly journalTopic: string
  /** Set once where to begin is known. */
  cursor: JournalCursor | undefined
  claim: OwnClaim | undefined
  /** It has written a claim, or tried to: whoever lets it go owes a release record (R2), else its slot is fenced for nothing later. */
  claimed = false
  permit: CommitPermit | undefined
  /** The slot that had it before died, alone. */
  slotDied = false
  /** Of the owners before, as the own claim says. */
  deaths: Deaths | undefined
  /** Set aside when they are met; undefined: nothing was tried. */
  culprits: Culprit[] | undefined
  /** Ids fenced after having been read in this journal (R4). */
  readonly fenced = new Set<TransactionalId>()
  /** Named by the newest committed record, newest first. */
  snapshots: readonly SnapshotRef[] = []
  /** Of those that were named when it was taken over: tried first, and missing or damaged. */
  noGood: readonly SnapshotRef[] = []
  /** Durable, not yet named (invariant 3). */
  unnamed: UnnamedSnapshot | undefined
  snapshotTakenAt: number | undefined
  readonly tail = new Tail()
  readonly drain: Drain
  /** Its state is whole and its own: what topics and shuffles hold for it is fetched while its sources are looked at, and processed once it runs. */
  readsAhead = false
  waitingFor: string | undefined
  failure: TidemarkError | undefined
  /** A log error that this task caused: it runs alone until it is clean or stopped. */
  suspect = false
  /** Highest stable offset seen per `topic/partition`, for lag. */
  readonly stable = new Map<string, number>()
  /** Of shuffles, by `topic/partition`. */
  readonly sizes = new Map<string, BytesPerOffset>()
  #pause: { readonly until: number, readonly reason: string } | undefined
  #phase: TaskPhase = 'taking-over'
  #loaded = false
  #tail: FramedCommit[] = []
  #waitingBytes = 0
  #died = new DeathCount()
  #counted = false
  #firstCommitAt: number | undefined
  #batches = 0
  /** Of them, those taken as one, not a step at a time, and behind something of each input. */
  #whole = 0
  readonly #metFrom = new Map<string, number>()
  #quietSince: number | undefined
  readonly slices: Slices
  readonly #makeTask: () => Task
  readonly #told: number
  readonly #clock: Clock

  /** `slices`: of the slot's takeovers together. */
  constructor(makeTask: () => Task, generation: Generation, journalTopic: string, clock: Clock, slices: Slices = new Slices(clock)) {
    this.#makeTask = makeTask
    this.slices = slices
    this.task = makeTask()
    this.ref = this.task.ref
    this.key = taskKey(this.ref)
    this.generation = generation
    this.journalTopic = journalTopic
    this.#clock = clock
    this.drain = new Drain(clock, () => this.task.inputs().some(({ inFlight }) => inFlight !== undefined))
    this.#told = clock.monotonic()
    this.timeline = { startedAt: clock.now(), readMs: 0, fencedMs: 0, claimedMs: 0, loadedMs: 0, tailedMs: 0, tailRecords: 0, tailBatches: 0, fencedIds: 0, remarks: [] }
  }

  /** A snapshot is exact here. */
  cut(): void {
    this.tail.cut()
    this.drain.cut()
  }

  /** False: enough is queued for it, or it is to take nothing. */
  get fetches(): boolean {
    return !this.drain.still && this.task.queuedBytes <= QUEUED_BYTES_MAX && this.pausedBecause === undefined
  }

  /** Fetches nothing for so long, unless it is told again; with 0, it goes on. What is queued is processed, and all else goes on too. */
  pause(forMs: number, reason: string): void {
    this.#pause = forMs > 0 ? { until: this.#clock.monotonic() + forMs, reason } : undefined
  }

  /** Why it fetches nothing; undefined: it does. */
  get pausedBecause(): string | undefined {
    return this.#pause !== undefined && this.#clock.monotonic() < this.#pause.until ? this.#pause.reason : undefined
  }

  /** What is fetched is queued for it. */
  get takesInput(): boolean {
    return this.#phase === 'running' || this.#phase === 'waiting' || (this.#phase === 'taking-over' && this.readsAhead)
  }

  get phase(): TaskPhase {
    return this.#phase
  }

  get loaded(): boolean {
    return this.#loaded
  }

  enter(phase: TaskPhase): void {
    if (phase === this.#phase) return
    if (!LEGAL[this.#phase].includes(phase)) throw invariantBroken('task phases', `${this.key} cannot go from ${this.#phase} to ${phase}`, this.ref)
    this.#phase = phase
  }

  /** Before each claim; what its own claims say is what the first one said, until it has got away. */
  claims(me: Owner): void {
    if (!this.#counted) this.deaths = this.#died.next(me, this.slotDied)
    this.#counted = true
  }

  /** Before each commit, with the offsets that it passes. The count that is left stands in it: who takes over may read no record before it. */
  commits(offsets: number): void {
    this.deaths = this.#gotAwayQuietly ? undefined : deathsLeft(this.deaths, this.#committedForMs, this.#batches, this.#whole)
    this.#firstCommitAt ??= this.#clock.now()
    if (offsets === 0) return
    this.#batches += 1
    if (this.deaths !== undefined && !this.careful && this.#metAll()) this.#whole += 1
  }

  /** It has taken something of each input, or found it idle: batches of one input say nothing of what lies in another that has not answered yet. */
  #metAll(): boolean {
    let all = true
    for (const { input, topic, partition, next, idle } of this.task.content().positions) {
      const key = `${input} ${topic}/${partition}`
      const from = this.#metFrom.get(key)
      if (from === undefined) this.#metFrom.set(key, next)
      all &&= idle === true || (from !== undefined && next > from)
    }
    return all
  }

  /** After each turn of its work: for how long it has had nothing to do is reckoned only where that matters. */
  worked(): void {
    this.drain.worked()
    this.#quietSince = this.deaths !== undefined && this.task.quiet ? this.#quietSince ?? this.#clock.monotonic() : undefined
  }

  /** What killed those before was in their input, and there is none: without a batch that says so their deaths would count for ever, for it has none to commit. */
  get #gotAwayQuietly(): boolean {
    return this.deaths !== undefined && this.#quietSince !== undefined && this.#clock.monotonic() - this.#quietSince >= AWAY_AFTER_MS
  }

  /** There is something to commit, of the task or about it. */
  get dirty(): boolean {
    return this.task.dirty || this.unnamed !== undefined || this.#gotAwayQuietly
  }

  get #committedForMs(): number {
    return this.#firstCommitAt === undefined ? 0 : this.#clock.now() - this.#firstCommitAt
  }

  /** It goes on as the process did in which its input was tried, one thing at a time: taken together, they may do what none of them did alone. */
  get careful(): boolean {
    return this.culprits !== undefined && this.#committedForMs < AWAY_AFTER_MS
  }

  /** Milliseconds since the slot was told to take this task. */
  elapsed(): number {
    return Math.round(this.#clock.monotonic() - this.#told)
  }

  /**
   * Takes what was read of the journal. Until the snapshot is loaded the tail waits; then it is applied as it comes, in slices, so that the slot's other
   * tasks go on meanwhile: nothing more is taken until it resolves. No user code runs.
   */
  async take(placed: readonly PlacedRecord[]): Promise<void> {
    for (const { record, bytes } of placed) {
      this.#died.see(record)
      this.timeline.tailRecords += 1
      if (record.kind !== 'commit') continue
      this.timeline.tailBatches += 1
      this.tail.grew(bytes)
      this.#tail.push(record)
      this.#waitingBytes += bytes
    }
    if (this.#loaded) await this.#applyTail()
  }

  /** Of the journal, read and not applied, as it stands there. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** The snapshot (or the empty state) is in the task: the tail read so far follows. */
  async finishLoading(): Promise<void> {
    this.#loaded = true
    await this.#applyTail()
  }

  async #applyTail(): Promise<void> {
    const tail = this.#tail
    this.#tail = []
    await this.slices.run(this.#applying(tail))
    this.#waitingBytes = 0
  }

  /** Reading begins anew, from another snapshot; only before anything was processed. What was loaded by then is of no use. */
  startOver(cursor: JournalCursor): void {
    if (this.#phase !== 'taking-over') throw invariantBroken('takeover', `${this.key} is ${this.#phase} and can't begin anew`, this.ref)
    if (this.cursor !== undefined) this.task = this.#makeTask()
    this.cursor = cursor
    this.claim = undefined
    this.readsAhead = false
    this.failure = undefined
    this.#died = new DeathCount()
    this.#loaded = false
    this.#tail = []
    this.#waitingBytes = 0
    // The timeline tells of the tail that is applied, not of what was read for a snapshot that was no good.
    this.tail.startOver()
    this.timeline.tailRecords = 0
    this.timeline.tailBatches = 0
  }

  * #applying(tail: readonly FramedCommit[]): Generator<void, void, void> {
    yield* this.task.applying(tail)
    this.snapshots = tail.at(-1)?.whole.snapshots ?? this.snapshots
  }
}
