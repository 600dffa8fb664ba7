// Takes queued input through the chain within a budget, then moves the watermark: closes windows, fires timers, in portions where a batch can't
// take them all. What fails is handled by the job's policy; where that needs it the open batch is taken back and processed again.
import { asTidemarkError } from '@tidemark/base'
import type { TidemarkError } from '@tidemark/base'
import type { Advancing } from '../operators/closing.ts'
import type { Scope } from '../operators/scope.ts'
import type { TaskState } from '../state/task-state.ts'
import { clearable } from '../watermarks/idle-claims.ts'
import { stageProgress } from '../watermarks/stage-watermark.ts'
import type { Upstreams } from '../watermarks/upstreams.ts'
import { Stop, TakeBack } from './errors.ts'
import type { FaultPolicy } from './fault-policy.ts'
import type { InputPartition } from './input.ts'
import type { BlockIntake, SourceIntake } from './record-intake.ts'
import type { Room } from './room.ts'
import type { Tally } from './tally.ts'
import type { BatchBudget } from './task.ts'

/** Records of one partition taken in a row, before the clock and the watermark are looked at. */
const CHUNK_RECORDS = 512

/** An idle partition was seen to be quiet at least so many times. */
const IDLE_STEPS = 4

export interface ProcessingParts {
  readonly state: TaskState
  readonly scope: Scope
  readonly room: Room
  readonly faults: FaultPolicy
  readonly tally: Tally
  readonly inputs: readonly InputPartition[]
  readonly intakes: ReadonlyMap<string, SourceIntake | BlockIntake>
  readonly upstreams: Upstreams
  readonly advancing: readonly Advancing[]
  /** By input: ms without a record after which a source partition is idle. */
  readonly idleAfterMs: ReadonlyMap<string, number>
}

export class Processing {
  /** Every input is idle. */
  idle = false
  /** Up to here windows and timers are being worked off, in portions; -Infinity: to where the watermark is. */
  closingTo = -Infinity
  readonly #parts: ProcessingParts
  readonly #takeBack: () => void

  /** `takeBack` undoes the open batch in whole. */
  constructor(parts: ProcessingParts, takeBack: () => void) {
    this.#parts = parts
    this.#takeBack = takeBack
  }

  /** A failure stops the task; the batch holds then what came before it. */
  work(budget: BatchBudget, now: number): { readonly more: boolean, readonly failure?: TidemarkError } {
    this.#parts.room.begin(budget)
    for (;;) {
      try {
        return { more: this.#run(now) }
      } catch (error) {
        if (error instanceof Stop) {
          this.#sealOrTakeBack()
          return { more: false, failure: error.failure }
        }
        this.#takeBack()
        if (!(error instanceof TakeBack)) return { more: false, failure: asTidemarkError(error) }
      }
    }
  }

  #run(now: number): boolean {
    const { inputs, room } = this.#parts
    // Windows and timers that a full batch left behind come before anything else.
    if (!this.#advance()) return this.#seal(true)
    for (let moved = true; moved && !room.full && !room.timeIsUp();) {
      moved = false
      for (const input of inputs) {
        if (!this.#take(input, now)) continue
        moved = true
        if (!this.#advance()) return this.#seal(true)
        if (room.full || room.timeIsUp()) break
      }
    }
    this.#noticeIdle(now)
    const done = this.#advance()
    return this.#seal(!done || inputs.some((input) => input.hasMore))
  }

  /** A chunk of one partition, or an in-flight block. Whether anything was taken. */
  #take(input: InputPartition, now: number): boolean {
    const intake = this.#parts.intakes.get(input.input)
    if (intake === undefined) return false
    if (input.inFlight.next !== undefined) return intake.kind === 'block' && this.#takeInFlight(input, intake)
    const head = input.queue.head()
    if (head === undefined) return false
    const { tally, room } = this.#parts
    const { records, from } = head
    const to = Math.min(records.length, from + CHUNK_RECORDS)
    let at = from
    try {
      // The first is taken whatever the time, so that there is progress.
      for (; at < to && (at === from ? !room.full : !room.spent()); at += 1) {
        const record = records[at]
        if (record === undefined) break
        room.taken()
        if (intake.kind === 'source') intake.take(input, record, now)
        else intake.take(input, record.value ?? Buffer.alloc(0), record.offset)
      }
    } finally {
      // Also when the task stops at a record: what is before it counts.
      if (at > from || to === from) {
        if (at > from) input.lastRecord = records[at - 1]
        const moved = input.queue.advance(at)
        tally.offsets += moved
        tally.noRecord += moved - (at - from)
      }
    }
    if (at === from && to > from) return false
    if (at > from) this.#wake(input)
    return true
  }

  /** Where nobody was active, the others have their time too before they are idle again: they may be only a moment later. */
  #wake(input: InputPartition): void {
    for (const one of this.idle && input.idle ? this.#parts.inputs : [input]) one.wake()
  }

  #takeInFlight(input: InputPartition, intake: BlockIntake): boolean {
    const head = input.inFlight.head()
    if (head === undefined) return false
    const { tally, room, upstreams } = this.#parts
    room.taken()
    if (head.block !== undefined) {
      intake.take(input, head.block, `in-flight ${head.index}`)
      tally.offsets += 1
    }
    input.inFlight.advance()
    if (head.last) upstreams.restartBatches(input.input)
    return true
  }

  /**
   * True: the stage's watermark is where its inputs let it be. False: windows or timers are left for the next batch or call, and until they are through
   * they are worked off to the same end: an idle input that an undo or a new owner has to look at again would let records into a window of which a part
   * has gone out.
   */
  #advance(): boolean {
    const { inputs, upstreams, scope, advancing, room, faults } = this.#parts
    const sources = inputs.flatMap((input) => input.isSource ? [input.progress] : [])
    const progress = stageProgress(sources.length > 0 ? sources : upstreams.progress())
    this.idle = progress.idle
    const to = Math.max(progress.watermark, this.closingTo)
    if (to <= scope.watermark) return true
    this.closingTo = to
    for (const operator of advancing) if (!operator.advance(to - operator.lagMs, room, faults)) return false
    scope.watermark = to
    this.closingTo = -Infinity
    return true
  }

  /**
   * Quiet is only what the log said: while it does not answer, or the task was not worked on (a stopped process, a full outbox), nobody knows
   * whether there are records, so a long time between two answers counts for little.
   */
  #noticeIdle(now: number): void {
    const sources = this.#parts.inputs.filter((input) => input.isSource)
    for (const input of sources) {
      const after = this.#parts.idleAfterMs.get(input.input) ?? Infinity
      // A partition that is known to hold more is not idle, only not read.
      if (!input.queue.caughtUp) input.quietMs = 0
      else if (!input.looked) continue
      else if (!input.idle) input.quietMs += Math.min(Math.max(0, now - (input.lookedAt ?? now)), after / IDLE_STEPS)
      const nothing = input.looked && input.queue.caughtUp
      input.looked = false
      input.lookedAt = now
      if (input.quietMs >= after) input.idle = true
      if (input.idle && nothing) input.clears(clearable(sources.flatMap((other) => other === input ? [] : [other.progress])))
    }
  }

  #seal(more: boolean): boolean {
    const { state, faults } = this.#parts
    try {
      state.seal()
    } catch (error) {
      if (faults.sealEach !== undefined) throw error
      // Whose value it is will be found by encoding behind each record.
      faults.sealEach = () => state.seal()
      throw new TakeBack()
    }
    return more
  }

  /** What came before a stop is to be committed; where it can't be kept nothing of the batch is. */
  #sealOrTakeBack(): void {
    try {
      this.#parts.state.seal()
    } catch {
      this.#takeBack()
    }
  }
}
