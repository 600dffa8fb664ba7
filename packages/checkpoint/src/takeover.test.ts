// Where a takeover begins, what it falls back to, and that it never begins empty instead.
import { describe, expect, test } from '@jest/globals'
import { newestCommit, planTakeover, startsOf } from './takeover.ts'
import type { TakeoverPlan } from './takeover.ts'
import { claim, commit, release, snapshot, stamp } from './samples/records.ts'

const by = stamp('A', 1)
const older = snapshot(by, 4, 40, 400)
const newer = snapshot(by, 5, 50, 500)
const newest = commit(by, 60, [newer, older])
const from = { run: 1, checkpoint: 9, manifest: 'orders/commits/9.json' }
const begin = (plan: TakeoverPlan): unknown => plan.kind === 'try' ? [plan.start.kind, plan.start.tailBegin] : plan.kind

describe('where a takeover begins', () => {
  test('the newest commit record says; claims and releases behind it say nothing', () => {
    expect(newestCommit([commit(by, 59), newest, claim(stamp('B', 2)), release(stamp('B', 2))])).toBe(newest)
    expect(newestCommit([claim(by)])).toBeUndefined()
  })
  test('newest snapshot, then the one before with a longer tail, then the journal\'s start where it is still there', () => {
    expect(startsOf(newest, null, 0).map(({ kind, tailBegin }) => [kind, tailBegin])).toEqual([['snapshot', 500], ['snapshot', 400], ['journal', 0]])
    expect(begin(planTakeover(newest, null, 400))).toEqual(['snapshot', 500])
    const second = planTakeover(newest, null, 400, ['no-good'])
    expect(begin(second)).toEqual(['snapshot', 400])
    expect(second).toMatchObject({ remarks: ['the snapshot of checkpoint 5 is missing or damaged; the snapshot of checkpoint 4 is used, the tail begins at 400'] })
  })
  test('nothing good left: the task stops, it does not begin empty', () => {
    expect(planTakeover(newest, null, 400, ['no-good', 'no-good'])).toEqual({ kind: 'lost', because: 'the snapshot of checkpoint 5 is missing or damaged, the snapshot of checkpoint 4 is missing or damaged' })
    expect(planTakeover(commit(by, 60, []), null, 10)).toEqual({ kind: 'lost', because: 'no snapshot reaches back to 10, where the journal begins' })
  })
  test('a snapshot whose tail was trimmed is no way', () => {
    expect(begin(planTakeover(newest, null, 450, ['no-good']))).toBe('lost')
  })
  test('store unreachable: from the journal alone where it reaches its start, else wait, never empty', () => {
    expect(begin(planTakeover(newest, null, 0, ['unreachable']))).toEqual(['journal', 0])
    expect(begin(planTakeover(newest, null, 400, ['unreachable']))).toBe('wait')
    expect(begin(planTakeover(undefined, from, 0, ['unreachable']))).toBe('wait')
    expect(begin(planTakeover(newest, null, 400, ['no-good', 'unreachable']))).toBe('wait')
  })
  test('a new run without a commit record begins with the state that its run record names, an empty one with nothing', () => {
    expect(begin(planTakeover(undefined, from, 0))).toEqual(['origin', 0])
    expect(begin(planTakeover(undefined, null, 0))).toEqual(['journal', 0])
    expect(startsOf(commit(by, 1, [snapshot(stamp('old', 9), 9, 0, 0)]), from, 0).map(({ kind }) => kind)).toEqual(['origin'])
  })
})
