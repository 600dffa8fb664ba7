// The demo's check must see every kind of difference, and nothing where there is none; its figures come from hand-made orders.
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { compare, expectedSales, expectedTotals, saleOf, totalOf } from './check.ts'
import { orders } from './orders.ts'
import { answerOf, reportLines, sumsOf } from './report.ts'

const ORDERS = [
  { user: 'ann', product: 'pen', amount: 5, ts: 10_100 }, { user: 'bob', product: 'pen', amount: 7, ts: 10_900 },
  { user: 'ann', product: 'cup', amount: 2, ts: 11_000 }, { user: 'ann', product: 'pen', amount: 1, ts: 11_999 },
]

describe('demo check', () => {
  test('expected, four orders → a running total each, and each product\'s windows that are closed', () => {
    expect([...expectedTotals(ORDERS)]).toEqual([['ann order 1', '5'], ['bob order 1', '7'], ['ann order 2', '7'], ['ann order 3', '8']])
    expect([...expectedSales(ORDERS, 13_000)]).toEqual([['pen at 10000', '2/12'], ['cup at 11000', '1/2'], ['pen at 11000', '1/1']])
    // The watermark is a second behind: at 12,999 the second window is still open.
    expect([...expectedSales(ORDERS, 12_999)]).toEqual([['pen at 10000', '2/12']])
  })

  test('results, as the job writes them → named like what is expected', () => {
    expect(totalOf('{"key":"ann","orders":2,"total":7}')).toEqual(['ann order 2', '7'])
    expect(saleOf('{"key":"pen","window":{"start":10000,"end":11000},"orders":2,"total":12}')).toEqual(['pen at 10000', '2/12'])
    expect(saleOf('{"key":"pen"}')).toEqual(['pen at undefined', 'undefined/undefined'])
  })

  test('compare, all there in any order → exact', () => {
    const expected = expectedTotals(ORDERS)
    expect(compare(expected, [...expected].toReversed())).toEqual({ expected: 4, found: 4, lost: 0, doubled: 0, wrong: 0, examples: [] })
  })

  test.each([
    ['one missing', (all) => all.slice(1), { lost: 1, doubled: 0, wrong: 0 }, /^ann order 1: never said, it is 5$/],
    ['one twice', (all) => [...all, ...all.slice(0, 1)], { lost: 0, doubled: 1, wrong: 0 }, /^ann order 1: said again$/],
    ['one with another value', (all) => [['ann order 1', '6'], ...all.slice(1)], { lost: 0, doubled: 0, wrong: 1 }, /^ann order 1: said 6, it is 5$/],
    ['one too many', (all) => [...all, ['eve order 1', '1']], { lost: 0, doubled: 0, wrong: 1 }, /^eve order 1: said 1, should not be there$/],
  ] satisfies [string, (all: (readonly [string, string])[]) => (readonly [string, string])[], object, RegExp][])('compare, %s → counted and named', (_what, change, sums, example) => {
    const expected = expectedTotals(ORDERS)
    const verdict = compare(expected, change([...expected]))
    expect(verdict).toMatchObject(sums)
    expect(verdict.examples).toEqual([expect.stringMatching(example)])
  })

  test('compare, any results taken away or doubled → as many lost and doubled', () => {
    const expected = expectedTotals(Array.from({ length: 200 }, (_, i) => ({ user: `u${i % 9}`, product: 'p', amount: i, ts: i })))
    fc.assert(fc.property(fc.array(fc.nat(2), { minLength: 200, maxLength: 200 }), (times) => {
      const found = [...expected].flatMap((one, at) => Array.from({ length: times[at] ?? 1 }, () => one))
      expect(compare(expected, found)).toMatchObject({ lost: times.filter((n) => n === 0).length, doubled: times.filter((n) => n === 2).length, wrong: 0 })
    }))
  })

  test('report, exact → said in words; any difference or nothing to check → not exact, with the seed', () => {
    const right = { expected: 2, found: 2, lost: 0, doubled: 0, wrong: 0, examples: [] }
    const recoveries = [{ victim: 'executor-1', cause: 'executor-1 is dead: probe refused', tasks: 3, detectedMs: 8, recoveredMs: 90, gapMs: 120, othersGapMs: 30 }]
    const result = { seed: 7, eventsIn: 4, totals: right, sales: right, recoveries }
    const say = (given: typeof result): string => reportLines(given, (_style, text) => text).join('\n')
    expect(sumsOf(result)).toEqual({ results: 4, lost: 0, doubled: 0, wrong: 0, exact: true })
    expect(say(result)).toMatch(/lost +0\ndoubled +0\nwrong +0\nrecoveries +1/)
    expect(say(result)).toMatch(/executor-1 +3 +8 ms +90 ms +120 ms +30 ms +executor-1 is dead: probe refused/)
    expect(say(result)).toMatch(/^Exact: 1 executor killed under load/m)
    for (const fault of ['lost', 'doubled', 'wrong']) expect(sumsOf({ ...result, sales: { ...right, [fault]: 1 } }).exact).toBe(false)
    expect(sumsOf({ ...result, sales: { ...right, found: 0 } }).exact).toBe(false)
    expect(say({ ...result, totals: { ...right, lost: 1 } })).toMatch(/^Not exact\..*--seed 7/m)
  })

  test('answer of --json → the verdict of each output, their sums, and each recovery, exact or not', () => {
    const right = { expected: 2, found: 2, lost: 0, doubled: 0, wrong: 0, examples: [] }
    const sales = { expected: 3, found: 2, lost: 1, doubled: 0, wrong: 0, examples: ['pen at 10000: never said, it is 2/12'] }
    const recoveries = [{ victim: 'executor-1', cause: 'executor-1 is dead: probe refused', tasks: 3, detectedMs: 8, recoveredMs: 90, gapMs: 120, othersGapMs: 30 }]
    const answer = { seed: 7, eventsIn: 2, totals: right, sales: right, recoveries, results: 4, lost: 0, doubled: 0, wrong: 0, exact: true }
    expect(answerOf({ seed: 7, eventsIn: 2, totals: right, sales: right, recoveries })).toEqual(answer)
    expect(answerOf({ seed: 7, eventsIn: 2, totals: right, sales, recoveries })).toEqual({ ...answer, sales, lost: 1, exact: false })
  })

  test('orders, one seed → the same orders; event time goes with the rate', () => {
    const first = (seed: number) => orders(seed, 2_000).take(1_001).toArray()
    expect(first(5)).toEqual(first(5))
    expect(first(5)).not.toEqual(first(6))
    expect((first(5).at(-1)?.ts ?? 0) - (first(5)[0]?.ts ?? 0)).toBe(500)
  })
})
