// Which checkpoints are kept, which are removed, and whether their input still exists.
import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { buildManifest } from './manifest.ts'
import { DEFAULT_RETENTION, inputGaps, retentionPlan } from './retention.ts'
import type { Retained } from './retention.ts'
import { manifestFacts } from './samples/manifest.ts'
import { runRecord } from './samples/run.ts'

const HOUR = 3_600_000
const now = 1_700_000_000_000
const every = (n: number, stepMs: number, run = 1): Retained[] => Array.from({ length: n }, (_, i) => ({ checkpoint: n - i, run, timestamp: now - i * stepMs }))
const kept = (plan: ReturnType<typeof retentionPlan>): number[] => plan.keep.map(({ checkpoint }) => checkpoint)

describe('retention', () => {
  test('the newest N stay, older ones are removed oldest first', () => {
    const plan = retentionPlan(every(5, 1), { newest: 3, thinned: [] }, 1, undefined, now)
    expect(kept(plan)).toEqual([5, 4, 3])
    expect(plan.remove).toEqual([1, 2])
  })
  test('older ones are thinned: one an hour for a day, one a day for a week', () => {
    const plan = retentionPlan(every(14 * 24 * 6, HOUR / 6), DEFAULT_RETENTION, 1, undefined, now)
    const reasons = plan.keep.map(({ because }) => because)
    expect(reasons.filter((reason) => reason.includes('newest 10'))).toHaveLength(10)
    expect(reasons.filter((reason) => reason.includes('hour')).length).toBeGreaterThanOrEqual(22)
    expect(reasons.filter((reason) => reason.includes('hour')).length).toBeLessThanOrEqual(25)
    expect([6, 7]).toContain(reasons.filter((reason) => reason.includes('day')).length)
  })
  test('what the run began from stays until the run has two of its own', () => {
    const old = every(4, 30 * 24 * HOUR).map((one) => ({ ...one, timestamp: one.timestamp - 30 * 24 * HOUR }))
    const policy = { newest: 2, thinned: [] }
    expect(kept(retentionPlan([...old, { checkpoint: 9, run: 2, timestamp: now }], policy, 2, 1, now))).toEqual([9, 4, 1])
    expect(kept(retentionPlan([...old, { checkpoint: 9, run: 2, timestamp: now }, { checkpoint: 10, run: 2, timestamp: now }], policy, 2, 1, now))).toEqual([10, 9])
  })
  test('fewer than two are refused', () => {
    expect(() => retentionPlan([], { newest: 1, thinned: [] }, 1, undefined, now)).toThrow('at least 2')
  })
  test('whatever there is: each is kept or removed, the newest stay, numbers are ordered as numbers', () => {
    fc.assert(fc.property(fc.uniqueArray(fc.nat({ max: 200_000 }), { maxLength: 60 }), fc.integer({ min: 2, max: 12 }), (numbers, newest) => {
      const plan = retentionPlan(numbers.map((checkpoint) => ({ checkpoint, run: 1, timestamp: now - (200_000 - checkpoint) * 60_000 })), { ...DEFAULT_RETENTION, newest }, 1, undefined, now)
      expect([...kept(plan), ...plan.remove].toSorted((a, b) => a - b)).toEqual(numbers.toSorted((a, b) => a - b))
      expect(kept(plan).slice(0, newest)).toEqual(numbers.toSorted((a, b) => b - a).slice(0, newest))
    }))
  })
  test('input: a checkpoint whose source was trimmed past its position says the range', () => {
    const manifest = buildManifest(runRecord, manifestFacts())
    const gaps = inputGaps(manifest, new Set(['source:orders']), (_topic, partition) => (partition === 0 ? 123_500 : 123_457))
    expect(gaps).toEqual([{ topic: 'orders', partition: 0, from: 123_457, to: 123_500 }])
    expect(inputGaps(manifest, new Set(), () => 1e9)).toEqual([])
  })
})
