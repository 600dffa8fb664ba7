// Time and chance come in through these two ports; the real ones live in `real.ts` and nowhere else.

export interface Timer {
  /** Idempotent. */
  cancel(): void
}

export interface Clock {
  /** Wall clock, milliseconds since 1970. For people and for event time bounds; never for time-outs. */
  now(): number
  /** Monotonic milliseconds; never goes back. For every duration and time-out. */
  monotonic(): number
  /** Calls `fire` once, `ms` from now at the earliest. */
  after(ms: number, fire: () => void): Timer
  /** Resolves after `ms`; of 0 ms as soon as others that wait have had their turn, and no later. Rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export interface Random {
  /** A version 4 UUID. */
  uuid(): string
  /** In [0, 1). */
  next(): number
}
