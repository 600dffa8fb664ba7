// The hour from 10:00 to 11:00 and a crash at each moment of it.
import { describe, expect, test } from '@jest/globals'
import type { CommitRecord } from '@tidemark/checkpoint'
import { count, job, json, sum, topic, topicSink, tumbling } from 'tidemark'
import type { Job } from 'tidemark'
import { stateHash } from './stage-task.ts'
import type { Task } from './task.ts'
import { committedRecord, drain, feed, feedNothing, fixtureOf, pass, ROOMY, valuesIn } from './task-fixture.ts'
import type { Sent } from './task-fixture.ts'

interface Payment {
  readonly shop: string
  readonly amount: number
  readonly at: number
}

const clock = (time: string): number => Date.parse(`2024-01-15T${time}:00Z`)

let userCode = 0
const hourly = (): Job => job('hourly')
  .source('payments', topic('payments', { value: json<Payment>(), timestamp: (payment) => { userCode += 1; return payment.at }, outOfOrderness: '10m', idleAfter: '1m' }))
  .keyBy((payment) => payment.shop, { copartitioned: true })
  .window(tumbling('1h'))
  .aggregate('totals', { count: count(), sum: sum((payment) => payment.amount) })
  .sink('out', topicSink('out', { value: json() }))

const payment = (at: number, amount: number, shop = 'all'): Sent => ({ key: shop, value: { shop, amount, at } })
/** `of` payments that make `total`, spread over the minutes from `from` to before `to`. */
const payments = (from: string, to: string, of: number, total: number): Sent[] =>
  Array.from({ length: of }, (_, i) => payment(clock(from) + Math.floor(i * (clock(to) - clock(from)) / of), Math.floor(total / of) + (i < total % of ? 1 : 0)))

const UNTIL_1030 = payments('10:00', '10:30', 50, 2_000)
const UNTIL_1045 = payments('10:30', '10:45', 30, 1_500)
const UNTIL_1100 = payments('10:45', '11:00', 40, 1_500)
const AT_1110 = [payment(clock('11:10'), 7)]
const RESULT = { key: 'all', window: { start: clock('10:00'), end: clock('11:00') }, count: 120, sum: 5_000 }

/** What is durable: a snapshot and the journal behind it. */
interface Durable {
  readonly blocks: Buffer[]
  readonly content: ReturnType<Task['content']>
  readonly journal: CommitRecord[]
}

const snapshotOf = (task: Task): Durable => {
  const walk = task.startWalk()
  const blocks: Buffer[] = []
  for (let block = walk.next(64); block !== undefined; block = walk.next(64)) blocks.push(block)
  blocks.push(walk.finish().block)
  return { blocks, content: task.content(), journal: [] }
}
const heirOf = (task: Task, durable: Durable): Task => {
  task.loadSnapshot(durable.blocks, durable.content)
  for (const record of durable.journal) task.apply(record)
  return task
}
/** The input that a new owner reads again: everything from its position on. */
const feedFromPosition = (task: Task, all: readonly Sent[]): void => feed(task, all.slice(task.inputs()[0]?.next))

/** Until 10:45: snapshot at 10:30 with 2000/50, the rest in the journal with 3500/80. */
const until1045 = (fixture: ReturnType<typeof fixtureOf>): { readonly task: Task, readonly durable: Durable } => {
  const task = fixture.task(0)
  feed(task, UNTIL_1030)
  drain(task, { now: clock('10:30') })
  const durable = snapshotOf(task)
  feed(task, UNTIL_1045)
  durable.journal.push(...drain(task, { now: clock('10:45') }).records)
  return { task, durable }
}

describe('crash in the middle of a window', () => {
  test('10:30 snapshot 2000/50, 10:45 3500/80, crash 10:46, restart 10:47, 11:10 emits 5000, once', () => {
    const fixture = fixtureOf(hourly())
    const { task, durable } = until1045(fixture)
    expect(durable.content.totals).toMatchObject({ folded: 50 })

    // 10:46: more was processed, nothing of it committed.
    feed(task, UNTIL_1100)
    task.work(ROOMY, clock('10:46'))
    task.freeze()

    // 10:47: another owner; the journal's tail is replayed, not the input: no user code runs.
    userCode = 0
    const heir = heirOf(fixture.task(0), durable)
    expect(userCode).toBe(0)
    expect(heir.content().totals).toMatchObject({ records: 80, folded: 80 })
    expect(heir.inputs()[0]?.next).toBe(80)

    // Until 11:09 nothing is emitted, at 11:10 the watermark passes 11:00.
    feed(heir, [...UNTIL_1100, payment(clock('11:10') - 1, 0)])
    expect(drain(heir, { now: clock('11:09') }).appends).toEqual([])
    feed(heir, AT_1110)
    const at1110 = drain(heir, { now: clock('11:10') })
    expect(valuesIn(at1110.appends, 'out')).toEqual([RESULT])
    expect(at1110.appends[0]?.records[0]?.timestamp).toBe(clock('11:00') - 1)

    // Nothing later emits it again.
    feed(heir, [payment(clock('12:30'), 1), payment(clock('10:59'), 1)])
    const later = drain(heir, { now: clock('12:30') })
    expect(valuesIn(later.appends, 'out').filter((result) => (result as typeof RESULT).window.start === RESULT.window.start)).toEqual([])
    expect(later.records[0]?.content.books.late).toBe(1)
  })

  test('the state at 10:30 is 2000/50 and at 10:45 3500/80, as a new owner sees it', () => {
    const fixture = fixtureOf(hourly())
    const { task, durable } = until1045(fixture)
    for (const [journal, expected] of [[[], { count: 50, sum: 2_000 }], [durable.journal, { count: 80, sum: 3_500 }]] as const) {
      const heir = heirOf(fixture.task(0), { ...durable, journal: [...journal] })
      feed(heir, AT_1110)
      expect(valuesIn(drain(heir, { now: clock('11:10') }).appends, 'out')).toEqual([{ ...RESULT, ...expected }])
    }
    expect(stateHash(heirOf(fixture.task(0), durable))).toBe(stateHash(task))
  })
})

describe('a crash exactly at 11:10', () => {
  test('between closing and commit: what was emitted never was, the next owner emits it, once', () => {
    const fixture = fixtureOf(hourly())
    const { task, durable } = until1045(fixture)
    const all = [...UNTIL_1030, ...UNTIL_1045, ...UNTIL_1100, ...AT_1110]
    feed(task, [...UNTIL_1100, ...AT_1110])
    task.work(ROOMY, clock('11:10'))
    const frozen = task.freeze()
    expect(valuesIn(frozen.appends, 'out')).toEqual([RESULT])

    // The crash: this batch is in no journal.
    const heir = heirOf(fixture.task(0), durable)
    feedFromPosition(heir, all)
    const again = drain(heir, { now: clock('11:10') })
    expect(valuesIn(again.appends, 'out')).toEqual([RESULT])
    durable.journal.push(...again.records)
    const third = heirOf(fixture.task(0), durable)
    expect(drain(third, { now: clock('11:11') }).appends).toEqual([])

    // The old owner, its transaction undone, comes to the same.
    task.undo()
    expect(valuesIn(drain(task, { now: clock('11:10') }).appends, 'out')).toEqual([RESULT])
    expect(stateHash(task)).toBe(stateHash(third))
  })

  test('a window larger than a batch goes out in portions; killed in each, every result goes out once', () => {
    const fixture = fixtureOf(hourly())
    const shops = Array.from({ length: 50 }, (_, i) => payment(clock('10:05') + i, i, `shop-${i}`))
    const all = [...shops, payment(clock('11:10'), 1)]
    const budget = { ...ROOMY, outputBytesMax: 700 }
    const expected = shops.map((_, i) => `shop-${i} ${i}`).sort()
    const summary = (values: readonly unknown[]): string[] => (values as { key: string, sum: number }[]).map(({ key, sum: total }) => `${key} ${total}`)

    const whole = fixture.task(0)
    feed(whole, all)
    const portions = drain(whole, { budget, now: clock('11:10') })
    expect(portions.records.length).toBeGreaterThan(5)
    // The watermark moves with the last portion.
    expect(portions.records.map((record) => record.content.watermark)).toEqual([...portions.records.slice(0, -1).map(() => undefined), clock('11:00')])
    expect(summary(valuesIn(portions.appends, 'out')).sort()).toEqual(expected)

    for (let killedAt = 0; killedAt < portions.records.length; killedAt += 1) {
      const [journal, out]: [CommitRecord[], string[]] = [[], []]
      const owner = fixture.task(0)
      feed(owner, all)
      for (let batch = 0; ; batch += 1) {
        owner.work(budget, clock('11:10'))
        const frozen = owner.freeze()
        if (batch === killedAt) break
        journal.push(committedRecord(owner, frozen))
        out.push(...summary(valuesIn(frozen.appends, 'out')))
        owner.committed()
      }
      const heir = fixture.task(0)
      for (const record of journal) heir.apply(record)
      feedFromPosition(heir, all)
      out.push(...summary(valuesIn(drain(heir, { budget, now: clock('11:10') }).appends, 'out')))
      expect(out.sort()).toEqual(expected)
      expect(stateHash(heir)).toBe(stateHash(whole))
    }
  })

  test.each(['an heir', 'a batch that is undone'] as const)('between two portions an idle partition has a record of the closing window, and %s has to see anew that it is idle → it is late, no result goes out twice', (how) => {
    const fixture = fixtureOf(hourly(), { sourcePartitions: 2, tasks: 1 })
    const budget = { ...ROOMY, outputBytesMax: 300 }
    const owner = fixture.task(0)
    const shops = Array.from({ length: 20 }, (_, i) => payment(clock('10:05'), 1, `shop-${i}`))
    const begun = [...pass(owner, clock('11:00'), clock('11:10'), [1]).records]
    feed(owner, shops)
    begun.push(...drain(owner, { now: clock('11:10') }).records)
    feed(owner, [payment(clock('11:10'), 1)])
    const out: unknown[] = []
    // The idle one lets the watermark pass a few looks later; then the first portion goes out.
    for (let look = 0; out.length === 0 && look < 20; look += 1) {
      feedNothing(owner, 1)
      owner.work(budget, clock('11:10') + look)
      const frozen = owner.freeze()
      begun.push(committedRecord(owner, frozen))
      out.push(...valuesIn(frozen.appends, 'out'))
      owner.committed()
    }
    expect([out.length > 0, out.length < 20]).toEqual([true, true])
    let task = owner
    if (how === 'an heir') {
      task = fixture.task(0)
      for (const record of begun) task.apply(record)
    } else {
      owner.work(budget, clock('11:10') + 30)
      owner.undo()
    }
    feed(task, [payment(clock('10:59'), 1, 'shop-0')], 1)
    const { appends, records } = drain(task, { budget, now: clock('11:10') + 40 })
    const idleAgain = pass(task, clock('11:11'), clock('11:21'), [1])
    const keys = ([...out, ...valuesIn([...appends, ...idleAgain.appends], 'out')] as { key: string }[]).map(({ key }) => key)
    expect([keys.length, new Set(keys).size]).toEqual([20, 20])
    expect([...records, ...idleAgain.records].at(-1)?.content.totals).toMatchObject({ records: 22, late: 1 })
    expect(records.at(-1)?.content.closingTo).toBeUndefined()
  })

  test('between two portions no record of the closing window is taken any more', () => {
    const fixture = fixtureOf(hourly())
    const task = fixture.task(0)
    const budget = { ...ROOMY, outputBytesMax: 300 }
    feed(task, [...Array.from({ length: 20 }, (_, i) => payment(clock('10:05'), 1, `shop-${i}`)), payment(clock('11:10'), 1)])
    expect(task.work(budget, clock('11:10'))).toEqual({ more: true, full: true })
    const first = task.freeze()
    task.committed()
    expect(first.content.watermark).toBeUndefined()
    feed(task, [payment(clock('10:59'), 1, 'shop-0')])
    const { appends, records } = drain(task, { budget, now: clock('11:10') })
    const keys = (valuesIn([...first.appends, ...appends], 'out') as { key: string }[]).map((result) => result.key)
    expect(keys.length).toBe(20)
    expect(new Set(keys).size).toBe(20)
    expect(records.at(-1)?.content.totals).toMatchObject({ records: 22, late: 1 })
  })
})
