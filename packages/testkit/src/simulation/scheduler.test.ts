// The order in which a simulation's things happen is the whole of its determinism: by time, within one time in the order of asking.
import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../time/seeded-random.ts'
import { Scheduler } from './scheduler.ts'

const TIMERS = 1_000

describe('scheduler', () => {
  test('scheduler, many timers, few times, every third called off, some asked for by others → those that are left fire by time, within one time as they were asked for', async () => {
    const random = seededRandom(1)
    const scheduler = new Scheduler()
    const asked: { readonly at: number, readonly name: number }[] = []
    const fired: { readonly at: number, readonly name: number }[] = []
    const ask = (): void => {
      const [name, ms] = [asked.length, Math.floor(random.next() * 20) - 1]
      const one = { at: scheduler.now + Math.max(0, ms), name }
      asked.push(one)
      const timer = scheduler.after(ms, () => {
        fired.push({ at: scheduler.now, name })
        if (asked.length < TIMERS) ask()
      })
      if (name % 3 === 0) {
        timer.cancel()
        calledOff.add(name)
      }
    }
    const calledOff = new Set<number>()
    while (asked.length < TIMERS / 2) ask()
    while (await scheduler.step()) if (asked.length < TIMERS && random.next() < 0.5) ask()
    expect(asked).toHaveLength(TIMERS)
    expect(fired).toEqual(asked.filter(({ name }) => !calledOff.has(name)).toSorted((a, b) => a.at - b.at || a.name - b.name))
    expect(scheduler.steps).toBe(fired.length)
  })

  test('scheduler, a time that is none → refused', () => {
    expect(() => new Scheduler().after(Number.NaN, () => {})).toThrow('NaN')
  })
})
