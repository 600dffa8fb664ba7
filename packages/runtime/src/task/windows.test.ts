// Tumbling windows of a task, their watermark, and what is offered to it.
import { describe, expect, test } from '@jest/globals'
import type { CommitRecord } from '@tidemark/checkpoint'
import { count, job, json, sum, topic, topicSink, tumbling } from 'tidemark'
import type { Job } from 'tidemark'
import { recordChecksum } from './input.ts'
import { AHEAD_MS_MAX } from './outputs.ts'
import { stateHash } from './stage-task.ts'
import { drain, feed, fixtureOf, pass, record, ROOMY, valuesIn } from './task-fixture.ts'

interface Order {
  readonly user: string
  readonly amount: number
  readonly ts: number
}

const revenue = (): Job => job('revenue')
  .source('orders', topic('orders', { value: json<Order>(), timestamp: (order) => order.ts, outOfOrderness: 0 }))
  .keyBy((order) => order.user, { copartitioned: true })
  .window(tumbling('10s', { allowedLateness: '1s' }))
  .aggregate('totals', { orders: count(), total: sum((order) => order.amount) })
  .sink('out', topicSink('out', { value: json() }))

const order = (user: string, amount: number, ts: number): { key: string, value: Order } => ({ key: user, value: { user, amount, ts } })

describe('windows', () => {
  test('final: each key and window once, when the watermark passes its end and the lateness', () => {
    const fixture = fixtureOf(revenue())
    const task = fixture.task(0)
    feed(task, [order('a', 1, 100), order('b', 2, 200), order('a', 3, 9_999), order('a', 10, 10_999)])
    expect(valuesIn(drain(task).appends, 'out')).toEqual([])
    feed(task, [order('a', 5, 9_000), order('a', 7, 11_000)])
    const { appends, records } = drain(task, { now: 20_000 })
    expect(valuesIn(appends, 'out')).toEqual([
      { key: 'a', window: { start: 0, end: 10_000 }, orders: 3, total: 9 },
      { key: 'b', window: { start: 0, end: 10_000 }, orders: 1, total: 2 },
    ])
    expect(appends[0]?.records.map((one) => [one.key, one.timestamp])).toEqual([['a', 9_999], ['b', 9_999]])
    feed(task, [order('a', 5, 9_000)])
    const late = drain(task)
    expect(valuesIn(late.appends, 'out')).toEqual([])
    expect(late.records[0]?.content.books).toMatchObject({ offsets: 1, records: 1, late: 1, folded: 0 })
    expect(late.records[0]?.content.totals).toMatchObject({ offsets: 7, records: 7, late: 1, folded: 6, emitted: 2 })
    expect(records[0]?.content.positions).toEqual([{ input: 'n0', topic: 'orders', partition: 0, next: 6, last: { offset: 5, checksum: recordChecksum(record(5, order('a', 7, 11_000))) }, watermark: 11_000, idle: false }])
    expect(stateHash(task)).not.toBe(stateHash(fixture.task(0)))
    expect(() => fixture.task(0).apply(late.records[0] as CommitRecord)).toThrow('invariant 2')
  })

  test('final, custom: a window that closes in two goes within one batch emits each key once', () => {
    const built = job('revenue').source('orders', topic('orders', { value: json<Order>(), timestamp: (one) => one.ts, outOfOrderness: 0 })).keyBy((one) => one.user, { copartitioned: true })
      .window(tumbling('10s')).reduce('last', (_, one) => one).sink('out', topicSink('out', { value: json() }))
    const fixture = fixtureOf(built)
    const task = fixture.task(0)
    feed(task, [order('a', 1, 1), order('b', 2, 2), order('c', 3, 3), order('d', 4, 10_000)])
    const states = [1, 100, 1_000_000].map((outputBytesMax) => task.work({ ...ROOMY, outputBytesMax }, 0))
    expect(states.map((state) => state.full)).toEqual([true, true, false])
    expect(valuesIn(task.freeze().appends, 'out').map((result) => (result as { key: string }).key)).toEqual(['a', 'b', 'c'])
    task.committed()
    expect(task.stateKeys).toBe(1)
  })

  test('updates: a result for every change, until the window is over; then its state is dropped', () => {
    const built = job('revenue').source('orders', topic('orders', { value: json<Order>(), timestamp: (one) => one.ts, outOfOrderness: 0 })).keyBy((one) => one.user, { copartitioned: true })
      .window(tumbling('10s', { allowedLateness: '1s' })).aggregate('totals', { n: count() }, { emit: 'updates' }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [order('a', 1, 1), order('a', 1, 10_500), order('a', 1, 9_000)])
    expect(valuesIn(drain(task).appends, 'out').map((result) => (result as { window: { start: number }, n: number })).map(({ window, n }) => [window.start, n])).toEqual([[0, 1], [10_000, 1], [0, 2]])
    expect(task.stateKeys).toBe(2)
    feed(task, [order('a', 1, 11_000)])
    drain(task)
    expect(task.stateKeys).toBe(1)
    feed(task, [order('a', 1, 9_999)])
    expect(drain(task).records[0]?.content.books.late).toBe(1)
  })

  test('updates of a window that ends tomorrow → its records are half an hour ahead of the clock at most, also those of an undone batch made anew; the event time is in the value', () => {
    const DAY = 86_400_000
    const built = job('revenue').source('orders', topic('orders', { value: json<Order>(), timestamp: (one) => one.ts, outOfOrderness: 0 })).keyBy((one) => one.user, { copartitioned: true })
      .window(tumbling('1d')).aggregate('totals', { n: count() }, { emit: 'updates' }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    const noon = 20_000 * DAY + DAY / 2
    const found = (appends: ReturnType<typeof drain>['appends']): unknown[] => appends.flatMap(({ records }) => records).map(({ value, timestamp }) => [(JSON.parse(String(value)) as { window: { end: number } }).window.end, timestamp])
    feed(task, [order('a', 1, noon)])
    task.work(ROOMY, noon + 1_000)
    expect(found(task.freeze().appends)).toEqual([[20_001 * DAY, noon + 1_000 + AHEAD_MS_MAX]])
    task.undo()
    expect(found(drain(task, { now: noon + 2_000 }).appends)).toEqual([[20_001 * DAY, noon + 2_000 + AHEAD_MS_MAX]])
    feed(task, [order('a', 1, noon)])
    expect(found(drain(task, { now: 20_002 * DAY }).appends)).toEqual([[20_001 * DAY, 20_001 * DAY - 1]])
  })

  test('a window behind a window in one stage takes the first one\'s results in time', () => {
    const built = job('revenue').source('orders', topic('orders', { value: json<Order>(), timestamp: (one) => one.ts, outOfOrderness: 0 })).keyBy((one) => one.user, { copartitioned: true })
      .window(tumbling('10s', { allowedLateness: '3s' })).aggregate('tens', { n: count() })
      .keyBy((result) => result.key, { copartitioned: true }).window(tumbling('20s')).aggregate('twenties', { n: sum((result) => result.n) }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [order('a', 1, 1), order('a', 1, 12_000), order('a', 1, 19_000)])
    drain(task)
    feed(task, [order('a', 1, 100_000)])
    const { appends, records } = drain(task)
    expect(valuesIn(appends, 'out')).toEqual([{ key: 'a', window: { start: 0, end: 20_000 }, n: 3 }])
    expect(records.at(-1)?.content.totals.late).toBe(0)
  })

  test('two partitions: the watermark is the lesser one\'s; an idle one does not hold it, known backlog is not idleness', () => {
    const fixture = fixtureOf(revenue(), { sourcePartitions: 2, tasks: 1 })
    const task = fixture.task(0)
    feed(task, [order('a', 1, 50_000)], 0)
    expect(drain(task, { now: 1 }).records.at(-1)?.content.watermark).toBeUndefined()
    feed(task, [order('b', 1, 5_000)], 1)
    expect(drain(task, { now: 2 }).records.at(-1)?.content.watermark).toBe(5_000)
    const input = task.inputs()[1]
    task.offer(input?.input ?? '', { topic: 'orders', partition: 1, fromOffset: 1, nextOffset: 1, records: [], startOffset: 0, stableOffset: 9 })
    expect(pass(task, 2, 20_000, [0]).records.at(-1)?.content.positions.map((position) => position.idle)).toEqual([true, false])
    expect(task.watermark).toBe(5_000)
    task.offer(input?.input ?? '', { topic: 'orders', partition: 1, fromOffset: 1, nextOffset: 9, records: [], startOffset: 0, stableOffset: 9 })
    expect(drain(task, { now: 20_001 }).records.at(-1)?.content.books).toMatchObject({ offsets: 8, noRecord: 8, records: 0 })
    feed(task, [order('a', 1, 51_000)], 0)
    // A step in which the task was not worked on says little about its partitions.
    drain(task, { now: 90_000 })
    expect(task.watermark).toBe(5_000)
    feed(task, [order('a', 1, 51_000)], 0)
    expect(valuesIn(pass(task, 90_000, 100_000).appends, 'out').length).toBe(1)
    expect(task.watermark).toBe(51_000)
    // By now all are: none holds the others, and the stage says that it is idle.
    expect(task.content()).toMatchObject({ idle: true })
  })

  test('a value that one window drops for being late is counted, also where another operator folds it', () => {
    const built = job('both', { parallelism: 1 })
    const keyed = built.source('in', topic('in', { value: json<{ readonly user: string }>(), outOfOrderness: 0 })).keyBy((value) => value.user, { copartitioned: true })
    keyed.aggregate('running', { n: count() }, { emit: 'updates' }).sink('running', topicSink('running', { value: json() }))
    keyed.window(tumbling(10)).aggregate('tens', { n: count() }).sink('tens', topicSink('tens', { value: json() }))
    const task = fixtureOf(built).task(0)
    for (const timestamp of [1, 50, 2, 3]) {
      feed(task, [{ key: 'a', value: { user: 'a' }, timestamp }])
      drain(task)
    }
    expect(task.content().totals).toMatchObject({ records: 4, folded: 4, late: 0, lateDrops: 2 })
    feed(task, [{ key: 'a', value: { user: 'a' }, timestamp: 4 }])
    task.work(ROOMY, 0)
    task.undo()
    drain(task)
    expect(task.content().totals).toMatchObject({ folded: 5, lateDrops: 3 })
  })

  test('what is offered must continue what was there (invariant 7)', () => {
    const fixture = fixtureOf(revenue())
    const offer = (fromOffset: number, offsets: readonly number[], nextOffset: number): string => {
      const task = fixture.task(0)
      feed(task, [order('a', 1, 1), order('a', 1, 2)])
      try {
        task.offer('n0', { topic: 'orders', partition: 0, fromOffset, nextOffset, records: offsets.map((offset) => ({ offset, timestamp: 0, key: null, value: null })), startOffset: 0, stableOffset: nextOffset })
        return 'taken'
      } catch (error) {
        return String(error)
      }
    }
    expect(offer(2, [2, 5], 7)).toBe('taken')
    expect(offer(3, [3], 4)).toContain('invariant 7')
    expect(offer(1, [1], 2)).toContain('invariant 7')
    expect(offer(2, [3, 2], 4)).toContain('invariant 7')
    expect(offer(2, [2, 5], 5)).toContain('invariant 7')
  })
})
