// For how long a task of a drained run delivers to its sinks.
import { describe, expect, test } from '@jest/globals'
import { Drain } from './drain.ts'

/** Of a task that has so many blocks in flight to read. */
const setUp = (inFlight = 0): { readonly drain: Drain, readonly clock: { at: number }, readonly left: { inFlight: number } } => {
  const clock = { at: 0, monotonic: () => clock.at }
  const left = { inFlight }
  return { drain: new Drain(clock, () => left.inFlight > 0), clock, left }
}

/** After so many milliseconds more: whether it still delivers, and whether it waits for no answer any more. */
const after = (drain: Drain, clock: { at: number }, ms: number): readonly [boolean, boolean] => {
  clock.at += ms
  return [drain.delivers, drain.deliveryOver]
}

describe('when a task stands', () => {
  test('its run is not drained → never, and it delivers', () => {
    const { drain, clock } = setUp()
    drain.worked()
    expect([drain.stands, after(drain, clock, 3_600_000)]).toEqual([false, [true, false]])
  })

  test('it was taken over in a run that is drained → at once; it delivers nothing until it is told to begin: it may have been cut', () => {
    const { drain, clock } = setUp()
    drain.still = true
    drain.worked()
    expect([drain.stands, after(drain, clock, 3_600_000)]).toEqual([true, [false, false]])
    drain.beginsLast(7, 120_000)
    expect([after(drain, clock, 9_999), after(drain, clock, 1), after(drain, clock, 5_000)]).toEqual([[true, false], [false, false], [false, true]])
  })

  test('it has blocks in flight to read → not before, for as long as that takes; it delivers, and its time begins then', () => {
    const { drain, clock, left } = setUp(2)
    drain.beginsLast(7, 120_000)
    drain.worked()
    expect([drain.stands, after(drain, clock, 3_600_000)]).toEqual([false, [true, false]])
    // A cut from before it stood is none of the last checkpoint.
    drain.cut()
    left.inFlight = 0
    drain.worked()
    expect([drain.stands, after(drain, clock, 9_999), after(drain, clock, 1), after(drain, clock, 4_999), after(drain, clock, 1)]).toEqual([true, [true, false], [false, false], [false, false], [false, true]])
  })
})

describe('the time that sinks have in the last checkpoint of a drained run', () => {
  test('it is over, and a new number begins → there is as much again; the same number told again adds nothing', () => {
    const { drain, clock } = setUp()
    drain.beginsLast(7, 120_000)
    expect([after(drain, clock, 9_999), after(drain, clock, 1), after(drain, clock, 4_999), after(drain, clock, 1)]).toEqual([[true, false], [false, false], [false, false], [false, true]])
    drain.beginsLast(7, 120_000)
    expect(after(drain, clock, 0)).toEqual([false, true])
    clock.at += 3_600_000
    drain.beginsLast(8, 120_000)
    expect([after(drain, clock, 9_999), after(drain, clock, 1), after(drain, clock, 5_000)]).toEqual([[true, false], [false, false], [false, true]])
    drain.beginsLast(8, 120_000)
    drain.beginsLast(7, 120_000)
    expect(after(drain, clock, 0)).toEqual([false, true])
  })

  test('it has its cut → it delivers nothing behind that, and goes on under the next number', () => {
    const { drain, clock } = setUp()
    drain.beginsLast(7, 120_000)
    drain.cut()
    expect(after(drain, clock, 20_000)).toEqual([false, true])
    drain.beginsLast(8, 120_000)
    expect(after(drain, clock, 0)).toEqual([true, false])
  })

  test('numbers are given up before it is over → it goes on from the first, and after that leaves each of them most of its time', () => {
    const { drain, clock } = setUp()
    for (let number = 1; number <= 4; number += 1) {
      drain.beginsLast(number, 2_000)
      expect(after(drain, clock, 3_000)).toEqual([number < 4, false])
    }
    for (let number = 5; number < 50; number += 1) {
      drain.beginsLast(number, 2_000)
      expect([after(drain, clock, 499), after(drain, clock, 1), after(drain, clock, 250)]).toEqual([[true, false], [false, false], [false, true]])
      clock.at += 2_250
    }
  })
})
