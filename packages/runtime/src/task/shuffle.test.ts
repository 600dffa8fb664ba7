// Shuffles between two stages, the in-flight blocks of a restored run, and the outbox.
import { describe, expect, test } from '@jest/globals'
import type { Append } from '@tidemark/base'
import { decodeBlock, encodeBlocks } from '@tidemark/checkpoint'
import type { CommitRecord } from '@tidemark/checkpoint'
import { count, fileSink, job, json, sum, topic, topicSink, tumbling } from 'tidemark'
import type { Job } from 'tidemark'
import { stateHash } from './stage-task.ts'
import type { Task } from './task.ts'
import { drain, feed, fixtureOf, pass, ROOMY, valuesIn } from './task-fixture.ts'
import type { Sent } from './task-fixture.ts'

interface Order {
  readonly user: string
  readonly amount: number
}

const perUser = (): Job => job('orders', { parallelism: 2 })
  .source('in', topic('in', { value: json<Order>(), outOfOrderness: 0, idleAfter: '1s' }))
  .keyBy((order) => order.user)
  .window(tumbling(10, { allowedLateness: 2 }))
  .aggregate('totals', { n: count(), total: sum((order) => order.amount) })
  .sink('out', topicSink('out', { value: json() }))

const order = (user: string, amount: number, timestamp: number): Sent => ({ value: { user, amount }, timestamp })

/** The shuffle's topic: hands what writers append to its readers. */
const carry = (appends: readonly Append[], readers: readonly Task[], timestamp = 0): void => {
  for (const append of appends) {
    const reader = append.topic.startsWith('shuffle.') ? readers[append.partition] : undefined
    if (reader !== undefined) feed(reader, append.records.map((one) => ({ value: one.value, timestamp })))
  }
}
const blocksIn = (appends: readonly Append[], partition: number) => appends.filter((append) => append.topic.startsWith('shuffle.') && append.partition === partition)
  .flatMap((append) => append.records.map((one) => decodeBlock(one.value as Buffer)))

describe('shuffle', () => {
  test('records go by key, marks to every partition; an upstream that was never heard from holds the watermark, an idle one does not', () => {
    const fixture = fixtureOf(perUser(), { sourcePartitions: 2 })
    const writers = [fixture.task(0, 0), fixture.task(0, 1)] as const
    const readers = [fixture.task(1, 0), fixture.task(1, 1)] as const
    feed(writers[0], [order('a', 1, 1), order('b', 2, 2), order('a', 3, 3), order('c', 9, 30)])
    const { appends, records } = drain(writers[0], { now: 1_000 })
    expect([0, 1].map((partition) => blocksIn(appends, partition).map((block) => block.watermark))).toEqual([[30], [30]])
    expect(records[0]?.content.books).toMatchObject({ passedOn: 4, emitted: 4 })
    carry(appends, readers, 1_000)
    for (const reader of readers) {
      reader.work(ROOMY, 0)
      expect(reader.freeze().content.upstreams.length).toBe(1)
      reader.undo()
      expect(reader.freeze().content.upstreams).toEqual([])
      reader.undo()
    }
    for (const reader of readers) expect(drain(reader).appends).toEqual([])
    expect(readers[0].watermark).toBeUndefined()

    // The other writer has no records: it becomes idle after a second, says so once, and holds nobody.
    expect(drain(writers[1], { now: 1_000 }).appends).toEqual([])
    const idle = pass(writers[1], 1_000, 2_000)
    expect(idle.records[0]?.content).toMatchObject({ idle: true, positions: [{ idle: true }] })
    expect(blocksIn(idle.appends, 0)).toMatchObject([{ idle: true, keys: [] }])
    expect(drain(writers[1], { now: 3_000 }).records).toEqual([])
    carry(idle.appends, readers, 2_000)
    // One claim does not say when it looked: the next one looked after this one.
    expect(readers.flatMap((reader) => valuesIn(drain(reader).appends, 'out'))).toEqual([])
    const again = pass(writers[1], 2_000, 2_250)
    expect(blocksIn(again.appends, 0)).toMatchObject([{ idle: true, keys: [] }])
    carry(again.appends, readers, 2_250)
    const results = readers.flatMap((reader) => valuesIn(drain(reader).appends, 'out'))
    expect(results).toContainEqual({ key: 'a', window: { start: 0, end: 10 }, n: 2, total: 4 })
    expect(results).toContainEqual({ key: 'b', window: { start: 0, end: 10 }, n: 1, total: 2 })
    expect(results.length).toBe(2)
    expect(readers.map((reader) => reader.watermark)).toEqual([30, 30])

    // It wakes up behind the others: the watermark does not go back, its old record is late.
    feed(writers[1], [order('a', 5, 5), order('a', 6, 29)])
    const woken = drain(writers[1], { now: 4_000 })
    expect(blocksIn(woken.appends, 0)).toMatchObject([{ idle: false, watermark: 29 }])
    carry(woken.appends, readers, 4_000)
    const late = readers.map((reader) => drain(reader).records.at(-1)?.content)
    expect(readers.map((reader) => reader.watermark)).toEqual([30, 30])
    expect(late.reduce((all, content) => all + (content?.books.late ?? 0), 0)).toBe(1)
  })

  test('marks: closer than 50 ms apart they wait, and are sent then even if nothing else moves', () => {
    const fixture = fixtureOf(perUser())
    const writer = fixture.task(0)
    feed(writer, [order('a', 1, 1)])
    expect(blocksIn(drain(writer, { now: 1_000 }).appends, 0).length).toBe(1)
    // Only the watermark moves: this record is filtered out by nobody, so use one that goes to one partition only.
    feed(writer, [{ value: Buffer.from('no JSON') }])
    expect(drain(writer, { now: 1_010 }).appends.filter((append) => append.topic.startsWith('shuffle.'))).toEqual([])
    feed(writer, [order('a', 1, 7)])
    const both = drain(writer, { now: 1_020 }).appends
    expect([0, 1].map((partition) => blocksIn(both, partition).map((block) => block.watermark))).toEqual([[7], [7]])
  })

  test('marks: a new owner tells its readers again, and after an undone batch so does the old one', () => {
    const fixture = fixtureOf(perUser())
    const writer = fixture.task(0)
    feed(writer, [order('a', 1, 1)])
    const { records } = drain(writer, { now: 1_000 })
    const heir = fixture.task(0)
    for (const record of records) heir.apply(record)
    expect(heir.dirty).toBe(true)
    expect(blocksIn(drain(heir, { now: 1_000 }).appends, 1)).toMatchObject([{ watermark: 1, batchId: 2, keys: [] }])
    expect(heir.dirty).toBe(false)
    feed(writer, [order('a', 1, 5)])
    writer.work(ROOMY, 2_000)
    writer.freeze()
    writer.undo()
    expect(blocksIn(drain(writer, { now: 2_000 }).appends, 1)).toMatchObject([{ watermark: 5 }])
  })

  test('lateness of a window is kept from those who read it behind a shuffle: nothing that is on time becomes late there', () => {
    const built = job('two', { parallelism: 1 }).source('in', topic('in', { value: json<Order>(), outOfOrderness: 0 }))
      .keyBy((value) => value.user, { copartitioned: true }).window(tumbling(10, { allowedLateness: 5 })).aggregate('tens', { n: count() })
      .keyBy(() => 'all').window(tumbling(20)).aggregate('twenties', { n: sum((result) => result.n) }).sink('out', topicSink('out', { value: json() }))
    const fixture = fixtureOf(built)
    const [writer, reader] = [fixture.task(0), fixture.task(1)]
    for (const ts of [1, 12, 16, 9, 18, 20, 24, 26, 19, 40, 46]) {
      feed(writer, [{ key: 'k', value: { user: 'k', amount: 1 }, timestamp: ts }])
      carry(drain(writer, { now: ts * 1_000 }).appends, [reader])
    }
    const { appends, records } = drain(reader)
    expect(records.at(-1)?.content.totals.late).toBe(0)
    expect(writer.content().totals.late).toBe(2)
    expect(valuesIn(appends, 'out')).toEqual([{ key: 'all', window: { start: 0, end: 20 }, n: 4 }, { key: 'all', window: { start: 20, end: 40 }, n: 3 }])
  })

  test('a value too large for a shuffle is its record\'s error, with key and size', () => {
    const built = job('large', { parallelism: 1 }).source('in', topic('in', { value: json<Order>() })).map((value) => ({ ...value, text: 'x'.repeat(value.amount) })).keyBy((value) => value.user)
      .aggregate('n', { n: count() }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [order('a', 1, 1), order('b', 1_000_000, 1)])
    const { appends } = drain(task)
    expect(blocksIn(appends, 0).flatMap((block) => block.keys)).toEqual(['a'])
    const [letter] = appends.filter((append) => append.topic === 'large.dead-letters').flatMap((append) => append.records)
    expect(String(letter?.headers?.['tidemark-code'])).toBe('TASK_VALUE_TOO_LARGE')
    expect(String(letter?.headers?.['tidemark-error'])).toMatch(/10000\d\d bytes with key "b"/)
  })

  test.each([['of one byte a character', 'x'.repeat(500_000), 500_000], ['of three', '€'.repeat(150_000), 450_000]])('a key too large for a shuffle, %s, is its record\'s error, with its size; the task goes on', (_what, key, bytes) => {
    const built = job('large', { parallelism: 1 }).source('in', topic('in', { value: json<Order>() })).keyBy((value) => value.user)
      .aggregate('n', { n: count() }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [order('a', 1, 1), order(key, 1, 1), order('b', 1, 1)])
    const { appends } = drain(task)
    expect(task.failure).toBeUndefined()
    expect(blocksIn(appends, 0).flatMap((block) => block.keys)).toEqual(['a', 'b'])
    const [letter] = appends.filter((append) => append.topic === 'large.dead-letters').flatMap((append) => append.records)
    expect(String(letter?.headers?.['tidemark-code'])).toBe('TASK_VALUE_TOO_LARGE')
    expect(String(letter?.headers?.['tidemark-error'])).toMatch(new RegExp(`^a value of ${String(bytes).slice(0, 3)}\\d+ bytes with key "${key.slice(0, 200)}… \\(${key.length} characters\\)" is to be shuffled; 819200 bytes`))
  })

  test('what is random behind a shuffle follows from the source position, however the records were batched', () => {
    const built = job('dice', { parallelism: 1 }).source('in', topic('in', { value: json<Order>() })).flatMap((value) => [value, value]).keyBy((value) => value.user)
      .process<unknown>('roll', { onRecord: (ctx, value) => ctx.emit([value.amount, ctx.uuid(), ctx.now]) }).sink('out', topicSink('out', { value: json() }))
    const fixture = fixtureOf(built)
    const rolls = (size: number): unknown[] => {
      const [writer, reader] = [fixture.task(0), fixture.task(1)]
      const all = [1, 2, 3, 4].map((n) => order('a', n, n * 10))
      for (let at = 0; at < all.length; at += size) {
        feed(writer, all.slice(at, at + size))
        carry(drain(writer).appends, [reader])
      }
      return valuesIn(drain(reader).appends, 'out')
    }
    expect(rolls(1)).toEqual(rolls(4))
    expect(new Set(rolls(2).map((roll) => (roll as unknown[])[1])).size).toBe(8)
    expect(rolls(4).map((roll) => (roll as unknown[])[2])).toEqual([10, 10, 20, 20, 30, 30, 40, 40])
  })

  test('blocks: a writer that is none, a batch that comes again, a block that is missing stop the task', () => {
    const fixture = fixtureOf(perUser(), { sourcePartitions: 1 })
    const header = { stage: 's0', partition: 0, batchId: 5, generation: { epoch: 1, counter: 1 }, idle: false }
    const failureOf = (headers: readonly object[]): string | undefined => {
      const reader = fixture.task(1)
      feed(reader, headers.flatMap((one) => encodeBlocks({ ...header, ...one }, []).map((value) => ({ value }))))
      drain(reader)
      return reader.failure?.message
    }
    expect(failureOf([{}])).toBeUndefined()
    expect(failureOf([{ stage: 's7' }])).toMatch(/^invariant 1/)
    expect(failureOf([{ partition: 1 }])).toMatch(/^invariant 1/)
    expect(failureOf([{}, {}])).toMatch(/^invariant 2/)
    expect(failureOf([{}, { batchId: 4 }])).toMatch(/^invariant 2/)
  })

  test('a bad record inside a block is set aside as JSON; the block is taken whole or not at all', () => {
    const jobWith = (onError: 'dead-letter' | 'fail'): Job => job('bad', { parallelism: 1, onError }).source('in', topic('in', { value: json<Order>() })).keyBy((value) => value.user)
      .aggregate('sums', { total: sum((value) => value.amount) }, { emit: 'updates' })
      .map((result) => {
        if (result.total === 13) throw new Error('thirteen')
        return result
      }).sink('out', topicSink('out', { value: json() }))
    for (const policy of ['dead-letter', 'fail'] as const) {
      const fixture = fixtureOf(jobWith(policy))
      const [writer, reader] = [fixture.task(0), fixture.task(1)]
      feed(writer, [order('a', 1, 1)])
      carry(drain(writer).appends, [reader])
      feed(writer, [order('b', 1, 1), order('a', 12, 1), order('a', 2, 1)])
      carry(drain(writer).appends, [reader])
      const { appends, records } = drain(reader)
      if (policy === 'dead-letter') {
        expect(valuesIn(appends, 'bad.dead-letters')).toEqual([{ user: 'a', amount: 12 }])
        expect(valuesIn(appends, 'out')).toEqual([{ key: 'a', total: 1 }, { key: 'b', total: 1 }, { key: 'a', total: 3 }])
        expect(records.at(-1)?.content.totals).toMatchObject({ blocks: 2, records: 4, folded: 3, deadLettered: 1 })
      } else {
        expect(valuesIn(appends, 'out')).toEqual([{ key: 'a', total: 1 }])
        expect(reader.failure).toMatchObject({ code: 'TASK_USER_ERROR', place: { offset: 1 } })
        expect(reader.inputs()[0]?.next).toBe(1)
      }
    }
  })

  test('in-flight blocks of a restored run come first, all of them before the topic; then its writers count from 1', () => {
    const fixture = fixtureOf(perUser(), { sourcePartitions: 1 })
    const writer = fixture.task(0)
    const reader = fixture.task(1)
    const input = reader.inputs()[0]?.input ?? ''
    const topicName = reader.inputs()[0]?.topic ?? ''
    reader.loadSnapshot([], { ...reader.content(), positions: [{ input, topic: topicName, partition: 0, next: 0, inFlight: 0 }], upstreams: [{ input, partition: 0, idle: false, batchId: 0 }] })
    feed(writer, [order('a', 1, 1)])
    const blocks = drain(writer, { now: 1 }).appends
    feed(reader, [{ value: blocks.find((one) => one.partition === 0)?.records[0]?.value ?? null }])
    expect(drain(reader).records).toEqual([])
    const old = (batchId: number): Buffer => encodeBlocks({ stage: 's0', partition: 0, batchId, generation: { epoch: 1, counter: 1 }, idle: false }, [])[0] as Buffer
    reader.offerInFlight(input, 0, false, old(57))
    const first = drain(reader).records
    expect(first[0]?.content).toMatchObject({ positions: [{ inFlight: 1, next: 0 }], books: { offsets: 1, blocks: 1 } })
    reader.offerInFlight(input, 1, true, old(58))
    reader.work(ROOMY, 0)
    reader.undo()
    const rest = drain(reader).records
    expect(rest.at(-1)?.content.positions[0]).toMatchObject({ next: 1 })
    expect(rest.at(-1)?.content.positions[0]?.inFlight).toBeUndefined()
    expect(reader.failure).toBeUndefined()
    const heir = fixture.task(1)
    heir.loadSnapshot([], { ...heir.content(), positions: [{ input, topic: topicName, partition: 0, next: 0, inFlight: 0 }], upstreams: [] })
    heir.offerInFlight(input, 0, true, undefined)
    expect(heir.work(ROOMY, 0)).toEqual({ more: false, full: false })
    expect(heir.inputs()[0]?.inFlight).toBeUndefined()
  })
})

describe('outbox', () => {
  test('entries live in the state until acknowledged; an acknowledgement outlives an undone batch; a full outbox takes nothing more', () => {
    const fixture = fixtureOf(job('files', { outboxMax: '20B' }).source('in', topic('in', { value: json<number>() })).sink('report', fileSink('out')))
    const task = fixture.task(0)
    const journal: CommitRecord[] = []
    feed(task, [{ value: 1 }, { value: 22 }])
    journal.push(...drain(task).records)
    expect(task.undelivered()).toEqual([{ sink: 'report', run: 1, batchId: 1, records: [Buffer.from('1'), Buffer.from('22')] }])
    expect(journal[0]?.content.outbox).toEqual({ entries: 1, bytes: 3 })
    const heir = fixture.task(0)
    for (const record of journal) heir.apply(record)
    expect(heir.undelivered()).toEqual(task.undelivered())

    task.acknowledge({ sink: 'report', run: 1, batchId: 1 })
    expect(task.dirty).toBe(true)
    expect(task.undelivered()).toEqual([])
    expect(task.owed()).toEqual([{ sink: 'report', entries: 1 }])
    task.freeze()
    task.undo()
    expect(task.dirty).toBe(true)
    expect(task.undelivered()).toEqual([])
    journal.push(...drain(task).records)
    expect(journal.at(-1)?.content).toMatchObject({ outbox: { entries: 0, bytes: 0 }, books: { offsets: 0 } })
    expect(task.owed()).toEqual([])
    heir.apply(journal.at(-1) as CommitRecord)
    expect(stateHash(heir)).toBe(stateHash(task))

    feed(task, [{ value: 'x'.repeat(30) }, { value: 4 }])
    task.work({ ...ROOMY, outputBytesMax: 1 }, 0)
    task.freeze()
    task.committed()
    expect(drain(task).records).toEqual([])
    task.acknowledge({ sink: 'report', run: 1, batchId: 3 })
    expect(drain(task).records.length).toBe(1)
    expect(drain(task).records[0]?.content.positions[0]?.next).toBe(4)
  })

  test('a run from a checkpoint delivers what the run before may have delivered under its name, at once, and keeps it beside its own', () => {
    const fixture = fixtureOf(job('files', {}).source('in', topic('in', { value: json<number>() })).sink('report', fileSink('out')))
    const before = fixture.task(0)
    feed(before, [{ value: 1 }])
    drain(before)
    feed(before, [{ value: 2 }])
    const held = drain(before).records[0]?.content
    const walk = before.startWalk()
    const blocks = Array.from({ length: 10 }, () => walk.next(1_000_000)).filter((block) => block !== undefined)
    const restored = fixture.task(0, 0, 2)
    restored.loadSnapshot([...blocks, walk.finish().block], { ...before.content(), batchId: 0 })
    const names = (): unknown[] => restored.undelivered().map(({ run, batchId, records }) => [run, batchId, String(records[0])])
    expect(held?.batchId).toBe(2)
    expect(names()).toEqual([[1, 1, '1'], [1, 2, '2']])
    feed(restored, [{ value: 3 }])
    drain(restored)
    expect(names()).toEqual([[1, 1, '1'], [1, 2, '2'], [2, 1, '3']])
    restored.acknowledge({ sink: 'report', run: 1, batchId: 1 })
    drain(restored)
    expect(names()).toEqual([[1, 2, '2'], [2, 1, '3']])
  })
})
