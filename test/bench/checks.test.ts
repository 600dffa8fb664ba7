// The benchmarks' own checks, tested: what is lost, doubled or wrong is found, and a silence is measured from end to end.
import { describe, expect, test } from '@jest/globals'
import { rowsOf, tableOf } from '../../bench/all/table.ts'
import { Latencies, Stamps } from '../../bench/latency/stamps.ts'
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

describe('benchmarks: latency', () => {
  test('latencies, 100 events of which one took long and some were sent outside of the time → percentiles of those inside', () => {
    const latencies = new Latencies()
    latencies.begin(1_000)
    for (let n = 0; n < 100; n += 1) latencies.take(1_000 + n, 1_000 + n + (n === 51 ? 900 : 10 + n % 2))
    latencies.end(1_200)
    latencies.take(999, 5_000)
    latencies.take(1_200, 5_000)
    latencies.take(NaN, 5_000)
    expect([latencies.count, latencies.percentile(50), latencies.percentile(99), latencies.percentile(100)]).toEqual([100, 10, 11, 900])
  })

  test('stamps, what was there before and two steps of events → an event and the result it made have the time of their step', () => {
    const stamps = new Stamps({ userOf: (n) => n % 2 })
    stamps.sending(4, 2)
    const before = stamps.ofInput(JSON.stringify({ ts: START_TS + 4 }))
    stamps.sending(6, 2)
    const after = stamps.ofInput(JSON.stringify({ ts: START_TS + 6 }))
    expect(after).toBeGreaterThanOrEqual(before)
    // Of u0 are events 0, 2, 4, 6; of u1 1, 3, 5, 7.
    expect([stamps.ofResult('{"key":"u0","count":3}'), stamps.ofResult('{"key":"u0","count":4}'), stamps.ofResult('{"key":"u1","count":3}')]).toEqual([before, after, before])
    expect([stamps.ofInput(JSON.stringify({ ts: START_TS })), stamps.ofResult('{"key":"u0","count":1}'), stamps.ofResult('{"key":"u1","count":5}')]).toEqual([NaN, NaN, NaN])
  })
})

describe('benchmarks: table', () => {
  const latency = (p50Ms: number, p99Ms: number): object => ({ p50Ms, p99Ms, floorP50Ms: 5, floorP99Ms: 20 })

  test('rows, three runs → the median, how far apart they are, whether the goal is reached, the median ratio', () => {
    const rows = rowsOf(new Map([['latency', [{ ...latency(20, 90) }, { ...latency(30, 70) }, { ...latency(22, 85) }]]]))
    expect(rows.map(({ measured, least, most, reached, rawRatio }) => [measured, least, most, reached, rawRatio])).toEqual([[22, 20, 30, true, 4.4], [85, 70, 90, false, 4.25]])
  })

  test('table, a figure that has no raw client and misses its goal → says so', () => {
    const text = tableOf(rowsOf(new Map([['recovery', [{ p50Ms: 140, worstMs: 700, survivorGapMs: 68 }]]])), 1)
    expect(text.split('\n').map((line) => line.replaceAll(/ +/g, ' ')).slice(2, 5)).toEqual([
      '| silence after a kill, 100,000 keys, half within | 140 ms | ≤ 300 ms | yes | - |', '| silence after a kill, 100,000 keys, worst | 700 ms | ≤ 600 ms | no | - |',
      '| the survivor\'s own partitions meanwhile, worst | 68 ms | ≤ 100 ms | yes | - |',
    ])
  })
})
