// How much the open batch may still take: output, state changes, time. Asked between records and inside a closing window.
import type { Clock } from '@tidemark/base'
import type { StateMeter } from '../state/table.ts'
import type { Outputs } from './outputs.ts'
import type { BatchBudget } from './task.ts'

/** The clock is read once in so many questions. */
const ASKED_PER_READING = 16

export class Room {
  /** Set when the batch has to end here for another reason: right behind something that was set aside. */
  endsHere = false
  readonly #outputs: Outputs
  readonly #meter: StateMeter
  readonly #clock: Clock
  #outputBytesMax = 0
  #recordsMax = Infinity
  #records = 0
  #stateBytesMax = 0
  #until = 0
  #asked = 0
  #late = false

  constructor(outputs: Outputs, meter: StateMeter, clock: Clock) {
    this.#outputs = outputs
    this.#meter = meter
    this.#clock = clock
  }

  begin(budget: BatchBudget): void {
    this.#outputBytesMax = budget.outputBytesMax
    this.#recordsMax = budget.recordsMax ?? Infinity
    this.#records = 0
    this.#stateBytesMax = budget.stateBytesMax
    this.#until = this.#clock.monotonic() + budget.workMs
    this.#asked = 0
    this.#late = false
  }

  /** The batch takes nothing more until it is committed. */
  get full(): boolean {
    return this.endsHere || this.#outputs.bytes >= this.#outputBytesMax || this.#meter.changedBytes >= this.#stateBytesMax
  }

  /** A record, a block, a result or a timer is taken: this call takes only so many. */
  taken(): void {
    this.#records += 1
  }

  /** Full, or this call's time is up. */
  spent(): boolean {
    if (this.full || this.#records >= this.#recordsMax) return true
    this.#asked += 1
    if (this.#asked % ASKED_PER_READING === 0) this.#late = this.#clock.monotonic() >= this.#until
    return this.#late
  }

  timeIsUp(): boolean {
    if (this.#records >= this.#recordsMax) return true
    this.#late = this.#clock.monotonic() >= this.#until
    return this.#late
  }
}
