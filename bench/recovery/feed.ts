// Writes payments at a rate until it is stopped.
import { realClock } from '@tidemark/base'
import type { Payments } from '../payments.ts'

const INTERVAL_MS = 10
/** The n-th event and how many follow it, just before they are sent. */
type Sending = (first: number, count: number) => void
/** After a hold-up it catches up in steps of this many events. */
const STEP_EVENTS_MAX = 1_000

export class Feed {
  readonly #payments: Payments
  readonly #perSecond: number
  readonly #sending: Sending
  #stop = false
  #feeding: Promise<void> | undefined

  constructor(payments: Payments, perSecond: number, sending: Sending = () => {}) {
    this.#payments = payments
    this.#perSecond = perSecond
    this.#sending = sending
  }

  start(): void {
    this.#feeding = this.#feed()
    // Whoever stops it is told.
    this.#feeding.catch(() => {})
  }

  async stop(): Promise<void> {
    this.#stop = true
    await this.#feeding
  }

  async #feed(): Promise<void> {
    const began = realClock.monotonic()
    for (let written = 0; !this.#stop;) {
      const due = Math.min(STEP_EVENTS_MAX, Math.floor((realClock.monotonic() - began) / 1_000 * this.#perSecond) - written)
      if (due > 0) {
        this.#sending(this.#payments.count, due)
        await this.#payments.write(due)
      }
      written += Math.max(0, due)
      await realClock.sleep(INTERVAL_MS)
    }
  }
}
