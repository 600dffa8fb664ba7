// When each event was sent, found again from what a reader sees of it: the event itself, or the result that it made. One clock, that of this process.
import { realClock } from '@tidemark/base'
import { START_TS } from '../payments.ts'
import type { Payments } from '../payments.ts'

interface InputEvent {
  readonly ts: number
}

interface Result {
  readonly key: string
  readonly count: number
}

export class Stamps {
  readonly #payments: Pick<Payments, 'userOf'>
  /** By number of the event; NaN for what was there before. Monotonic, ms. */
  readonly #sentAt: number[] = []
  /** By user: its events, in order. The n-th makes the result with count n. */
  readonly #eventsOf: number[][] = []
  #indexed = 0

  constructor(payments: Pick<Payments, 'userOf'>) {
    this.#payments = payments
  }

  /** Events from `first` on are about to be sent. */
  sending(first: number, count: number): void {
    const now = realClock.monotonic()
    while (this.#sentAt.length < first) this.#sentAt.push(NaN)
    for (let n = 0; n < count; n += 1) this.#sentAt.push(now)
  }

  /** NaN: not one of those that were stamped. */
  ofInput(text: string): number {
    const { ts } = JSON.parse(text) as InputEvent
    return this.#sentAt[ts - START_TS] ?? NaN
  }

  ofResult(text: string): number {
    const { key, count } = JSON.parse(text) as Result
    for (; this.#indexed < this.#sentAt.length; this.#indexed += 1) (this.#eventsOf[this.#payments.userOf(this.#indexed)] ??= []).push(this.#indexed)
    const n = this.#eventsOf[Number(key.slice(1))]?.[count - 1]
    return n === undefined ? NaN : this.#sentAt[n] ?? NaN
  }
}

/** Latencies of what was sent between two times, whenever it arrives: what is late counts as late, not as absent. */
export class Latencies {
  #from = Infinity
  #until = Infinity
  #ms: number[] = []

  begin(from: number): void {
    this.#from = from
  }

  end(until: number): void {
    this.#until = until
  }

  take(sentAt: number, arrivedAt: number): void {
    if (sentAt >= this.#from && sentAt < this.#until) this.#ms.push(arrivedAt - sentAt)
  }

  get count(): number {
    return this.#ms.length
  }

  /** One decimal. By nearest rank: 99 of 100 are not above `percentile(99)`. */
  percentile(percent: number): number {
    this.#ms.sort((a, b) => a - b)
    return Number((this.#ms[Math.max(0, Math.ceil(this.#ms.length * percent / 100) - 1)] ?? NaN).toFixed(1))
  }
}
