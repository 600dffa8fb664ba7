import { describe, expect, test } from '@jest/globals'
import { count, job, json, sum, topic, topicSink, tumbling } from 'tidemark'
import type { Job } from 'tidemark'
import { stateHash } from './stage-task.ts'
import { drain, feed, fixtureOf, valuesIn } from './task-fixture.ts'

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
    const { appends, records } = drain(task)
    expect(valuesIn(appends, 'out')).toEqual([
      { key: 'a', window: { start: 0, end: 10_000 }, orders: 3, total: 9 },
      { key: 'b', window: { start: 0, end: 10_000 }, orders: 1, total: 2 },
    ])
    expect(appends[0]?.records.map((record) => [record.key, record.timestamp])).toEqual([['a', 9_999], ['b', 9_999]])
    feed(task, [order('a', 5, 9_000)])
    const late = drain(task)
    expect(valuesIn(late.appends, 'out')).toEqual([])
    expect(late.records[0]?.content.books).toMatchObject({ offsets: 1, records: 1, late: 1, folded: 0 })
    expect(late.records[0]?.content.totals).toMatchObject({ offsets: 7, records: 7, late: 1, folded: 6, emitted: 2 })
    const heir = fixture.task(0)
    for (const one of [...records, ...late.records]) if (one.content.batchId === heir.batchId + 1) heir.apply(one)
    expect(task.batchId).toBe(3)
    expect(stateHash(task)).not.toBe(stateHash(fixture.task(0)))
  })
})
