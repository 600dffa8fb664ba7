// Partitions that are added to a source's topic while a run reads it.
import { describe, expect, test } from '@jest/globals'
import type { CommitRecord } from '@tidemark/checkpoint'
import { count, job, json, topic, topicSink } from 'tidemark'
import { drain, feed, fixtureOf, ROOMY, valuesIn } from './task-fixture.ts'
import type { Task } from './task.ts'

interface Order {
  readonly n: number
  readonly ts: number
}
const source = (name: string) => job(name).source('orders', topic('orders', { value: json<Order>(), timestamp: (order) => order.ts, outOfOrderness: 0 }))
const passing = () => fixtureOf(source('passing').map(({ n }) => n).sink('out', topicSink('out', { value: json() })), { sourcePartitions: 4, tasks: 2 })
const order = (n: number, ts = n): { readonly value: Order } => ({ value: { n, ts } })
const partitionsOf = (task: Task): number[] => task.inputs().map(({ partition }) => partition)

describe('partitions added', () => {
  test('p mod N has them: they are read from their start, from the stage\'s watermark on, and the books know', () => {
    const task = passing().task(0, 1)
    feed(task, [order(1, 5_000)])
    feed(task, [order(2, 7_000)], 1)
    drain(task)
    expect(task.watermark).toBe(5_000)
    task.widen('n0', 8)
    task.widen('n0', 8)
    expect(partitionsOf(task)).toEqual([1, 3, 5, 7])
    feed(task, [order(3, 6_000), order(4, 9_000)], 2)
    const { appends, records } = drain(task)
    expect(valuesIn(appends, 'out')).toEqual([3, 4])
    expect(task.watermark).toBe(5_000)
    expect(records[0]?.content.books).toMatchObject({ offsets: 2, passedOn: 2 })
    expect(records[0]?.content.positions.map(({ partition, next }) => [partition, next])).toEqual([[1, 1], [3, 1], [5, 2], [7, 0]])
  })

  test('in the middle of a batch that is undone: nothing of them is lost', () => {
    const task = passing().task(0, 0)
    feed(task, [order(1)])
    task.work(ROOMY, 0)
    task.widen('n0', 5)
    feed(task, [order(2)], 2)
    task.work(ROOMY, 0)
    task.undo()
    expect(partitionsOf(task)).toEqual([0, 2, 4])
    expect(valuesIn(drain(task).appends, 'out').toSorted()).toEqual([1, 2])
  })

  test('the next owner knows of fewer, or of more: it goes on with all that the record names, and with the others from their start', () => {
    const task = passing().task(0, 0)
    task.widen('n0', 5)
    feed(task, [order(1)], 2)
    const [record] = drain(task).records
    const next = passing().task(0, 0)
    next.apply(record as CommitRecord)
    expect(next.content().positions).toEqual(task.content().positions)
    const wide = passing().task(0, 0)
    wide.widen('n0', 9)
    wide.apply(record as CommitRecord)
    expect(partitionsOf(wide)).toEqual([0, 2, 4, 6, 8])
    feed(wide, [order(5)], 4)
    const after = drain(wide)
    expect(valuesIn(after.appends, 'out')).toEqual([5])
    expect(after.records[0]?.content.books.offsets).toBe(1)
  })

  test('copartitioned: the keys have moved, so it stops and names both numbers', () => {
    const task = fixtureOf(source('kept').keyBy(({ n }) => String(n), { copartitioned: true }).aggregate('counts', { n: count() }, { emit: 'updates' }).sink('out', topicSink('out', { value: json() })), { sourcePartitions: 4 }).task(0, 0)
    task.widen('n0', 4)
    expect(() => task.widen('n0', 6)).toThrow(/topic "orders" has 6 partitions, the run began with 4/)
    expect(partitionsOf(task)).toEqual([0])
  })
})
