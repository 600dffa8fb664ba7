// Which snapshots a record names, and what may be trimmed behind them.
import { describe, expect, test } from '@jest/globals'
import { commit, snapshot, stamp } from '../samples/records.ts'
import { snapshotsToName, trimPlan } from './plan.ts'

const by = stamp('A', 1)
const [first, second, third] = [snapshot(by, 4, 40, 400), snapshot(by, 5, 50, 500), snapshot(by, 6, 60, 600)]
const topics = new Set<string>()

describe('snapshots to name', () => {
  test('the newest two, newest first', () => {
    expect(snapshotsToName([], first)).toEqual([first])
    expect(snapshotsToName([first], second)).toEqual([second, first])
    expect(snapshotsToName([second, first], third)).toEqual([third, second])
  })
  test('one that was found missing or damaged is not named beside a fresh one: the one before it is, and the journal reaches back to that', () => {
    expect(snapshotsToName([second, first], third, [{ ...second }])).toEqual([third, first])
    expect(trimPlan(commit(by, 70, snapshotsToName([second, first], third, [second])), topics)).toMatchObject({ journalBefore: 400 })
    expect(snapshotsToName([second, first], third, [first])).toEqual([third, second])
    expect(snapshotsToName([second, first], third, [second, first])).toEqual([third])
    expect(() => snapshotsToName([second, first], { ...third, checkpoint: 4 }, [second])).toThrow('does not follow')
  })
  test('one that goes back is a mistake; the same batch again or the same number again is not', () => {
    expect(() => snapshotsToName([second], first)).toThrow('does not follow')
    expect(() => snapshotsToName([second], { ...third, batchId: 49 })).toThrow('does not follow')
    expect(snapshotsToName([second], { ...third, batchId: 50 })).toHaveLength(2)
    expect(snapshotsToName([second], { ...second, batchId: 55 })).toHaveLength(2)
  })
})

describe('trimming (invariant 4)', () => {
  test('journal and shuffles go up to the older of the two newest, a user\'s topic never', () => {
    const older = { ...first, positions: [{ input: 'source:orders', topic: 'orders', partition: 0, next: 77 }, { input: 's0-k', topic: 'sh', partition: 2, next: 12 }] }
    expect(trimPlan(commit(by, 70, [second, older]), new Set(['s0-k']))).toEqual({ journalBefore: 400, shuffles: [{ input: 's0-k', topic: 'sh', partition: 2, before: 12 }] })
  })
  test('with fewer than two nothing is trimmed', () => {
    expect(trimPlan(commit(by, 70, []), topics)).toEqual({ shuffles: [] })
    expect(trimPlan(commit(by, 70, [second]), topics)).toEqual({ shuffles: [] })
  })
  test('the run\'s origin as the older one keeps the whole journal', () => {
    expect(trimPlan(commit(by, 70, [second, snapshot(stamp('old', 1), 3, 0, 0)]), topics)).toEqual({ shuffles: [] })
  })
  test('one taken before the first batch as the older one, behind the claim → keeps the whole journal: whoever falls back on it begins at its start', () => {
    expect(trimPlan(commit(by, 70, [second, snapshot(by, 3, 0, 1)]), topics)).toEqual({ shuffles: [] })
  })
})
