// Writes events at a rate, through whatever happens to the broker. Only the topic knows what arrived: who checks reads it there.
import { realClock } from '@tidemark/base'
import type { Log } from '@tidemark/base'
import { events, Feeder } from '../../workload/events.ts'
import type { Event, FeederOptions } from '../../workload/events.ts'

const STEP_MS = 10
/** After a hold-up it catches up in steps of this many events. */
const STEP_EVENTS_MAX = 500
const AGAIN_MS = 100
/** Longest time that an answer is waited for: the broker may have died with it. */
const ANSWER_MS_MAX = 10_000
/** Event time between the newest event and the flush: every window is closed. */
const FLUSH_AHEAD_MS = 60_000

export class Load {
  readonly #feeder: Feeder
  readonly #source: Generator<Event>
  readonly #perSecond: number
  #latestTs = 0
  #going = false
  #feeding: Promise<void> = Promise.resolve()

  constructor(log: Log, topic: string, partitions: number, options: FeederOptions) {
    this.#feeder = new Feeder(log, topic, partitions, options)
    this.#source = events(options)
    this.#perSecond = options.perSecond
  }

  start(): void {
    if (this.#going) return
    this.#going = true
    this.#feeding = this.#feed()
    // Whoever pauses it is told.
    this.#feeding.catch(() => {})
  }

  /** Resolves when nothing is under way. */
  async pause(): Promise<void> {
    this.#going = false
    await this.#feeding
  }

  /** The last word: closes every window. */
  async flush(): Promise<void> {
    await this.pause()
    await this.#feeder.flush(this.#latestTs + FLUSH_AHEAD_MS)
  }

  async #feed(): Promise<void> {
    let [sent, began] = [0, realClock.monotonic()]
    while (this.#going) {
      const due = Math.min(STEP_EVENTS_MAX, Math.floor((realClock.monotonic() - began) / 1_000 * this.#perSecond) - sent)
      if (due > 0) {
        const batch = Array.from({ length: due }, () => this.#source.next().value)
        this.#latestTs = batch.at(-1)?.ts ?? this.#latestTs
        // Not written again: it may have arrived.
        const written = await Promise.race([this.#feeder.write(batch).then(() => true, () => false), realClock.sleep(ANSWER_MS_MAX).then(() => false)])
        sent += due
        if (!written) {
          await realClock.sleep(AGAIN_MS)
          ;[sent, began] = [0, realClock.monotonic()]
        }
      }
      await realClock.sleep(STEP_MS)
    }
  }
}
