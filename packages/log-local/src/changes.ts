// Wakes those who wait for the file to change: at once for commits of this process, by a cheap question every few milliseconds for those of others.
import type { Timer } from '@tidemark/base'
import type { Database } from './database.ts'

/** `PRAGMA data_version` costs microseconds; the pause grows while nothing happens. */
const POLL_MS_MIN = 1
const POLL_MS_MAX = 10
const POLL_GROWTH = 1.3

interface Waiter {
  readonly seen: number
  wake(): void
}

export class Changes {
  readonly #database: Database
  readonly #waiting = new Set<Waiter>()
  #version = 0
  #otherVersion = -1
  #timer: Timer | undefined
  #pauseMs = POLL_MS_MIN

  constructor(database: Database) {
    this.#database = database
    database.onWritten(() => this.#changed())
  }

  /** Ask before reading; what is committed after that makes another version. */
  version(): number {
    const other = this.#database.otherVersion()
    if (other !== this.#otherVersion) {
      this.#otherVersion = other
      this.#changed()
    }
    return this.#version
  }

  /** Until there is a newer version than `seen`, `ms` are over, or one of the signals is aborted. */
  async newer(seen: number, ms: number, signals: readonly AbortSignal[]): Promise<void> {
    if (signals.some(({ aborted }) => aborted)) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiter: Waiter = { seen, wake: resolve }
    const end = this.#database.clock.after(ms, resolve)
    for (const signal of signals) signal.addEventListener('abort', waiter.wake, { once: true })
    this.#waiting.add(waiter)
    this.#poll()
    try {
      await promise
    } finally {
      this.#waiting.delete(waiter)
      if (this.#waiting.size === 0) this.#stop()
      end.cancel()
      for (const signal of signals) signal.removeEventListener('abort', waiter.wake)
    }
  }

  #changed(): void {
    this.#version += 1
    this.#pauseMs = POLL_MS_MIN
    for (const waiter of this.#waiting) waiter.wake()
  }

  /** One timer for all who wait. */
  #poll(): void {
    if (this.#timer || this.#waiting.size === 0) return
    this.#timer = this.#database.clock.after(this.#pauseMs, () => {
      this.#timer = undefined
      this.#pauseMs = Math.min(POLL_MS_MAX, this.#pauseMs * POLL_GROWTH)
      this.#ask()
      this.#poll()
    })
  }

  #ask(): void {
    if (this.#database.isClosed) return
    try {
      const version = this.version()
      for (const waiter of this.#waiting) if (waiter.seen !== version) waiter.wake()
    } catch {
      // Who waits reads the file itself, and finds out what is wrong with it.
      for (const waiter of this.#waiting) waiter.wake()
    }
  }

  #stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
