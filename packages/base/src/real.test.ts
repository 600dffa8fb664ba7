import { describe, expect, test } from '@jest/globals'
import { realClock } from './real.ts'

const TIMES = 50

describe('real clock', () => {
  test('real clock, sleeps of 0 ms → each is a turn of the event loop, in which others have theirs, and none is a timer, which takes a millisecond', async () => {
    let turns = 0
    let next = setImmediate(function turn() {
      turns += 1
      next = setImmediate(turn)
    })
    const began = realClock.monotonic()
    for (let i = 0; i < TIMES; i += 1) {
      const before = turns
      await realClock.sleep(0)
      expect(turns).toBeGreaterThan(before)
    }
    const tookMs = realClock.monotonic() - began
    clearImmediate(next)
    expect(tookMs).toBeLessThan(TIMES)
  })

  test.each([0, 1_000])('real clock, a sleep of %i ms, its signal is aborted → rejects with the reason', async (ms) => {
    const aborting = new AbortController()
    const slept = realClock.sleep(ms, aborting.signal)
    const reason = new Error('no longer wanted')
    aborting.abort(reason)
    await expect(slept).rejects.toBe(reason)
    await expect(realClock.sleep(ms, aborting.signal)).rejects.toBe(reason)
  })
})
