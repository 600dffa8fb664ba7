// The one queue of a simulation: everything that will happen, by virtual time. After each thing all promises come to rest before the next one.
import type { Timer } from '@tidemark/base'

/** Turns of the loop are asked for so many at a time: between two of one lot all promises come to rest, and nobody looks for I/O, of which there is none. */
const TURNS = 64

interface Scheduled {
  readonly at: number
  readonly asked: number
  fire: (() => void) | undefined
}

/** Within one time in the order of asking. */
const isBefore = (a: Scheduled, b: Scheduled): boolean => a.at < b.at || (a.at === b.at && a.asked < b.asked)

export class Scheduler {
  /** A binary heap: most timers are deadlines that are called off, and a sorted list would be moved for each that comes before them. */
  readonly #queue: Scheduled[] = []
  #asked = 0
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
    const entry: Scheduled = { at: this.#now + Math.max(0, ms), asked: this.#asked, fire }
    this.#asked += 1
    this.#push(entry)
    return { cancel: () => { entry.fire = undefined } }
  }

  /** The next thing happens, and what it sets off. False: nothing is left. */
  async step(): Promise<boolean> {
    for (let entry = this.#pop(); entry !== undefined; entry = this.#pop()) {
      if (entry.fire === undefined) continue
      this.#now = entry.at
      this.#steps += 1
      entry.fire()
      await this.#rest()
      return true
    }
    return false
  }

  #push(entry: Scheduled): void {
    const queue = this.#queue
    let at = queue.length
    queue.push(entry)
    while (at > 0) {
      const above = (at - 1) >>> 1
      const parent = queue[above] as Scheduled
      if (!isBefore(entry, parent)) break
      queue[at] = parent
      at = above
    }
    queue[at] = entry
  }

  #pop(): Scheduled | undefined {
    const queue = this.#queue
    const [first] = queue
    const last = queue.pop()
    if (last === undefined || queue.length === 0) return first
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= queue.length) break
      if (below + 1 < queue.length && isBefore(queue[below + 1] as Scheduled, queue[below] as Scheduled)) below += 1
      const child = queue[below] as Scheduled
      if (!isBefore(child, last)) break
      queue[at] = child
      at = below
    }
    queue[at] = last
    return first
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
