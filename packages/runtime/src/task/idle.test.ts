// Idleness of source partitions: only what the log said counts, and a failure or a stall must not make records late that would not have been.
import { describe, expect, test } from '@jest/globals'
import type { Append } from '@tidemark/base'
import { decodeBlock } from '@tidemark/checkpoint'
import { count, job, json, topic, topicSink, tumbling } from 'tidemark'
import type { Job } from 'tidemark'
import type { Task } from './task.ts'
import { drain, feed, feedNothing, fixtureOf, pass, ROOMY } from './task-fixture.ts'
import type { Sent } from './task-fixture.ts'

interface Order {
  readonly user: string
}

const perUser = (copartitioned: boolean): Job => job('orders', { parallelism: copartitioned ? 1 : 2 })
  .source('in', topic('in', { value: json<Order>(), outOfOrderness: 0, idleAfter: '1s' }))
  .keyBy((order) => order.user, { copartitioned })
  .window(tumbling(100))
  .aggregate('totals', { n: count() })
  .sink('out', topicSink('out', { value: json() }))

const order = (user: string, timestamp: number): Sent => ({ key: user, value: { user }, timestamp })
const marksIn = (appends: readonly Append[]) => appends.filter((append) => append.topic.startsWith('shuffle.') && append.partition === 0).flatMap((append) => append.records.map((one) => decodeBlock(one.value as Buffer)))
const carry = (appends: readonly Append[], reader: Task): void => {
  for (const append of appends.filter((one) => one.topic.startsWith('shuffle.') && one.partition === 0)) feed(reader, append.records.map(({ value }) => ({ value })))
}

describe('idle sources', () => {
  test('a new owner does not take a partition for idle that has records by now', () => {
    const fixture = fixtureOf(perUser(true), { sourcePartitions: 2, tasks: 1 })
    const owner = fixture.task(0)
    feed(owner, [order('a', 500)], 0)
    feed(owner, [order('b', 10)], 1)
    const records = [...drain(owner).records, ...pass(owner, 0, 2_000, [1]).records]
    expect(owner.content()).toMatchObject({ watermark: 500, positions: [{ idle: false }, { idle: true }] })
    const heirs = [fixture.task(0), fixture.task(0)] as const
    for (const heir of heirs) {
      for (const record of records) heir.apply(record)
      feed(heir, [order('a', 900)], 0)
      drain(heir, { now: 3_000 })
      expect(heir.watermark).toBe(500)
    }
    feed(heirs[0], [order('b', 800)], 1)
    drain(heirs[0], { now: 3_010 })
    expect(heirs[0].content()).toMatchObject({ watermark: 800, totals: { late: 0 } })
    // The first answer may have been under way before the 900 was there, and so may the second.
    for (const now of [3_010, 3_020]) {
      feedNothing(heirs[1], 1)
      drain(heirs[1], { now })
      expect(heirs[1].watermark).toBe(500)
    }
    feedNothing(heirs[1], 1)
    drain(heirs[1], { now: 3_030 })
    expect(heirs[1].watermark).toBe(900)
  })

  test('a log that does not answer for long says nothing: its partitions are not idle', () => {
    const task = fixtureOf(perUser(true), { sourcePartitions: 2, tasks: 1 }).task(0)
    feed(task, [order('a', 500)], 0)
    feed(task, [order('b', 1)], 1)
    feedNothing(task, 1)
    for (let now = 0; now <= 60_000; now += 20) drain(task, { now })
    expect(task.watermark).toBe(1)
    // The first answer after a long silence counts for little.
    feedNothing(task, 1)
    drain(task, { now: 60_020 })
    expect(task.watermark).toBe(1)
    pass(task, 60_020, 61_000, [1])
    expect(task.watermark).toBe(500)
  })

  test('in one task: all were quiet, one partition wakes with a burst → the records of the other, a moment later, are not late', () => {
    const task = fixtureOf(perUser(true), { sourcePartitions: 2, tasks: 1 }).task(0)
    feed(task, [order('a', 10)], 0)
    feed(task, [order('b', 10)], 1)
    pass(task, 0, 3_000)
    expect(task.content().idle).toBe(true)
    feed(task, [order('a', 20), order('a', 900)], 0)
    drain(task, { now: 3_010 })
    feed(task, [order('b', 30), order('b', 900)], 1)
    drain(task, { now: 3_020 })
    expect(task.content().totals.late).toBe(0)
    expect(task.watermark).toBe(900)
  })

  test('behind a shuffle: all were quiet, one upstream task wakes with a burst → those of the other are not late', () => {
    const fixture = fixtureOf(perUser(false), { sourcePartitions: 2 })
    const [writers, reader] = [[fixture.task(0, 0), fixture.task(0, 1)] as const, fixture.task(1, 0)]
    for (const writer of writers) feed(writer, [order('a', 10)])
    for (let at = 0; at < 4_000; at += 250) for (const writer of writers) carry(pass(writer, at, at + 250).appends, reader)
    drain(reader)
    expect(reader.content().idle).toBe(true)
    feed(writers[0], [order('a', 20), order('a', 900)])
    carry(drain(writers[0], { now: 4_010 }).appends, reader)
    carry(pass(writers[1], 4_000, 4_250).appends, reader)
    drain(reader)
    feed(writers[1], [order('a', 30), order('a', 900)])
    carry(drain(writers[1], { now: 4_260 }).appends, reader)
    drain(reader)
    expect(reader.content().totals.late).toBe(0)
    expect(reader.watermark).toBe(900)
  })

  test('in one task: one partition is active all along, the other is quiet → what is read of the first passes the second only when the log says again that it has nothing', () => {
    const task = fixtureOf(perUser(true), { sourcePartitions: 2, tasks: 1 }).task(0)
    feed(task, [order('a', 500)], 0)
    feed(task, [order('b', 1)], 1)
    pass(task, 0, 1_100, [1])
    expect(task.content()).toMatchObject({ watermark: 500, positions: [{ idle: false }, { idle: true }] })
    feed(task, [order('a', 900)], 0)
    drain(task, { now: 1_110 })
    expect(task.watermark).toBe(500)
    feed(task, [order('b', 600)], 1)
    drain(task, { now: 1_120 })
    expect(task.content()).toMatchObject({ watermark: 600, totals: { late: 0 } })
  })

  test('behind a shuffle: one upstream task is active all along, another is idle, a burst comes for both and the second reads it later → nothing is late', () => {
    const fixture = fixtureOf(perUser(false), { sourcePartitions: 2 })
    const [writers, reader] = [[fixture.task(0, 0), fixture.task(0, 1)] as const, fixture.task(1, 0)]
    feed(writers[0], [order('a', 500)])
    feed(writers[1], [order('a', 10)])
    carry(drain(writers[0], { now: 0 }).appends, reader)
    carry(pass(writers[1], 0, 2_000).appends, reader)
    drain(reader)
    expect(reader.watermark).toBe(500)
    feed(writers[0], [order('a', 900)])
    carry(drain(writers[0], { now: 2_010 }).appends, reader)
    drain(reader)
    // A claim that was on its way when the 900 was told.
    carry(pass(writers[1], 2_000, 2_250).appends, reader)
    drain(reader)
    expect(reader.watermark).toBe(500)
    feed(writers[1], [order('a', 600), order('a', 900)])
    carry(drain(writers[1], { now: 2_260 }).appends, reader)
    drain(reader)
    expect(reader.content().totals.late).toBe(0)
    expect(reader.watermark).toBe(900)
  })

  test('a new owner of an idle task tells no reader that it is idle before it has looked for itself', () => {
    const fixture = fixtureOf(perUser(false), { sourcePartitions: 2 })
    const [owner, heir] = [fixture.task(0, 0), fixture.task(0, 0)]
    feed(owner, [order('a', 10)])
    for (const record of pass(owner, 0, 2_000).records) heir.apply(record)
    expect(heir.content().idle).toBe(true)
    expect(marksIn(drain(heir, { now: 2_010 }).appends)).toMatchObject([{ idle: false, watermark: 10 }])
    expect(marksIn(drain(heir, { now: 2_020 }).appends)).toEqual([])
    // One answer may have been under way before.
    feedNothing(heir)
    expect(marksIn(drain(heir, { now: 2_030 }).appends)).toEqual([])
    feedNothing(heir)
    expect(marksIn(drain(heir, { now: 2_040 }).appends)).toMatchObject([{ idle: true }])
  })

  test('an idle task says so again while the log says that there is nothing, and is silent while the log is', () => {
    const task = fixtureOf(perUser(false), { sourcePartitions: 2 }).task(0, 0)
    feed(task, [order('a', 10)])
    expect(marksIn(pass(task, 0, 2_000).appends).filter(({ idle }) => idle).length).toBeGreaterThanOrEqual(3)
    drain(task, { now: 2_500 })
    expect(marksIn(drain(task, { now: 60_000 }).appends)).toEqual([])
  })

  test('quiet is a task that has itself seen the ends of all its inputs, is idle, and has nothing to commit', () => {
    const fixture = fixtureOf(perUser(true), { sourcePartitions: 2, tasks: 1 })
    const owner = fixture.task(0)
    feed(owner, [order('a', 10)])
    const records = [...drain(owner).records, ...pass(owner, 0, 2_000).records]
    expect([owner.content().idle, owner.quiet]).toEqual([true, true])
    const heir = fixture.task(0)
    for (const record of records) heir.apply(record)
    drain(heir, { now: 3_000 })
    expect(heir.quiet).toBe(false)
    feedNothing(heir, 0)
    drain(heir, { now: 3_001 })
    expect(heir.quiet).toBe(false)
    drain(heir, { now: 9_000 })
    expect(heir.quiet).toBe(false)
    for (let look = 1; look <= 4; look += 1) {
      for (const at of [0, 1]) feedNothing(heir, at)
      drain(heir, { now: 9_000 + look })
    }
    expect([heir.dirty, heir.quiet]).toEqual([false, true])
    feed(heir, [order('a', 20)], 1)
    expect(heir.quiet).toBe(false)
    heir.work(ROOMY, 9_010)
    expect([heir.dirty, heir.quiet]).toEqual([true, false])
  })
})
