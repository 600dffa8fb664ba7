// What an earlier run has said counts for a later one only as far as the checkpoint between them goes: each check of results holds to that.
import { describe, expect, test } from '@jest/globals'
import { executorId, slotId, transactionalId } from '@tidemark/base'
import { encodeRecord, paths } from '@tidemark/checkpoint'
import type { CommitRecord } from '@tidemark/checkpoint'
import { ECHO_MS } from '../alarms.ts'
import { STRAGGLER_AMOUNT } from '../events.ts'
import type { CommittedWrite } from '../observed-broker.ts'
import type { Variety } from '../variety.ts'
import { ALARMS, RUNNING, WINDOWS } from '../workload.ts'
import { AlarmsCheck } from './alarms-check.ts'
import { batchesIn } from './batches.ts'
import { batch, committed, lineageOf, OTHER, placed, REF, T0, write } from './check-fixture.ts'
import { DeadLetterCheck } from './dead-letter-check.ts'
import { OutputCheck } from './output-check.ts'
import { Violations } from './violations.ts'
import { WindowsCheck } from './windows-check.ts'

const LETTERS = 'copartitioned.dead-letters'

interface Checked {
  readonly say: (run: number, batchId: number) => void
  readonly missing: (run: number) => readonly string[]
}

const input = placed({ amount: 2, ts: 10 })
const result = (count: number, sum: number): object => ({ key: 'u0', window: { start: T0 }, count, sum })
const windowsOf = (violations: Violations, variety: Variety, events = input): WindowsCheck => new WindowsCheck({ input: events, variety, journals: new Map(), lineage: lineageOf(violations), violations })
const saying = (check: { committed(one: ReturnType<typeof committed>): void, missing(run: number): string[] }, ...writes: readonly CommittedWrite[]): Checked => ({ say: (run, batchId) => check.committed(committed(writes, run, batchId)), missing: (run) => check.missing(run) })

const outputs = (violations: Violations): Checked => {
  const check = new OutputCheck(input, lineageOf(violations), violations)
  return { say: (run, batchId) => check.committed(committed([write(RUNNING, [{ key: 'u0', count: 1, sum: 2 }])], run, batchId)), missing: (run) => check.missing(run, ['the topic']) }
}
const markers = (violations: Violations): Checked => {
  const check = new OutputCheck(input, lineageOf(violations), violations)
  return { say: (run, batchId) => check.applied({ run, task: 's0-0', batchId }, { key: 'u0', count: 1, sum: 2 }), missing: (run) => check.missing(run, ['the marker sink']) }
}
const alarms = (violations: Violations): Checked => {
  const alarm = (at: number): object => ({ key: 'u0', at: T0 + at, times: [], watermark: T0 + at, count: 1, sum: 2 })
  return saying(new AlarmsCheck(input, lineageOf(violations), violations), write(ALARMS, [alarm(100), alarm(100 + ECHO_MS)]))
}
const letters = (event: object, value: string, headers: Readonly<Record<string, string>> = {}) => (violations: Violations): Checked =>
  saying(new DeadLetterCheck({ topic: LETTERS, input: placed({ amount: 1, ts: 10, ...event }), variety: {}, lineage: lineageOf(violations), violations }), write(LETTERS, [value], headers))

describe('lineage', () => {
  test.each([
    ['a running count', outputs, 'doubled'],
    ['what a marker sink has', markers, 'doubled'],
    ['a final result', (violations: Violations) => saying(windowsOf(violations, {}), write(WINDOWS, [result(1, 2)])), 'said twice'],
    ['a change of a window', (violations: Violations) => saying(windowsOf(violations, { emit: 'updates' }), write(WINDOWS, [result(1, 2)])), 'doubled'],
    ['a result where records may come late', (violations: Violations) => saying(windowsOf(violations, { lateness: 0 }), write(WINDOWS, [result(1, 2)])), 'said twice'],
    ['a timer', alarms, 'fired twice'],
    ['a record that is set aside', letters({ fails: 'running', odd: 1 }, '{"odd":1}', { 'tidemark-stage': 's0', 'tidemark-source-partition': '0' }), 'among them twice'],
    ['a timer that is set aside', letters({ fails: 'timer', odd: 1 }, `{"key":"u0","timer":${T0 + 100}}`), 'among them twice'],
  ] as const)('lineage, %s is said in a batch that the checkpoint has → it counts for the next run, which must not say it again; in a later batch → it has to', (_what, make, twice) => {
    const [violations, doubled] = [new Violations(), new Violations()]
    const [behind, within] = [make(violations), make(doubled)]
    expect([behind.missing(1).length, behind.missing(2).length]).not.toContain(0)
    behind.say(1, 3)
    expect(behind.missing(1)).toEqual([])
    expect(behind.missing(2)).not.toEqual([])
    behind.say(2, 1)
    expect([behind.missing(2), behind.missing(3), violations.found]).toEqual([[], [], []])
    within.say(1, 2)
    expect([within.missing(1), within.missing(2), within.missing(3), doubled.found]).toEqual([[], [], [], []])
    within.say(2, 1)
    expect(doubled.found.join('\n')).toContain(twice)
  })

  test('lineage, a restored run goes on behind what the checkpoint has → its first word is compared with that', () => {
    const violations = new Violations()
    const three = placed({ amount: 2, ts: 10 }, { amount: 3, ts: 20 }, { amount: 4, ts: 30 })
    const running = new OutputCheck(three, lineageOf(violations), violations)
    const windows = windowsOf(violations, { emit: 'updates' }, three)
    const say = (run: number, batchId: number, count: number, sum: number): void => {
      running.committed(committed([write(RUNNING, [{ key: 'u0', count, sum }])], run, batchId))
      windows.committed(committed([write(WINDOWS, [result(count, sum)])], run, batchId))
    }
    say(1, 2, 1, 2)
    say(1, 3, 2, 5)
    expect(violations.found).toEqual([])
    say(2, 1, 3, 9)
    expect(violations.found).toEqual(['outputs: the topic, run 2: u0 counts 3 after 1: lost', `outputs: run 2: window ${T0} of u0 counts 3 after 1: lost`])
  })

  test('lineage, how late a record came was seen behind the checkpoint → the next run may see it otherwise', () => {
    const straggling = placed({ amount: 2, ts: 10 }, { amount: STRAGGLER_AMOUNT, ts: 20, straggles: 1 })
    for (const [batchId, found] of [[3, []], [2, [`late: batch 1 of run 2 s0-0 has in window u0@${T0} no record 1 of those that straggle, which came in time`]]] as const) {
      const violations = new Violations()
      const check = windowsOf(violations, { lateness: 0 }, straggling)
      check.batch(batch(0, 2, {}, [], batchId))
      check.batch(batch(0, 1, {}, [write(WINDOWS, [result(1, 2)])], 1, 2))
      expect(violations.found).toEqual(found)
    }
  })

  test('lineage, each task has its own last batch → a key counts by that of its own', () => {
    const lineage = lineageOf(new Violations())
    const counts = (run: number, said: number, key: string, batchId: number): boolean => lineage.counts(run, lineage.resultOf(committed([], said, batchId), key))
    expect([counts(2, 1, 'u0', 2), counts(2, 1, 'u0', 3), counts(2, 1, OTHER, 5), counts(2, 1, OTHER, 6)]).toEqual([true, false, true, false])
    expect([counts(3, 2, 'u0', 1), counts(3, 2, 'u0', 2), counts(3, 1, 'u0', 2), counts(3, 1, 'u0', 3), counts(1, 2, 'u0', 1)]).toEqual([true, false, true, false, false])
    lineage.runBegins({ run: 4, stages: [], from: null }, undefined)
    expect(counts(4, 1, 'u0', 1)).toBe(false)
  })

  test('lineage, a transaction with a batch of one task, one of another in parts, a claim of a third → which batch of each', () => {
    const by = { generation: { epoch: 1, counter: 1 }, owner: { executor: executorId('e1'), slot: 0, slotId: slotId('a') }, transactionalId: transactionalId('an id'), task: REF, timestamp: 0 }
    const commit = (batchId: number, bytes: number): Buffer[] => encodeRecord({ kind: 'commit', ...by, content: { batchId, state: Buffer.alloc(bytes) } } as CommitRecord)
    const journal = (partition: number, baseOffset: number, ...values: readonly Buffer[]): CommittedWrite => ({ topic: paths.journalTopic(REF.job, REF.run, REF.stage), partition, baseOffset, records: values.map((value) => ({ key: null, value })) })
    const [first, ...others] = commit(7, 2_000_000)
    const writes = [write(RUNNING, [1]), journal(0, 4, first as Buffer), journal(1, 9, ...commit(3, 1)), journal(0, 5, ...others), journal(2, 0, ...encodeRecord({ kind: 'claim', ...by, nonce: 'n' }))]
    expect(others).toHaveLength(2)
    expect([...batchesIn(writes)].toSorted()).toEqual([['s0-0', 7], ['s0-1', 3]])
  })

  test('lineage, something is said without a batch of its task → found, and it counts for no other run', () => {
    const violations = new Violations()
    const lineage = lineageOf(violations)
    const of = lineage.resultOf({ run: REF.run, writes: [], batches: new Map([['s0-1', 1]]) }, 'u0')
    expect(violations.found.join()).toContain('run 1: s0-0 says something, and no batch of it is real with that')
    expect([lineage.counts(1, of), lineage.counts(2, of)]).toEqual([true, false])
  })
})
