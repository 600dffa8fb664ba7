// The only file that reads the machine's clocks and its random source.
import { randomUUID } from 'node:crypto'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import type { Clock, Random } from './ports/clock.ts'

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, fire) => {
    const timer = setTimeout(fire, ms)
    return { cancel: () => clearTimeout(timer) }
  },
  sleep: async (ms, signal) => {
    const options = signal ? { signal } : undefined
    try {
      // A timer of 0 ms waits a whole one.
      await (ms === 0 ? turn(undefined, options) : sleep(ms, undefined, options))
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    }
  },
}

export const realRandom: Random = {
  uuid: () => randomUUID(),
  next: () => Math.random(),
}
