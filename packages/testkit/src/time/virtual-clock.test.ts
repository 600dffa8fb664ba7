// Virtual time: order, moments made on the way, waiting for a condition.
import { describe, expect, test } from '@jest/globals'
import { VirtualClock } from './virtual-clock.ts'

describe('virtual clock', () => {
  test('timers: fire by time, those of one moment in the order of their making, none early, cancelled ones never', async () => {
    const clock = new VirtualClock({ startAt: 1_000 })
    const fired: string[] = []
    const note = (name: string) => () => fired.push(`${name} at ${clock.monotonic()}`)
    clock.after(20, note('late'))
    clock.after(10, note('first'))
    const cancelled = clock.after(10, note('never'))
    clock.after(10, note('second'))
    cancelled.cancel()
    cancelled.cancel()
    await clock.advance(9)
    expect([fired, clock.now()]).toEqual([[], 1_009])
    await clock.advance(5)
    expect(fired).toEqual(['first at 10', 'second at 10'])
    await clock.advance(100)
    expect([fired.at(-1), clock.now(), clock.nextAt]).toEqual(['late at 20', 1_114, undefined])
  })

  test('advance: what a timer sets off has come to rest before the next one, timers made on the way fire in the same advance', async () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    const work = async (name: string): Promise<void> => {
      for (let step = 0; step < 3; step += 1) {
        await clock.sleep(10)
        for (let turn = 0; turn < 50; turn += 1) await Promise.resolve()
        seen.push(`${name}${step}@${clock.monotonic()}`)
      }
    }
    void work('a')
    clock.after(5, () => void work('b'))
    await clock.advance(35)
    expect(seen).toEqual(['a0@10', 'b0@15', 'a1@20', 'b1@25', 'a2@30', 'b2@35'])
  })

  test('sleep: ends by its time or by the signal, with its reason', async () => {
    const clock = new VirtualClock()
    const control = new AbortController()
    const sleeping = clock.sleep(10, control.signal)
    control.abort(new Error('enough'))
    await expect(sleeping).rejects.toThrow('enough')
    await expect(clock.sleep(10, control.signal)).rejects.toThrow('enough')
    expect(clock.nextAt).toBeUndefined()
  })

  test('advanceUntil: stops at the moment that brings it; says what it waited for when it does not come', async () => {
    const clock = new VirtualClock()
    let count = 0
    const tick = (): void => {
      count += 1
      if (count < 10) clock.after(10, tick)
    }
    tick()
    await clock.advanceUntil('five', () => count === 5, 1_000)
    expect(clock.monotonic()).toBe(40)
    await expect(clock.advanceUntil('seven', () => count === 7, 15)).rejects.toThrow('waited 15 ms of virtual time for: seven')
    await expect(clock.advanceUntil('eleven', () => count === 11, 1_000)).rejects.toThrow('no timer is left')
  })
})
