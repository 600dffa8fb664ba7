// Time that moves only when a test says so: timers fire in order, and what they set off has come to rest before the next one.
import type { Clock, Timer } from '@tidemark/base'

interface Waiting {
  readonly at: number
  fire: (() => void) | undefined
}

/** Turns of the event loop that `settle` waits for: one drains every promise that waits for promises only. */
const SETTLE_TURNS = 2

export class VirtualClock implements Clock {
  /** By time; within one time in the order of their making. */
  readonly #timers: Waiting[] = []
  readonly #startedAt: number
  #elapsedMs = 0

  /** `startAt`: the wall clock at the beginning. */
  constructor({ startAt = 1_700_000_000_000 } = {}) {
    this.#startedAt = startAt
  }

  now(): number {
    return this.#startedAt + this.#elapsedMs
  }

  monotonic(): number {
    return this.#elapsedMs
  }

  after(ms: number, fire: () => void): Timer {
    if (Number.isNaN(ms)) throw new RangeError('a timer of NaN ms')
    const timer: Waiting = { at: this.#elapsedMs + Math.max(0, ms), fire }
    this.#timers.splice(this.#timers.findLastIndex(({ at }) => at <= timer.at) + 1, 0, timer)
    return {
      cancel: () => {
        timer.fire = undefined
        const index = this.#timers.indexOf(timer)
        if (index >= 0) this.#timers.splice(index, 1)
      },
    }
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = this.after(ms, resolve)
    const onAbort = (): void => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** When the next timer is due, as `monotonic()` counts; undefined: none waits, time may pass for ever without anything happening. */
  get nextAt(): number | undefined {
    return this.#timers[0]?.at
  }

  /** Until nothing more happens at this moment. `turns`: more, where real input or output (a file, zlib) takes part. */
  async settle(turns = SETTLE_TURNS): Promise<void> {
    for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => { setImmediate(resolve) })
  }

  /** Lets `ms` pass: fires every timer due until then, also those made on the way. */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`time does not go by ${ms} ms`)
    const until = this.#elapsedMs + ms
    await this.settle()
    while ((this.nextAt ?? Infinity) <= until) await this.#fireNext()
    this.#elapsedMs = until
    await this.settle()
  }

  /** Lets time pass from timer to timer until `holds`. Throws when it does not within `msMax`, or when nothing is left that could happen. */
  async advanceUntil(what: string, holds: () => boolean, msMax: number): Promise<void> {
    const until = this.#elapsedMs + msMax
    await this.settle()
    while (!holds()) {
      if (this.nextAt === undefined) throw new Error(`waited for: ${what}; no timer is left at ${this.#elapsedMs} ms`)
      if (this.nextAt > until) throw new Error(`waited ${msMax} ms of virtual time for: ${what}`)
      await this.#fireNext()
    }
  }

  async #fireNext(): Promise<void> {
    const timer = this.#timers.shift()
    if (!timer) return
    this.#elapsedMs = Math.max(this.#elapsedMs, timer.at)
    timer.fire?.()
    await this.settle()
  }
}
