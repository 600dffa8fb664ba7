// Deaths in a row, as the next owner reads them in the journal.
import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { FramedCommit } from '../records/codec.ts'
import type { JournalRecord, Stamp } from '../records/records.ts'
import { claim, commit, release, stamp } from '../samples/records.ts'
import { AWAY_AFTER_MS, clearedByTrial, DeathCount, deathsLeft, isToBeTried } from './deaths.ts'
import type { Deaths } from './deaths.ts'

const at = <R extends JournalRecord>(record: R, timestamp: number, deaths?: Deaths): R => ({ ...record, timestamp, ...(deaths === undefined ? {} : { deaths }) })
const after = (records: readonly JournalRecord[]): DeathCount => {
  const count = new DeathCount()
  for (const record of records) count.see(record)
  return count
}
const [A, B, me] = [stamp('A', 1), stamp('B', 2), stamp('me', 3).owner]
const once: Deaths = { slots: 1, executors: 0 }

/** An owner that claims, tries for long, commits for `livedMs`, and is never heard of again. */
const life = (by: Stamp, livedMs: number, deaths?: Deaths): JournalRecord[] => [at(claim(by), 1_000, deaths), at(commit(by, 1), 60_000, deaths), at(commit(by, 2), 60_000 + livedMs, deaths)]

describe('deaths in a row', () => {
  test('frames of commits count as the commits do, and of an owner that has committed often only the last is looked into', () => {
    fc.assert(fc.property(fc.array(fc.record({ by: fc.constantFrom(A, B), commits: fc.nat(30), everyMs: fc.constantFrom(1, 100, 600), offsets: fc.nat(1), dies: fc.boolean(), deaths: fc.constantFrom(undefined, once, { slots: 1, executors: 3 }) }), { maxLength: 4 }), (lives) => {
      const records = lives.flatMap(({ by, commits, everyMs, offsets, dies, deaths }): JournalRecord[] => [
        at(claim(by), 1_000, deaths),
        ...Array.from({ length: commits }, (_, i) => {
          const record = commit(by, i + 1)
          return at({ ...record, content: { ...record.content, books: { ...record.content.books, offsets } } }, 2_000 + i * everyMs, deaths)
        }),
        ...dies ? [] : [at(release(by), 90_000)],
      ])
      let lookedInto = 0
      const frames = new DeathCount()
      for (const record of records) {
        frames.see(record.kind === 'commit' ? new FramedCommit(record, record.content, () => {
          lookedInto += 1
          return record
        }) : record)
      }
      for (const slotDied of [true, false]) for (const who of [me, A.owner]) expect(frames.next(who, slotDied)).toEqual(after(records).next(who, slotDied))
      if (lives.every(({ offsets }) => offsets > 0)) expect(lookedInto).toBeLessThanOrEqual(11 * lives.length)
    }))
  })
  test('the first owner, and whoever follows a release, has none before it', () => {
    expect(after([]).next(me, false)).toBeUndefined()
    expect(after([...life(A, 5), at(release(A), 2_000)]).next(me, false)).toBeUndefined()
    expect(after([...life(A, AWAY_AFTER_MS, once), at(release(A), 90_000)]).next(me, false)).toBeUndefined()
  })
  test('an owner that released it before it got away adds none, and makes no slot forgotten: what killed it still lies ahead', () => {
    for (const records of [[at(claim(B), 1_000, once)], life(B, 5, once)]) {
      const count = after([...records, at(release(B), 2_000)])
      expect(count.next(me, false)).toEqual(once)
      expect(count.next(B.owner, false)).toEqual(once)
      expect(count.next(me, true)).toEqual({ slots: 2, executors: 0 })
    }
    expect(after([at(claim(B), 1_000, { slots: 0, executors: 3 }), at(release(B), 2_000)]).next(me, false)).toBeUndefined()
  })
  test('a slot that died is counted however long it lived; the second in a row is to be tried', () => {
    expect(after(life(A, 3_600_000)).next(me, true)).toEqual(once)
    const second = after([...life(A, 3_600_000), ...life(B, 100, once)]).next(me, true)
    expect(second).toEqual({ slots: 2, executors: 0 })
    expect([isToBeTried(undefined), isToBeTried(once), isToBeTried(second)]).toEqual([false, false, true])
  })
  test('an owner that never committed counts on: it was stuck in what killed the one before', () => {
    expect(after([at(claim(B), 1_000, once)]).next(me, true)).toEqual({ slots: 2, executors: 0 })
  })
  test('an owner that got away begins the count anew', () => {
    expect(after(life(B, AWAY_AFTER_MS, once)).next(me, true)).toEqual(once)
    expect(after(life(B, AWAY_AFTER_MS, once)).next(me, false)).toBeUndefined()
  })
  test('the count stands in commits too, where the claim has been trimmed', () => {
    expect(after([at(commit(B, 7), 1_500, once)]).next(me, true)).toEqual({ slots: 2, executors: 0 })
  })
  test('a claim written again does not make its owner younger', () => {
    expect(after([...life(B, AWAY_AFTER_MS, once), at(claim(B), 90_000, once)]).next(me, true)).toEqual(once)
  })
  test('the claim of one that came too late, and its release, are of nobody who could have died: the count of the owner before it stands', () => {
    const twice = { slots: 2, executors: 1 }
    for (const late of [[at(claim(A), 3_000)], [at(claim(A), 3_000), at(release(A), 3_100)], life(A, AWAY_AFTER_MS)]) {
      const count = after([at(claim(B), 1_000, twice), ...late])
      for (const who of [me, A.owner]) expect(count.next(who, false)).toEqual({ slots: 2, executors: 2 })
      expect(count.next(me, true)).toEqual({ slots: 3, executors: 1 })
    }
  })
  test('executors that are killed now and then count for nothing, those that die at once do after the fourth', () => {
    expect(after(life(A, 1_000)).next(me, false)).toBeUndefined()
    let deaths: Deaths | undefined
    for (let i = 0; i < 4; i += 1) deaths = after(life(A, 50, deaths)).next(me, false)
    expect(deaths).toEqual({ slots: 0, executors: 4 })
    expect(isToBeTried(deaths)).toBe(true)
  })
  test('executors that are killed soon, one after the other, and each committed ten batches of input first count for nothing; batches without input do not help', () => {
    const lives = (batches: number, offsets: number): JournalRecord[] => [at(claim(B), 1_000, { slots: 0, executors: 3 }), ...Array.from({ length: batches }, (_, i) => {
      const record = at(commit(B, i + 1), 1_000 + i, { slots: 0, executors: 3 })
      return { ...record, content: { ...record.content, books: { ...record.content.books, offsets } } }
    })]
    expect(after(lives(10, 3)).next(me, false)).toBeUndefined()
    expect(after(lives(9, 3)).next(me, false)).toEqual({ slots: 0, executors: 4 })
    expect(after(lives(10, 0)).next(me, false)).toEqual({ slots: 0, executors: 4 })
  })
  test('an owner that got away says so in its commits: where only its last one is read, those that died before it are forgotten', () => {
    expect(deathsLeft({ slots: 1, executors: 3 }, 0, 10)).toEqual(once)
    expect(deathsLeft({ slots: 0, executors: 3 }, 1_000, 0)).toBeUndefined()
    expect(deathsLeft({ slots: 1, executors: 0 }, AWAY_AFTER_MS, 0)).toBeUndefined()
    expect(deathsLeft({ slots: 1, executors: 0 }, 0, 500, 19)).toEqual(once)
    expect(deathsLeft({ slots: 1, executors: 0 }, 0, 20, 20)).toBeUndefined()
    expect(after([at(commit(B, 40), 5_000)]).next(me, false)).toEqual({ slots: 0, executors: 1 })
  })
  test('an executor killed in between does not make the deaths of slots forgotten', () => {
    expect(after(life(B, 2_000, once)).next(me, false)).toEqual(once)
  })
  test('what was tried without harm is not tried again for a planned move, but for one death more', () => {
    const cleared = clearedByTrial({ slots: 3, executors: 4 })
    expect(isToBeTried(cleared)).toBe(false)
    expect(isToBeTried(after([...life(B, 5, cleared), at(release(B), 2_000)]).next(me, false))).toBe(false)
    expect(isToBeTried(after(life(B, 5, cleared)).next(me, true))).toBe(true)
    expect(clearedByTrial(undefined)).toBeUndefined()
  })
})
