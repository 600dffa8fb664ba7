// Aggregates against plain arithmetic.
import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { aggregate, avg, count, max, min, sum } from './aggregates.ts'
import type { Aggregate } from './aggregates.ts'

const whole = fc.array(fc.integer({ min: -1_000_000, max: 1_000_000 }), { minLength: 1 })
const self = (n: number): number => n
const fold = <R>(of: Aggregate<number, R>, values: readonly number[]): unknown => values.reduce((accumulator: unknown, value) => of.add(accumulator, value), of.initial())

describe('aggregates', () => {
  test.each<[string, Aggregate<number, number>, (values: readonly number[]) => number]>([
    ['count', count(), (values) => values.length],
    ['sum', sum(self), (values) => values.reduce((a, b) => a + b)],
    ['min', min(self), (values) => Math.min(...values)],
    ['max', max(self), (values) => Math.max(...values)],
    ['avg', avg(self), (values) => values.reduce((a, b) => a + b) / values.length],
  ])('%s: any numbers → what arithmetic says, in one or in two parts', (kind, of, wanted) => {
    expect(of.kind).toBe(kind)
    fc.assert(fc.property(whole, fc.nat(), (values, at) => {
      expect(of.result(fold(of, values))).toBeCloseTo(wanted(values))
      const cut = at % (values.length + 1)
      expect(of.merge && of.result(of.merge(fold(of, values.slice(0, cut)), fold(of, values.slice(cut))))).toBeCloseTo(wanted(values))
    }))
  })

  test.each([count(), sum(self), min(self), max(self), avg(self)])('$kind: adding leaves the old accumulator as it was', (of) => {
    const before = Object.freeze(fold(of, [5, 3]))
    const copy = structuredClone(before)
    of.add(before, 4)
    expect(before).toEqual(copy)
    expect(typeof before === 'number' || (Array.isArray(before) && before.every((each) => typeof each === 'number'))).toBe(true)
  })

  test.each([sum, min, max, avg])('%p: what is no finite number → an error of its record, not a wrong total', (make) => {
    const of = make((value: { readonly n: number }) => value.n)
    for (const bad of ['{ "n": "12" }', '{}', '{ "n": null }', '{ "n": 1e999 }']) {
      expect(() => of.add(of.initial(), JSON.parse(bad))).toThrow(expect.objectContaining({ code: 'JOB_NOT_A_NUMBER', blame: 'user' }))
    }
  })

  test('aggregate: a user-defined one keeps its `this`', () => {
    const spec = { step: 2, initial: () => 0, add(total: number, value: number) { return total + value * this.step }, result: (total: number) => total }
    const of = aggregate(spec)
    expect(of.result(fold(of, [1, 2]))).toBe(6)
    expect(of.merge).toBeUndefined()
    expect(() => aggregate(JSON.parse('{}'))).toThrow(expect.objectContaining({ code: 'JOB_MISUSE' }))
  })
})
