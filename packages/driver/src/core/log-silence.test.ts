// Who alone is cut off from the log, and what the driver does about it.
import { describe, expect, test } from '@jest/globals'
import { compareGenerations } from '@tidemark/checkpoint'
import { Cluster, ofKind, runRecord } from './cluster.sample.ts'
import { hear, judgeLogs } from './log-silence.ts'
import type { Hearer } from './log-silence.ts'

const SETTINGS = { logSilenceMaxMs: 5_000 }

describe('verdict', () => {
  const now = 100_000
  const answers = (sinceMs: number, staying = true): Hearer => ({ log: { silentMs: 20, silentSinceMs: now - 20, answersSinceMs: sinceMs, because: '' }, cutOff: undefined, staying })
  const silent = (silentMs: number): Hearer => ({ log: { silentMs, silentSinceMs: now - silentMs, answersSinceMs: undefined, because: 'no answer' }, cutOff: undefined, staying: true })
  const off = (hearer: Hearer): Hearer => ({ ...hearer, cutOff: { sinceMs: 0, because: 'no answer' } })

  test.each<readonly [string, Hearer, Hearer[], boolean]>([
    ['silent for long enough, another is answered all the time → cut off', silent(5_000), [answers(1_000)], true],
    ['not long enough → no', silent(4_999), [answers(1_000)], false],
    ['nobody is answered: the log is away → no', silent(9_000), [silent(9_000), silent(60_000)], false],
    ['another hears the log that was away for all a moment sooner → no', silent(9_000), [answers(now - 1_000)], false],
    ['and has heard it for long enough while this one did not → cut off', silent(14_000), [answers(now - 5_000)], true],
    ['the only one that is answered leaves → no', silent(9_000), [answers(1_000, false)], false],
    ['the only one that is answered was cut off a moment ago → no', silent(9_000), [off(answers(now - 100))], false],
    ['of others nothing is known → no', silent(9_000), [{ log: undefined, cutOff: undefined, staying: true }], false],
    ['of itself nothing is known → no', { log: undefined, cutOff: undefined, staying: true }, [answers(1_000)], false],
    ['it is answered → no', answers(1_000), [answers(1_000)], false],
  ])('%s', (_, one, others, expected) => {
    expect(judgeLogs([one, ...others], now, SETTINGS).cutOff.includes(one)).toBe(expected)
  })

  test('cut off, then answered again → back when it was so for as long', () => {
    const [early, due, never] = [off(answers(now - 4_999)), off(answers(now - 5_000)), off(silent(20))]
    expect(judgeLogs([early, due, never], now, SETTINGS).back).toEqual([due])
  })

  test('what is heard: half of the silence ends steadiness, a process that never heard anything has none', () => {
    const told = (silentMs: number, heard = true) => ({ slot: 0, heard, silentMs })
    const first = hear(undefined, told(10), 1_000, SETTINGS)
    expect(first.answersSinceMs).toBe(1_000)
    expect(hear(first, told(2_499), 2_000, SETTINGS).answersSinceMs).toBe(1_000)
    const lost = hear(first, told(2_500), 4_000, SETTINGS)
    expect(lost).toMatchObject({ answersSinceMs: undefined, silentSinceMs: 1_500 })
    expect(hear(lost, told(0), 5_000, SETTINGS).answersSinceMs).toBe(5_000)
    expect(hear(undefined, told(0, false), 1_000, SETTINGS).answersSinceMs).toBeUndefined()
  })
})

describe('tasks', () => {
  const two = (): Cluster => {
    const cluster = new Cluster()
    for (const label of ['a', 'b']) {
      cluster.join(label)
      cluster.log(label, true)
    }
    cluster.start(runRecord())
    for (const label of ['a', 'b']) cluster.runs(label)
    cluster.pass(6_000, ['a', 'b'])
    return cluster
  }

  test('one executor alone is cut off → fenced, told to let go, its tasks go to the other in higher generations', () => {
    const cluster = two()
    const before = cluster.tasksOn('b')
    expect(before).toHaveLength(2)
    cluster.log('b', false)
    cluster.pass(4_900, ['a', 'b'])
    expect(cluster.tasksOn('b')).toEqual(before)
    const commands = cluster.pass(200, ['a', 'b'])
    expect(cluster.tasksOn('b')).toEqual([])
    expect(cluster.tasksOn('a')).toHaveLength(4)
    for (const { ref, generation } of before) expect(compareGenerations(cluster.generationOf(ref), generation)).toBeGreaterThan(0)
    expect(ofKind(commands, 'fence').length).toBeGreaterThan(0)
    expect(cluster.told('b', 'revoke', commands).flatMap(({ tasks }) => tasks)).toHaveLength(2)
    expect(cluster.eventNames(commands)).toContain('slot.cut-off')
  })

  test('it stays cut off → it gets nothing, also in a fresh process and on a fresh stream; answered again → only after a while, and then its share', () => {
    const cluster = two()
    cluster.log('b', false)
    cluster.pass(5_100, ['a', 'b'])
    cluster.runs('a')
    cluster.pass(10_000, ['a', 'b'])
    expect(cluster.tasksOn('b')).toEqual([])
    cluster.breaks('b')
    cluster.join('b')
    cluster.pass(3_000, ['a', 'b'])
    expect(cluster.tasksOn('b')).toEqual([])
    cluster.log('b', true)
    cluster.pass(4_900, ['a', 'b'])
    expect(cluster.told('a', 'revoke')).toEqual([])
    cluster.pass(400, ['a', 'b'])
    expect(cluster.told('a', 'revoke').flatMap(({ tasks }) => tasks)).toHaveLength(2)
  })

  test('the log answers nobody → nothing moves, then or when it is back for one a moment sooner', () => {
    const cluster = two()
    const before = [...cluster.tasksOn('a'), ...cluster.tasksOn('b')]
    for (const label of ['a', 'b']) cluster.log(label, false)
    cluster.pass(20_000, ['a', 'b'])
    cluster.log('a', true)
    cluster.pass(4_000, ['a', 'b'])
    cluster.log('b', true)
    cluster.pass(10_000, ['a', 'b'])
    expect([...cluster.tasksOn('a'), ...cluster.tasksOn('b')]).toEqual(before)
    expect(cluster.eventNames()).not.toContain('slot.cut-off')
  })

  test('who is left when the others die was cut off → its tasks wait with the reason; its first answer is enough', () => {
    const cluster = two()
    cluster.log('b', false)
    cluster.pass(5_100, ['a', 'b'])
    cluster.breaks('a', true)
    cluster.pass(500, ['b'])
    expect(cluster.waiting()).toBe(4)
    expect(cluster.core.list(cluster.now)[0]?.reason).toContain('no executor that is left reaches the log (b)')
    cluster.log('b', true)
    cluster.pass(300, ['b'])
    expect(cluster.tasksOn('b')).toHaveLength(4)
  })

  test('described: its tasks wait for the log since then, their lag is of then; afterwards the executor says why it has none', () => {
    const cluster = two()
    const [task] = cluster.tasksOn('b')
    cluster.log('b', false)
    const since = cluster.now
    cluster.pass(2_000, ['a', 'b'])
    const found = cluster.core.describe('orders', cluster.now)
    expect(found?.tasks.find(({ partition }) => partition === task?.ref.partition)).toMatchObject({
      phase: 'waiting', waitingFor: `log unreachable since ${new Date(since + 1_000_000).toISOString()} (no answer in time)`, lagAsOf: since + 1_000_000,
    })
    expect(found?.tasks.filter(({ lagAsOf }) => lagAsOf !== undefined)).toHaveLength(2)
    cluster.pass(3_100, ['a', 'b'])
    expect(cluster.core.describe('orders', cluster.now)?.executors.find(({ label }) => label === 'b')?.reason).toContain('cut off from the log: slot 0 (no answer in time)')
  })
})
