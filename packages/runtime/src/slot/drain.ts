// What the drain of its run means for a task: when it stands, and for how long its sinks are waited for in the run's last checkpoint.
import type { Clock } from '@tidemark/base'

/** So long the last checkpoint of a run waits for the sinks of a task that stands, and for an answer of one that was asked before that, ms. */
const DELIVERY_MS_MAX = 10_000
const LAST_ANSWER_MS_MAX = 5_000
/** Of the time that a last checkpoint has, what a further try gives a sink that was waited for already; half as much again for an answer. */
const FURTHER_DELIVERY_PART = 1 / 4

export class Drain {
  /** Its run is being drained: what is committed is committed, and nothing is fetched any more. */
  still = false
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #hasInFlight: () => boolean
  /** Number of its run's last checkpoint, as it was ordered to begin it. */
  #last: number | undefined
  /** Since then it stands, and is ordered to begin its run's last checkpoint. */
  #lastBegunAt: number | undefined
  #deliveryMs = DELIVERY_MS_MAX
  #lastCut = false

  /** `hasInFlight`: the task still has blocks to read that its run began with. */
  constructor(clock: Pick<Clock, 'monotonic'>, hasInFlight: () => boolean) {
    this.#clock = clock
    this.#hasInFlight = hasInFlight
  }

  /** It processes nothing: its run is being drained, and what was in flight where that began is through (with some of it left no checkpoint is complete). */
  get stands(): boolean {
    return this.still && !this.#hasInFlight()
  }

  /**
   * The last checkpoint of its run begins, or begins again. Under a new number what sinks are given is waited for anew once its time was over: others may
   * have kept the run from its end for hours. Not before, and then for no more than a part of the number's time: numbers that are given up early would never be cut.
   */
  beginsLast(checkpoint: number, timeoutMs: number): void {
    this.still = true
    this.#lastCut = false
    if (checkpoint > (this.#last ?? checkpoint) && this.#lastBegunAt !== undefined && this.#lastMs >= this.#deliveryMs) {
      this.#lastBegunAt = undefined
      this.#deliveryMs = Math.min(DELIVERY_MS_MAX, timeoutMs * FURTHER_DELIVERY_PART)
    }
    this.#last = Math.max(this.#last ?? checkpoint, checkpoint)
    this.worked()
  }

  /** After each turn of the task's work: it may have come to stand. */
  worked(): void {
    this.#lastBegunAt = this.#last !== undefined && this.stands ? this.#lastBegunAt ?? this.#clock.monotonic() : undefined
  }

  /** It has its cut; of the last checkpoint it delivers nothing behind that. */
  cut(): void {
    this.#lastCut = this.stands
  }

  /**
   * False: what its sinks have not, goes along in the last checkpoint. Whoever takes a task of a drained run over does not know whether that has its cut already, until it is told to begin.
   * One that does not stand yet has no cut, and comes to stand only where its outbox has room.
   */
  get delivers(): boolean {
    return !this.stands || (!this.#lastCut && this.#lastMs < this.#deliveryMs)
  }

  /** The last checkpoint waits for no sink any more. */
  get deliveryOver(): boolean {
    return this.#lastBegunAt !== undefined && this.#lastMs >= this.#deliveryMs + Math.min(LAST_ANSWER_MS_MAX, this.#deliveryMs / 2)
  }

  get #lastMs(): number {
    return this.#lastBegunAt === undefined ? Infinity : this.#clock.monotonic() - this.#lastBegunAt
  }
}
