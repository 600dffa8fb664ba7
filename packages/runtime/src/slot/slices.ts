// What takeovers read, load and apply in a slot whose other tasks go on: a slice at a time of all of them together, and two turns of the event loop between
// two. With slices of each beside each other's, every answer that a commit waits for (it waits for three) came behind one slice of each.
import type { Clock } from '@tidemark/base'
import { Lock } from './lock.ts'

/** Each of the answers that a commit waits for, one after the other, may come behind one. */
export const SLICE_MS = 2

export class Slices {
  readonly #clock: Pick<Clock, 'monotonic' | 'sleep'>
  readonly #one = new Lock()
  #urgent = 0
  #noneUrgent = Promise.withResolvers<void>()

  constructor(clock: Pick<Clock, 'monotonic' | 'sleep'>) {
    this.#clock = clock
  }

  /** Takes every step, or false: they are no longer wanted. Who asked first has the next slice. */
  async run(steps: Iterable<unknown>, wanted: () => boolean = () => true): Promise<boolean> {
    const iterator = steps[Symbol.iterator]()
    let end: 'done' | 'unwanted' | undefined
    while (end === undefined) {
      while (this.#urgent > 0) await this.#noneUrgent.promise
      end = await this.#one.run(() => this.#slice(iterator, wanted))
    }
    return end === 'done'
  }

  /** Takes every step before what `run` was asked for: with what comes of these a takeover asks others, and what it waits for meanwhile leaves time for the rest. */
  async runFirst(steps: Iterable<unknown>): Promise<void> {
    const iterator = steps[Symbol.iterator]()
    this.#urgent += 1
    try {
      while (await this.#one.run(() => this.#slice(iterator, () => true)) === undefined) continue
    } finally {
      this.#urgent -= 1
      if (this.#urgent === 0) {
        this.#noneUrgent.resolve()
        this.#noneUrgent = Promise.withResolvers()
      }
    }
  }

  async #slice(iterator: Iterator<unknown>, wanted: () => boolean): Promise<'done' | 'unwanted' | undefined> {
    for (const until = this.#clock.monotonic() + SLICE_MS; ;) {
      if (!wanted()) {
        iterator.return?.()
        return 'unwanted'
      }
      if (iterator.next().done === true) return 'done'
      if (this.#clock.monotonic() >= until) break
    }
    // In one turn an answer comes in, in the next what follows from it goes out.
    await this.#clock.sleep(0)
    await this.#clock.sleep(0)
    return undefined
  }
}
