// The one queue of a simulation: everything that will happen, by virtual time. After each thing all promises come to rest before the next one.
import type { Timer } from '@tidemark/base'

/** Turns of the loop are asked for so many at a time: between two of one lot all promises come to rest, and nobody looks for I/O, of which there is none. */
const TURNS = 64

interface Scheduled {
  readonly at: number
  fire: (() => void) | undefined
}

export class Scheduler {
  /** By time; within one time in the order of asking. */
  readonly #queue: Scheduled[] = []
  #turnsAsked = 0
  #rested: () => void = () => {}
  #now = 0
  #steps = 0

  /** Milliseconds since the simulation began. */
  get now(): number {
    return this.#now
  }

  get steps(): number {
    return this.#steps
  }

  after(ms: number, fire: () => void): Timer {
    if (Number.isNaN(ms)) throw new RangeError('a timer of NaN ms')
    const entry: Scheduled = { at: this.#now + Math.max(0, ms), fire }
    let [low, high] = [0, this.#queue.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#queue[middle]?.at ?? 0) <= entry.at) low = middle + 1
      else high = middle
    }
    this.#queue.splice(low, 0, entry)
    return { cancel: () => { entry.fire = undefined } }
  }

  /** The next thing happens, and what it sets off. False: nothing is left. */
  async step(): Promise<boolean> {
    for (let entry = this.#queue.shift(); entry !== undefined; entry = this.#queue.shift()) {
      if (entry.fire === undefined) continue
      this.#now = entry.at
      this.#steps += 1
      entry.fire()
      await this.#rest()
      return true
    }
    return false
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      this.#rested = resolve
      if (this.#turnsAsked > 0) return
      for (; this.#turnsAsked < TURNS; this.#turnsAsked += 1) setImmediate(() => this.#turn())
    })
  }

  #turn(): void {
    this.#turnsAsked -= 1
    this.#rested()
  }
}
