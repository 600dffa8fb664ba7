// The checks of results, timers and fates themselves: each finds what it is there for, in batches written by hand.
import { describe, expect, test } from '@jest/globals'
import type { Books } from '@tidemark/checkpoint'
import { ECHO_MS } from '../alarms.ts'
import { isCounted, STRAGGLER_AMOUNT } from '../events.ts'
import type { SimEvent } from '../events.ts'
import type { CommittedWrite } from '../observed-broker.ts'
import type { Variety } from '../variety.ts'
import { ALARMS, WINDOWS } from '../workload.ts'
import { AlarmsCheck } from './alarms-check.ts'
import { saidIn, Transactions } from './batches.ts'
import { batch, committed, lineageOf, placed, REF, T0, write } from './check-fixture.ts'
import { DeadLetterCheck } from './dead-letter-check.ts'
import { FatesCheck } from './fates-check.ts'
import { Violations } from './violations.ts'
import { WindowsCheck } from './windows-check.ts'

const LETTERS = 'copartitioned.dead-letters'

describe('transactions', () => {
  test('transactions, records of one journal → each finds its own, also where it is read late or in parts', () => {
    const transactions = new Transactions()
    const [one, other] = [[write('a', [1])], [write('b', [2])]]
    const journal = (baseOffset: number, records: number): CommittedWrite => ({ ...write('journal', Array.from({ length: records }, () => '')), baseOffset })
    transactions.committed(one, journal(3, 2))
    transactions.committed(other, journal(7, 1))
    expect([transactions.of('journal', 0, 3), transactions.of('journal', 0, 4), transactions.of('journal', 0, 6), transactions.of('journal', 0, 7)]).toEqual([one, one, [], other])
    expect(transactions.of('journal', 1, 7)).toEqual([])
  })
  test('transactions, an owner before gives it up while the first batch of the one after is still open → the batch finds its own', () => {
    const transactions = new Transactions()
    const [release, commit] = [[write('a', [1])], [write('b', [2])]]
    const journal = (baseOffset: number): CommittedWrite => ({ ...write('journal', ['']), baseOffset })
    transactions.committed(release, journal(39))
    transactions.committed(commit, journal(38))
    expect([transactions.of('journal', 0, 38), transactions.of('journal', 0, 39)]).toEqual([commit, release])
  })
})

describe('outputs', () => {
  test('outputs, one is no JSON → noted, the others are read, of other partitions none', () => {
    const violations = new Violations()
    expect(saidIn([write('a', ['{"n":1}', '{"n', '{"n":2}']), { ...write('a', [3]), partition: 1 }, write('b', [4])], 'a', violations, 0)).toEqual([{ n: 1 }, { n: 2 }])
    expect(violations.found).toEqual(['outputs: "{\\"n" in a is no JSON'])
  })
})

describe('timers', () => {
  const input = placed({ amount: 2, ts: 10 }, { amount: 3, ts: 60.5 }, { amount: 4, ts: 120, fails: 'timer' })
  const alarm = (at: number, over: object = {}): object => ({ key: 'u0', at: T0 + at, times: [T0 + at, T0 + at], watermark: T0 + at, count: 2, sum: 5, ...over })
  const said = (...alarms: readonly object[]): { readonly found: readonly string[], readonly missing: readonly string[] } => {
    const violations = new Violations()
    const check = new AlarmsCheck(input, lineageOf(violations), violations)
    check.committed(committed([write(ALARMS, alarms)]))
    return { found: violations.found, missing: check.missing(1) }
  }

  test('timers, each once and in order, but one that throws → nothing is wrong and nothing missing', () => {
    expect(said(alarm(100), alarm(100 + ECHO_MS))).toEqual({ found: [], missing: [] })
  })

  test('timers, one has not fired → it is missing', () => {
    expect(said(alarm(100)).missing).toEqual([`the timer of u0 at ${T0 + 100 + ECHO_MS}`])
    expect(said().missing).toHaveLength(2)
  })

  test.each([
    ['fired twice', [alarm(100), alarm(100)]],
    ['fired behind that at', [alarm(100 + ECHO_MS), alarm(100)]],
    ['was told that it is', [alarm(100, { times: [T0 + 100, T0 + 60] })]],
    ['fired at the watermark', [alarm(100, { watermark: T0 + 60.5 })]],
    ['was set by no record', [alarm(300)]],
    ['said something and throws', [alarm(200, { count: 1, sum: 4 })]],
    ['says 1/2, the input 2/5', [alarm(100, { count: 1, sum: 2 })]],
    ['fired, which nothing is behind', [alarm(100, { key: 'flush-0' })]],
  ] as const)('timers, one %s → found', (what, alarms) => {
    expect(said(...alarms).found.join('\n')).toContain(what)
  })
})

describe('windows', () => {
  const straggler = (number: number, ts: number): Omit<SimEvent, 'user'> => ({ amount: STRAGGLER_AMOUNT * 2 ** (number - 1), ts, straggles: number })
  const input = placed({ amount: 2, ts: 10 }, { amount: 3, ts: 60 }, straggler(1, 30), { amount: 5, ts: 160 }, straggler(2, 40), { amount: 7, ts: 360 })
  const result = (start: number, count: number, sum: number): object => ({ key: 'u0', window: { start: T0 + start }, count, sum })
  const windows = (variety: Variety, late = 1, events = input) => {
    const violations = new Violations()
    const journals = new Map([['journal/0', { of: { ref: REF }, total: () => late }]])
    return { check: new WindowsCheck({ input: events, variety, journals, lineage: lineageOf(violations), violations }), found: violations.found }
  }
  const wholeOf = (start: number, count: number, sum: number): CommittedWrite => write(WINDOWS, [result(start, count, sum)])

  test('windows, final, batches that tell who is late → exact', () => {
    const { check, found } = windows({ lateness: 0 })
    for (const one of [batch(0, 4, {}, [wholeOf(0, 3, 5 + STRAGGLER_AMOUNT)]), batch(4, 6, { late: 1 }, [wholeOf(100, 1, 5)], 2), batch(6, 6, {}, [wholeOf(300, 1, 7)], 3)]) {
      check.committed(committed(one.writes))
      check.batch(one)
    }
    expect(found).toEqual([])
    expect(check.missing(1)).toEqual([])
  })

  test.each([
    ['counts 0 records as late, by the input there are 1', batch(4, 6, {})],
    ['counts 2 records as late, by the input there are 1', batch(4, 6, { late: 2 })],
    ['and 0 that a window dropped', batch(4, 6, { late: 1, lateDrops: 0 })],
    ['counts 3 records as late, by the input there are 0 to 1', batch(0, 6, { late: 3 })],
    ['which came too late', batch(4, 6, { late: 1 }, [wholeOf(0, 3, 5 + 2 * STRAGGLER_AMOUNT)])],
    ['which came in time', batch(0, 4, {}, [wholeOf(0, 2, 5)])],
  ])('windows, a batch %s → found', (what, one) => {
    const { check, found } = windows({ lateness: 0 })
    check.batch(one)
    expect(found.join('\n')).toContain(what)
  })

  test('windows, a result that can not be encoded → not missing, and found when it is said', () => {
    const { check, found } = windows({ onError: 'skip' }, 0, placed({ amount: 2, ts: 10 }, { amount: 0.5, ts: 20, fails: 'result', odd: 1 }, { amount: 3, ts: 110 }))
    expect(check.missing(1)).toEqual([`window u0@${T0 + 100}`])
    check.committed(committed([write(WINDOWS, [result(100, 1, 3), result(0, 2, 2.5)])]))
    expect(found).toEqual([`outputs: run 1: window ${T0} of u0 was said, and can not be encoded`])
  })

  test('windows, something is late where nothing comes late → found', () => {
    const { check, found } = windows({})
    check.batch(batch(0, 2, { folded: 2, lateDrops: 1 }))
    expect(found.join()).toContain('1 that a window dropped, when none comes late')
  })

  test('windows, a record is neither late nor in a window, or both → that is missing', () => {
    const { check } = windows({ lateness: 0 }, 0)
    const one = batch(0, 6, {}, [write(WINDOWS, [result(0, 3, 5 + STRAGGLER_AMOUNT), result(100, 1, 5), result(300, 1, 7)])])
    check.committed(committed(one.writes))
    check.batch(one)
    expect(check.missing(1)).toEqual(['windows have 5 records, and 0 are late, of 6'])
  })

  test.each([
    ['was said twice', [result(0, 2, 5), result(0, 2, 5)]],
    ['says 2/6, the input has 2/5', [result(0, 2, 6)]],
    ['says 1/2, the input has 2/5', [result(0, 1, 2)]],
    ['has record 3 of those that straggle', [result(0, 3, 5 + 4 * STRAGGLER_AMOUNT)]],
    ['is closed, which nothing is behind', [{ ...result(0, 1, 0), key: 'flush-1' }]],
  ] as const)('windows, a final result %s → found', (what, results) => {
    const { check, found } = windows({})
    check.committed(committed([write(WINDOWS, results)]))
    expect(found.join('\n')).toContain(what)
  })

  test('windows, each change said → counts go up by one', () => {
    const changes = (...results: readonly object[]): readonly string[] => {
      const { check, found } = windows({ emit: 'updates' }, 0)
      check.committed(committed([write(WINDOWS, results)]))
      return found
    }
    expect(changes(result(0, 1, 2), result(0, 2, 5), result(100, 1, 5))).toEqual([])
    expect(changes(result(0, 2, 5)).join()).toContain('counts 2 after 0: lost')
    expect(changes(result(0, 1, 2), result(0, 1, 2)).join()).toContain('counts 1 after 1: doubled')
    expect(changes(result(0, 1, 3)).join()).toContain('says 1/3')
    const { check, found } = windows({ emit: 'updates', lateness: 0 })
    check.batch(batch(0, 3, {}, [write(WINDOWS, [result(0, 1, 2), result(0, 2, 5)])]))
    expect(found.join()).toContain('says 2 changes of windows for 3 records, 0 of them late')
  })
})

describe('fates', () => {
  const input = placed({ amount: 1, ts: 0 }, { amount: 1, ts: 10, fails: 'decode', odd: 1 }, { amount: 1, ts: 20, fails: 'running', odd: 2 }, { user: 'poison-0-0', amount: -2, ts: 20 }, { amount: 1, ts: 30, fails: 'timer', odd: 3 }, { amount: 0.5, ts: 210, fails: 'result', odd: 4 })
  const about = { 'tidemark-stage': 's0', 'tidemark-source-partition': '0' }
  const letter = (...names: readonly string[]): CommittedWrite => write(LETTERS, names, about)
  const [one, two, killer, timer, result] = ['{"odd":1', '{"odd":2,"user":"u0"}', '{"user":"poison-0-0"}', `{"key":"u0","timer":${T0 + 100}}`, `{"key":"u0","window":{"start":${T0 + 200},"end":${T0 + 300}},"count":1,"sum":0.5}`]
  const fates = (variety: Variety, total = 3) => {
    const violations = new Violations()
    const journals = new Map([['journal/0', { of: { ref: REF }, total: (book: keyof Books) => (book === (variety.onError === 'skip' ? 'skipped' : 'deadLettered') ? total : 0) }]])
    return { check: new FatesCheck({ shape: 'copartitioned', variety, input, deadLetterTopic: LETTERS, journals, violations }), found: violations.found }
  }

  test('fates, what throws or kills is counted, and its dead letters are in the transaction → exact', () => {
    expect(input.filter(({ event }) => isCounted(event))).toHaveLength(3)
    const { check, found } = fates({ onError: 'dead-letter' })
    check.batch(batch(0, 2, { deadLettered: 1 }, [letter(one)]))
    check.batch(batch(2, 5, { deadLettered: 2 }, [letter(two, killer), write(LETTERS, [timer, result], { 'tidemark-stage': 's0' })], 2))
    expect([found, check.missing(1)]).toEqual([[], []])
    const skipped = fates({ onError: 'skip' })
    skipped.check.batch(batch(0, 5, { skipped: 3 }))
    expect([skipped.found, skipped.check.missing(1)]).toEqual([[], []])
    expect(fates({}, 2).check.missing(1)).toEqual(['s0 counts 2 of 3 records as deadLettered'])
  })

  test.each([
    ['counts 0 records as deadLettered', batch(0, 2, {}, [letter(one)])],
    ['its transaction has other dead letters ()', batch(0, 2, { deadLettered: 1 })],
    ['its transaction has other dead letters (record 2)', batch(0, 2, { deadLettered: 1 }, [letter(two)])],
    ['its transaction has other dead letters (record 1, record 1)', batch(0, 2, { deadLettered: 1 }, [letter(one, one)])],
    ['counts 1 records as skipped', batch(0, 2, { deadLettered: 1, skipped: 1 }, [letter(one)])],
    ['counts 1 records from 0 to 2', batch(0, 2, { deadLettered: 1, records: 1 }, [letter(one)])],
    ['counts 2 dead letters, its transaction has 1', { ...batch(0, 0, { deadLettered: 2 }, [letter(one)]), source: undefined }],
  ])('fates, a batch %s → found', (what, seen) => {
    const { check, found } = fates({ onError: 'dead-letter' })
    check.batch(seen)
    expect(found.join('\n')).toContain(what)
  })

  test('fates, more were set aside than there are → found', () => {
    const { check, found } = fates({ onError: 'dead-letter' }, 4)
    check.batch(batch(0, 2, { deadLettered: 1 }, [letter(one)]))
    expect(found.join()).toContain('makes it 4 records deadLettered in s0, the input has 3')
  })

  test('fates, dead letters → each that throws once in a run, its timer and its result too, and nothing that does not', () => {
    const violations = new Violations()
    const check = new DeadLetterCheck({ topic: LETTERS, input, variety: { onError: 'dead-letter' }, lineage: lineageOf(violations), violations })
    check.committed(committed([letter(one, two, killer)], 1, 3))
    expect([violations.found, check.missing(1), check.missing(2).length]).toEqual([[], [`the timer of u0 at ${T0 + 100} is not among the dead letters`, `the window ${T0 + 200} of u0 is not among the dead letters`], 5])
    check.committed(committed([letter(timer, result)]))
    expect([violations.found, check.missing(1)]).toEqual([[], []])
    check.committed(committed([letter(one, '{"user":"u0"}')]))
    expect(violations.found.join('\n')).toMatch(/record 1 is among them twice\n.*"u0".* nothing is wrong with it/)
    const skips = new Violations()
    new DeadLetterCheck({ topic: LETTERS, input, variety: { onError: 'skip' }, lineage: lineageOf(skips), violations: skips }).committed(committed([letter(one)]))
    expect(skips.found.join()).toContain('the job skips')
  })
})
