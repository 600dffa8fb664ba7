// A process of a simulated cluster: it runs, stands still (SIGSTOP, a paused machine) or is dead. Whatever reaches it from outside, its own
// timers too, goes through `enter`. A dead one is never told anything again: what it waited for stays open for ever.
import type { Clock, Timer } from '@tidemark/base'
import type { Scheduler } from './scheduler.ts'

/** Even a timer of 0 ms costs a turn of the loop, so that who polls does not stop time, ms. */
const TURN_MS = 0.4
/** The wall clock when a simulation begins. */
export const EPOCH_MS = 1_700_000_000_000

export class SimProcess {
  readonly name: string
  readonly host: string
  readonly clock: Clock
  readonly #scheduler: Scheduler
  readonly #waiting: (() => void)[] = []
  readonly #onDeath: (() => void)[] = []
  #state: 'running' | 'stopped' | 'dead' = 'running'
  /** How far its wall clock is off, ms. */
  skewMs = 0

  constructor(name: string, host: string, scheduler: Scheduler) {
    this.name = name
    this.host = host
    this.#scheduler = scheduler
    this.clock = {
      now: () => Math.floor(EPOCH_MS + scheduler.now + this.skewMs),
      monotonic: () => scheduler.now,
      after: (ms, fire) => this.#after(ms, fire),
      sleep: (ms, signal) => this.#sleep(ms, signal),
    }
  }

  get state(): 'running' | 'stopped' | 'dead' {
    return this.#state
  }

  /** Runs it now, once it goes on again, or never. */
  enter(run: () => void): void {
    if (this.#state === 'running') run()
    else if (this.#state === 'stopped') this.#waiting.push(run)
  }

  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped'
  }

  go(): void {
    if (this.#state !== 'stopped') return
    this.#state = 'running'
    for (const run of this.#waiting.splice(0)) this.#scheduler.after(0, () => this.enter(run))
  }

  kill(): void {
    if (this.#state === 'dead') return
    this.#state = 'dead'
    this.#waiting.splice(0)
    for (const run of this.#onDeath.splice(0)) run()
  }

  onDeath(run: () => void): void {
    if (this.#state === 'dead') run()
    else this.#onDeath.push(run)
  }

  #after(ms: number, fire: () => void): Timer {
    let cancelled = false
    const timer = this.#scheduler.after(Math.max(TURN_MS, ms), () => this.enter(() => {
      if (!cancelled) fire()
    }))
    return {
      cancel: () => {
        cancelled = true
        timer.cancel()
      },
    }
  }

  async #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = this.#after(ms, resolve)
    const onAbort = (): void => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }
}
