// The benchmarks' own checks, tested: what is lost, doubled or wrong is found, and a silence is measured from end to end.
import { describe, expect, test } from '@jest/globals'
import { START_TS, USERS } from '../../bench/payments.ts'
import { RunningCheck } from '../../bench/recovery/check.ts'
import { longestSilence, median } from '../../bench/recovery/silence.ts'
import { WindowedCheck } from '../../bench/windowed/check.ts'

/** 30,000 events a millisecond apart: three windows; only the first two become final. Users 0 to 9 in turn, amounts 1 to 7. */
const input = { count: 30_000, userOf: (n: number) => n % 10, amountOf: (n: number) => 1 + n % 7, partitionOf: (user: number) => user % 4 }

const windowedResults = (): { key: string, window: { start: number, end: number }, count: number, sum: number }[] => [0, 1].flatMap((window) => Array.from({ length: 10 }, (_, user) => {
  let [count, sum] = [0, 0]
  for (let n = window * 10_000; n < (window + 1) * 10_000; n += 1) {
    if (input.userOf(n) !== user) continue
    count += 1
    sum += input.amountOf(n)
  }
  const start = START_TS + window * 10_000
  return { key: `u${user}`, window: { start, end: start + 10_000 }, count, sum }
}))

const checkWindowed = (results: readonly object[]): object => {
  const check = new WindowedCheck(input)
  for (const result of results) check.take(JSON.stringify(result))
  const { lost, doubled, wrong } = check.finish()
  return { lost, doubled, wrong }
}

describe('benchmarks: windowed check', () => {
  const results = windowedResults()
  const [first] = results

  test.each([
    ['all results', results, { lost: 0, doubled: 0, wrong: 0 }],
    ['one left out', results.slice(1), { lost: 1, doubled: 0, wrong: 0 }],
    ['one twice', [...results, first], { lost: 0, doubled: 1, wrong: 0 }],
    ['a sum off by one', [{ ...first, sum: (first?.sum ?? 0) + 1 }, ...results.slice(1)], { lost: 0, doubled: 0, wrong: 1 }],
    ['a window that is not final', [...results, { ...first, window: { start: START_TS + 20_000 } }], { lost: 0, doubled: 0, wrong: 1 }],
    ['a user that paid nothing', [...results, { ...first, key: `u${USERS - 1}` }], { lost: 0, doubled: 0, wrong: 1 }],
  ])('windowed check, %s → counted as that', (_title, given, expected) => {
    expect(checkWindowed(given.map((result) => ({ ...result })))).toEqual(expected)
  })
})

describe('benchmarks: running check', () => {
  const small = { ...input, count: 6, userOf: (n: number) => n % 2 }
  // u0 pays 1, 3, 5 and u1 pays 2, 4, 6.
  const results: readonly (readonly [string, number, number])[] = [['u0', 1, 1], ['u1', 1, 2], ['u0', 2, 4], ['u1', 2, 6], ['u0', 3, 9], ['u1', 3, 12]]

  test.each([
    ['all results', results, { lost: 0, doubled: 0, wrong: 0 }],
    ['the last of a user missing', results.slice(0, 5), { lost: 1, doubled: 0, wrong: 0 }],
    ['one missing between', results.toSpliced(2, 1), { lost: 0, doubled: 0, wrong: 1 }],
    ['one said again', [...results, ...results.slice(5)], { lost: 0, doubled: 1, wrong: 0 }],
    ['counted once more', [...results, ['u1', 4, 18] as const], { lost: 0, doubled: 0, wrong: 1 }],
    ['a sum that is not the input\'s', results.toSpliced(5, 1, ['u1', 3, 13] as const), { lost: 0, doubled: 0, wrong: 1 }],
  ])('running check, %s → counted as that', (_title, given, expected) => {
    const check = new RunningCheck()
    for (const [key, count, sum] of given) check.take(JSON.stringify({ key, count, sum }))
    const { lost, doubled, wrong } = check.finish(small)
    expect({ lost, doubled, wrong }).toEqual(expected)
  })
})

describe('benchmarks: silence', () => {
  test('silence, arrivals every 10 and a hole → the hole, from its last arrival to its first', () => {
    expect(longestSilence([80, 90, 95, 300, 310, 320], 100, 400)).toEqual({ from: 95, to: 300 })
  })

  test('silence, a hole that begins inside and ends behind the time looked at → counts whole', () => {
    expect(longestSilence([90, 110, 120, 500], 100, 150)).toEqual({ from: 120, to: 500 })
  })

  test('silence, nothing arrives after → none', () => {
    expect(longestSilence([80, 90], 100, 400)).toBeUndefined()
  })

  test('median, even and odd', () => {
    expect([median([4, 1, 3]), median([4, 1, 3, 2])]).toEqual([3, 2.5])
  })
})
