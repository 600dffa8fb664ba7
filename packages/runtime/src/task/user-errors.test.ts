// What fails in user code: by policy, before and after an effect, in records, window results and values that are too large.
import { describe, expect, test } from '@jest/globals'
import type { Append, AppendRecord } from '@tidemark/base'
import { aggregate, count, job, json, string, sum, topic, topicSink, tumbling } from 'tidemark'
import type { Codec, Job, JobOptions, Stream } from 'tidemark'
import { recordChecksum } from './input.ts'
import { AHEAD_MS_MAX } from './outputs.ts'
import { stateHash } from './stage-task.ts'
import { drain, feed, fixtureOf, ROOMY, valuesIn } from './task-fixture.ts'
import type { Sent } from './task-fixture.ts'

interface Item {
  readonly user: string
  readonly n: number
}

/** Sums per user and branches; a negative number fails before any effect, 13 after the state was changed. */
const job13 = (options: JobOptions = {}): Job => {
  const built = job('errors', options)
  const items = built.source('in', topic('in', { value: json<Item>(), outOfOrderness: 0 }))
    .map((item) => {
      if (item.n < 0) throw new RangeError('negative')
      return item
    })
    .keyBy((item) => item.user, { copartitioned: true })
  items.aggregate('sums', { n: sum((item) => item.n) }, { emit: 'updates' })
    .map((result) => {
      if (result.n % 100 === 13) throw new Error('thirteen')
      return result
    })
    .sink('out', topicSink('out', { value: json() }))
  return built
}

const item = (user: string, n: number, timestamp = 0): Sent => ({ key: user, value: { user, n }, timestamp })
const letters = (appends: readonly Append[]): { value: string, key: string | null, headers: Record<string, string> }[] => appends.filter((append) => append.topic === 'errors.dead-letters').flatMap((append) => append.records.map((one) => ({
  value: String(one.value), key: one.key === null ? null : String(one.key), headers: Object.fromEntries(Object.entries(one.headers ?? {}).map(([name, value]) => [name, String(value)])),
})))

describe('user errors', () => {
  test('dead-letter: what fails before any effect is set aside at once, with everything needed to find it', () => {
    const task = fixtureOf(job13()).task(0)
    feed(task, [item('a', 1), item('a', -5, 77), item('a', 2)])
    const { appends, records } = drain(task)
    expect(records.length).toBe(1)
    expect(valuesIn(appends, 'out')).toEqual([{ key: 'a', n: 1 }, { key: 'a', n: 3 }])
    expect(letters(appends)).toEqual([{ key: 'a', value: '{"user":"a","n":-5}', headers: {
      'tidemark-job': 'errors', 'tidemark-stage': 's0', 'tidemark-error': 'negative', 'tidemark-code': 'TASK_USER_ERROR', 'tidemark-operator': 'map n1',
      'tidemark-source-topic': 'in', 'tidemark-source-partition': '0', 'tidemark-source-offset': '1',
    } }])
    expect(records[0]?.content.books).toMatchObject({ records: 3, folded: 2, deadLettered: 1, emitted: 2 })
  })

  test('dead-letter: what fails after an effect leaves none, and ends its batch', () => {
    const task = fixtureOf(job13()).task(0)
    feed(task, [item('a', 1), item('a', 12), item('a', 2), item('b', 13), item('b', 1)])
    const { appends, records } = drain(task)
    expect(valuesIn(appends, 'out')).toEqual([{ key: 'a', n: 1 }, { key: 'a', n: 3 }, { key: 'b', n: 1 }])
    expect(records.map((one) => one.content.positions[0]?.next)).toEqual([2, 4, 5])
    expect(letters(appends).map((letter) => letter.value)).toEqual(['{"user":"a","n":12}', '{"user":"b","n":13}'])
    expect(letters(appends)[0]?.headers).toMatchObject({ 'tidemark-operator': 'map n4', 'tidemark-source-offset': '1' })
    expect(records.at(-1)?.content.totals).toMatchObject({ records: 5, folded: 3, deadLettered: 2 })
  })

  test('dead-letter: no JSON, no value, no time, a time in the future', () => {
    const built = job('errors', { futureTimestampBound: '1m' }).source('in', topic('in', { value: json<{ at: number }>(), timestamp: (value) => value.at })).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [{ value: Buffer.from('{"at":') }, { value: null }, { value: {} }, { value: { at: 1e9 + 60_001 } }, { value: { at: 1e9 + 60_000 } }, { value: Buffer.from([0xff]) }])
    const { appends, records } = drain(task, { now: 1e9 })
    expect(letters(appends).map((letter) => letter.headers['tidemark-code'])).toEqual(['JOB_DECODE', 'JOB_DECODE', 'TASK_TIMESTAMP_INVALID', 'TASK_TIMESTAMP_FUTURE', 'JOB_DECODE'])
    expect(records[0]?.content.books).toMatchObject({ records: 6, passedOn: 1, deadLettered: 5 })
    expect(records[0]?.content.positions[0]?.watermark).toBe(1e9 + 59_000)
  })

  test.each([-1e20, 1e20, 1_764_000_000_000_000_000])('dead-letter: a time that no date can be (%p), so that no log has to take it', (at) => {
    const built = job('errors').source('in', topic('in', { value: json<{ at: number }>(), timestamp: (value) => value.at, outOfOrderness: 0 })).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [{ value: { at: -8.64e15 } }, { value: { at }, timestamp: 5 }])
    const { appends, records } = drain(task, { now: 1e12 })
    expect(valuesIn(appends, 'out')).toEqual([{ at: -8.64e15 }])
    expect(letters(appends).map(({ value, headers }) => [JSON.parse(value), headers['tidemark-code']])).toEqual([[{ at }, 'TASK_TIMESTAMP_INVALID']])
    expect(records.at(-1)?.content).toMatchObject({ watermark: -8.64e15, totals: { records: 2, passedOn: 1, deadLettered: 1 } })
  })

  test.each([['a number', 7], ['null', null], ['an object', { text: 'x' }], ['nothing', undefined]] as const)('dead-letter: the codec of a sink makes %s, which no log takes', (_what, made) => {
    const encode = (value: Item): string => (value.n === 13 ? made : JSON.stringify(value)) as string
    const built = job('errors').source('in', topic('in', { value: json<Item>() })).sink('out', topicSink('out', { value: { encode, decode: () => ({ user: '', n: 0 }) } }))
    const task = fixtureOf(built).task(0)
    feed(task, [item('a', 1), item('a', 13), item('a', 2)])
    const { appends } = drain(task)
    expect(valuesIn(appends, 'out')).toEqual([{ user: 'a', n: 1 }, { user: 'a', n: 2 }])
    expect(letters(appends).map(({ value, headers }) => [value, headers['tidemark-code']])).toEqual([['{"user":"a","n":13}', 'JOB_ENCODE']])
  })

  test('a sink takes the bytes of a Uint8Array, only those', () => {
    const built = job('errors').source('in', topic('in', { value: json<Item>() })).sink('out', topicSink('out', { value: { encode: () => new Uint8Array([0, 49, 50, 0]).subarray(1, 3) as Buffer, decode: () => ({ user: '', n: 0 }) } }))
    const task = fixtureOf(built).task(0)
    feed(task, [item('a', 1)])
    expect(drain(task).appends.find((append) => append.topic === 'out')?.records.map((one) => one.value)).toEqual([Buffer.from('12')])
  })

  test('dead-letter: the headers of the record stay', () => {
    const task = fixtureOf(job13()).task(0)
    const input = task.inputs()[0]
    task.offer(input?.input ?? '', { topic: 'in', partition: 0, fromOffset: 0, nextOffset: 1, startOffset: 0, stableOffset: 1, records: [{ offset: 0, timestamp: 9, key: null, value: Buffer.from('x'), headers: { trace: Buffer.from('t1') } }] })
    expect(letters(drain(task).appends)[0]?.headers).toMatchObject({ trace: 't1', 'tidemark-code': 'JOB_DECODE' })
  })

  test('skip: counted, not sent', () => {
    const task = fixtureOf(job13({ onError: 'skip' })).task(0)
    feed(task, [item('a', -1), item('a', 13), item('a', 1)])
    const { appends, records } = drain(task)
    expect(letters(appends)).toEqual([])
    expect(records.at(-1)?.content.totals).toMatchObject({ records: 3, folded: 1, skipped: 2 })
  })

  test.each([['before', -1], ['after', 12]] as const)('fail: what fails %s an effect stops the task there, with its position; what came before it is kept', (_when, n) => {
    const task = fixtureOf(job13({ onError: 'fail' })).task(0)
    feed(task, [item('a', 1), item('a', n), item('a', 2)])
    const { appends, records } = drain(task)
    expect(task.failure).toMatchObject({ code: 'TASK_USER_ERROR', blame: 'user', action: 'fail-job', place: { job: 'errors', stage: 's0', topic: 'in', partition: 0, offset: 1 } })
    expect(valuesIn(appends, 'out')).toEqual([{ key: 'a', n: 1 }])
    expect(records.map((one) => one.content.positions[0]?.next)).toEqual([1])
    expect(task.work(ROOMY, 0)).toEqual({ more: false, full: false })
  })

  const later = <T>(value: T): T => Promise.resolve(value) as T
  const items = (): Stream<Item> => job('errors').source('in', topic('in', { value: json<Item>() }))
  const decodesLater: Codec<Item> = { decode: (bytes) => later(JSON.parse(bytes.toString()) as Item), encode: (value) => JSON.stringify(value) }
  test.each([
    ['map', items().map((value) => later(value)).sink('out', topicSink('out', { value: json() }))],
    ['decode', job('errors').source('in', topic('in', { value: decodesLater })).sink('out', topicSink('out', { value: json() }))],
    ['timestamp', job('errors').source('in', topic('in', { value: json<Item>(), timestamp: (value) => later(value.n) })).sink('out', topicSink('out', { value: json() }))],
    ['the key of a sink', items().sink('out', topicSink('out', { value: json(), key: (value) => later(value.user) }))],
    ['the beginning of an aggregate', items().keyBy((value) => value.user, { copartitioned: true }).aggregate('n', { n: aggregate({ initial: () => later(0), add: (n: number) => n + 1, result: (n) => n }) }, { emit: 'updates' }).sink('out', topicSink('out', { value: json() }))],
    ['the state of a process', items().keyBy((value) => value.user, { copartitioned: true }).process<number, number>('p', { state: () => later(0), onRecord: (ctx) => ctx.emit(ctx.state.get()) }).sink('out', topicSink('out', { value: json() }))],
    ['the result of an aggregate', items().keyBy((value) => value.user, { copartitioned: true }).aggregate('n', { n: aggregate({ initial: () => 0, add: (n: number) => n + 1, result: (n) => later(n) }) }, { emit: 'updates' }).sink('out', topicSink('out', { value: json() }))],
  ])('a promise of %s stops the task whatever the policy', (_what, async) => {
    const task = fixtureOf(async).task(0)
    feed(task, [item('a', 1)])
    expect(drain(task).appends).toEqual([])
    expect(task.failure).toMatchObject({ code: 'JOB_ASYNC_FUNCTION', place: { offset: 0 } })
  })

  test('a codec that decodes in place → the record is what it was when it is taken again, and where it is compared', () => {
    const swapped: Codec<string> = { decode: (bytes) => bytes.swap16().toString('utf16le'), encode: (text) => text }
    const task = fixtureOf(job('errors').source('in', topic('in', { value: swapped })).sink('out', topicSink('out', { value: string() }))).task(0)
    const sent = Buffer.from('one', 'utf16le').swap16()
    feed(task, [{ key: 'k', value: Buffer.from(sent) }])
    task.work(ROOMY, 0)
    task.undo()
    expect(drain(task).appends.flatMap(({ records }) => records.map(({ value }) => String(value)))).toEqual(['one'])
    expect(task.content().positions[0]?.last?.checksum).toBe(recordChecksum({ key: Buffer.from('k'), value: sent }))
  })

  test('a codec that fills one buffer again and again → each record has its own bytes', () => {
    const scratch = Buffer.alloc(3)
    const reusing: Codec<Item> = { decode: () => ({ user: '', n: 0 }), encode: (value) => { scratch.write(value.user); return scratch } }
    const task = fixtureOf(items().sink('out', topicSink('out', { value: reusing }))).task(0)
    feed(task, [item('one', 1), item('two', 1)])
    expect(drain(task).appends.flatMap(({ records }) => records.map(({ value }) => String(value)))).toEqual(['one', 'two'])
  })

  test('copartitioned: a record whose key is another stops the task and names it; equal text in UTF-8 passes', () => {
    const task = fixtureOf(job13()).task(0)
    feed(task, [item('ä', 1), { key: 'b', value: { user: 'c', n: 1 } }])
    const { records } = drain(task)
    expect(records.at(-1)?.content.positions[0]?.next).toBe(1)
    expect(task.failure).toMatchObject({ code: 'TASK_NOT_COPARTITIONED', place: { topic: 'in', offset: 1 } })
  })

  test('aggregation repeated gives the same: a reducer that changes its accumulator in place and fails in the middle of a batch leaves no trace', () => {
    const mutating = job('errors').source('in', topic('in', { value: json<{ user: string, seen: number[] }>() })).keyBy((value) => value.user, { copartitioned: true })
      .reduce('seen', (acc, value) => {
        acc.seen.push(...value.seen)
        if (value.seen.includes(13)) throw new Error('thirteen')
        return acc
      }).sink('out', topicSink('out', { value: json() }))
    const fixture = fixtureOf(mutating)
    const sent = (user: string, n: number): Sent => ({ key: user, value: { user, seen: [n] } })
    const [task, oracle] = [fixture.task(0), fixture.task(0)]
    feed(task, [sent('a', 1), sent('b', 1), sent('a', 2), sent('a', 13), sent('b', 2), sent('a', 3)])
    const { appends } = drain(task)
    feed(oracle, [sent('a', 1), sent('b', 1), sent('a', 2), sent('b', 2), sent('a', 3)])
    expect(valuesIn(appends, 'out')).toEqual(valuesIn(drain(oracle).appends, 'out'))
    expect(stateHash(task)).toBe(stateHash(oracle))
    // The same for a commit that fails.
    feed(task, [sent('a', 4), sent('c', 1)])
    task.work(ROOMY, 0)
    task.freeze()
    task.undo()
    expect(stateHash(task)).toBe(stateHash(oracle))
  })

  test('a window result that fails is set aside as JSON, the others go out', () => {
    const built = job('errors').source('in', topic('in', { value: json<Item>(), outOfOrderness: 0 })).keyBy((value) => value.user, { copartitioned: true })
      .window(tumbling(10)).aggregate('sums', { n: sum((value) => value.n), count: count() })
    built.map((result) => {
      if (result.n === 13) throw new Error('thirteen')
      return result
    }).sink('out', topicSink('out', { value: json() }))
    const fixture = fixtureOf(built.sink('copy', topicSink('copy', { value: json() })))
    const task = fixture.task(0)
    feed(task, [item('a', 1, 1), item('b', 13, 2), item('c', 3, 3), item('d', 0, 10)])
    const { appends, records } = drain(task)
    expect(valuesIn(appends, 'out').map((value) => (value as { key: string }).key)).toEqual(['a', 'c'])
    expect(letters(appends).map(({ key, value }) => [key, JSON.parse(value)])).toEqual([['b', { key: 'b', window: { start: 0, end: 10 }, n: 13, count: 1 }]])
    expect(records.at(-1)?.content.watermark).toBe(10)
    expect(records.at(-1)?.content.totals).toMatchObject({ records: 4, folded: 4, deadLettered: 0 })
    expect(task.stateKeys).toBe(1)
  })

  test('fail: a window result that fails stops the task, what went out before it is committed, once', () => {
    const built = job('errors', { onError: 'fail' }).source('in', topic('in', { value: json<Item>(), outOfOrderness: 0 })).keyBy((value) => value.user, { copartitioned: true })
      .window(tumbling(10)).aggregate('sums', { all: aggregate({ initial: () => 0, add: (total: number, value: Item) => total + value.n, result: (total) => {
        if (total === 13) throw new Error('thirteen')
        return total
      } }) }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [item('a', 1, 1), item('b', 13, 2), item('c', 3, 3), item('d', 0, 10)])
    const { appends, records } = drain(task)
    expect(valuesIn(appends, 'out').map((value) => (value as { key: string }).key)).toEqual(['a'])
    expect(task.failure).toMatchObject({ code: 'TASK_USER_ERROR', details: { operator: 'aggregate "sums"' } })
    expect(records.at(-1)?.content.watermark).toBeUndefined()
    expect(task.stateKeys).toBe(3)
  })

  test('a state value that is too large is its record\'s error, with key and size', () => {
    const built = job('errors').source('in', topic('in', { value: json<Item>() })).keyBy((value) => value.user, { copartitioned: true })
      .process<string, string>('hoard', { state: () => '', onRecord: (ctx, value) => { ctx.state.set(ctx.state.get() + 'x'.repeat(value.n)); ctx.emit(ctx.key) } }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [item('a', 500_000), item('b', 1), item('a', 500_000), item('a', 5)])
    const { appends, records } = drain(task)
    expect(valuesIn(appends, 'out')).toEqual(['a', 'b', 'a'])
    expect(letters(appends).map(({ headers }) => headers)).toMatchObject([{ 'tidemark-code': 'TASK_VALUE_TOO_LARGE', 'tidemark-source-offset': '2' }])
    expect(letters(appends)[0]?.headers['tidemark-error']).toMatch(/key "a" is 1000005 bytes/)
    expect(records.at(-1)?.content.totals).toMatchObject({ records: 4, folded: 3, deadLettered: 1 })
    expect(task.failure).toBeUndefined()
  })

  const thirteen = (n: number): void => {
    if (n === 13) throw new Error('thirteen')
  }
  const inPlace = (place: 'keyBy' | 'decode' | 'encode'): Job => job('errors')
    .source('in', topic('in', { value: { encode: (value: Item) => JSON.stringify(value), decode: (bytes) => {
      const value = JSON.parse(bytes.toString()) as Item
      if (place === 'decode') thirteen(value.n)
      return value
    } }, outOfOrderness: 0 }))
    .keyBy((value) => {
      if (place === 'keyBy') thirteen(value.n)
      return value.user
    }, { copartitioned: true })
    .process<Item, number>('last', { state: () => 0, onRecord: (ctx, { n }) => {
      ctx.state.set(ctx.state.get() + 1)
      ctx.emit({ user: ctx.key, n })
    } })
    .sink('out', topicSink('out', { value: { encode: (value) => {
      if (place === 'encode') thirteen(value.n)
      return JSON.stringify(value)
    }, decode: () => ({ user: '', n: 0 }) } }))

  test.each(['keyBy', 'decode', 'encode'] as const)('poison in %s → that record is set aside with the error, all it did is undone, the others go on', (place) => {
    const task = fixtureOf(inPlace(place)).task(0)
    feed(task, [item('a', 1), item('a', 13), item('a', 2)])
    const { appends, records } = drain(task)
    expect(valuesIn(appends, 'out')).toEqual([{ user: 'a', n: 1 }, { user: 'a', n: 2 }])
    expect(letters(appends).map(({ value, headers }) => [value, headers['tidemark-code'], headers['tidemark-error']])).toEqual([['{"user":"a","n":13}', 'TASK_USER_ERROR', 'thirteen']])
    expect(records.at(-1)?.content.totals).toMatchObject({ records: 3, folded: 2, deadLettered: 1 })
    const oracle = fixtureOf(inPlace(place)).task(0)
    feed(oracle, [item('a', 1), item('a', 2)])
    drain(oracle)
    expect(task.stateKeys).toBe(oracle.stateKeys)
  })

  test('a sink record that its topic does not take is its record\'s error', () => {
    const built = job('errors').source('in', topic('in', { value: json<Item>() })).map((value) => 'x'.repeat(value.n)).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built, { maxMessageBytes: 1_000 }).task(0)
    feed(task, [item('a', 500), item('a', 1_000)])
    expect(letters(drain(task).appends).map(({ headers }) => headers['tidemark-code'])).toEqual(['TASK_VALUE_TOO_LARGE'])
  })

  test.each([['as long as the limit', 'k'.repeat(1_000), 1], ['of three bytes a character', '€'.repeat(300), 1], ['with a value, together too long', 'k'.repeat(450), 450]])('a key that its topic does not take, %s, is its record\'s error', (_what, user, n) => {
    const built = job('errors').source('in', topic('in', { value: json<Item>() })).sink('out', topicSink('out', { key: (value) => value.user, value: { encode: (value) => 'x'.repeat(value.n), decode: () => ({ user: '', n: 0 }) } }))
    const task = fixtureOf(built, { maxMessageBytes: 1_000 }).task(0)
    feed(task, [item(user, n), item('a', 500)])
    const { appends } = drain(task)
    expect(letters(appends).map(({ headers }) => headers['tidemark-code'])).toEqual(['TASK_VALUE_TOO_LARGE'])
    expect(appends.filter((append) => append.topic === 'out').flatMap((append) => append.records.map(({ key }) => key))).toEqual(['a'])
  })

  /** As the log counts them, generously. */
  const bytesOf = ({ key, value, headers = {} }: AppendRecord): number =>
    [key ?? '', value ?? '', ...Object.entries(headers).flat()].reduce((sum, part) => sum + Buffer.byteLength(part), 100)

  test.each([
    ['a malformed value', 'a', 'x'.repeat(5_000), {}, { 'tidemark-value-bytes': '5000' }, { key: 'a', value: null }],
    ['a key', 'k'.repeat(5_000), 'x', {}, { 'tidemark-key-bytes': '5000' }, { key: null, value: 'x' }],
    ['key and value', '€'.repeat(2_000), 'x'.repeat(5_000), {}, { 'tidemark-key-bytes': '6000', 'tidemark-value-bytes': '5000' }, { key: null, value: null }],
    ['headers', 'a', 'x', { trace: Buffer.alloc(5_000) }, { 'tidemark-headers-bytes': '5021' }, { key: 'a', value: 'x' }],
    ['nothing', 'a', 'x'.repeat(200), { trace: Buffer.from('t1') }, { trace: Buffer.from('t1') }, { key: 'a', value: 'x'.repeat(200) }],
  ] as const)('dead-letter: %s larger than its topic takes → a letter without it, that says its size; the task goes on', (_what, key, value, headers, more, left) => {
    const task = fixtureOf(job13(), { maxMessageBytes: 1_000 }).task(0)
    const input = task.inputs()[0]?.input ?? ''
    task.offer(input, { topic: 'in', partition: 0, fromOffset: 0, nextOffset: 1, startOffset: 0, stableOffset: 1, records: [{ offset: 0, timestamp: 9, key: Buffer.from(key), value: Buffer.from(value), headers }] })
    feed(task, [item('a', 1)])
    const { appends } = drain(task)
    const found = appends.filter((append) => append.topic === 'errors.dead-letters').flatMap(({ records }) => records)
    expect(found.map((one) => [one.key?.toString() ?? null, one.value?.toString() ?? null])).toEqual([[left.key, left.value]])
    expect(found[0]?.headers).toMatchObject({ 'tidemark-code': 'JOB_DECODE', 'tidemark-source-topic': 'in', 'tidemark-source-partition': '0', 'tidemark-source-offset': '0', ...more })
    expect(Object.keys(found[0]?.headers ?? {}).toSorted()).toEqual(['tidemark-code', 'tidemark-error', 'tidemark-job', 'tidemark-operator', 'tidemark-source-offset', 'tidemark-source-partition', 'tidemark-source-topic', 'tidemark-stage', ...Object.keys(more)].toSorted())
    expect(found.map(bytesOf).filter((bytes) => bytes > 1_000)).toEqual([])
    expect(valuesIn(appends, 'out')).toEqual([{ key: 'a', n: 1 }])
  })

  test('dead-letter: an error of many words in a topic for short records → cut, so that the letter fits', () => {
    const built = job('errors').source('in', topic('in', { value: json<Item>() })).map((value) => {
      if (value.n === 13) throw new Error('€'.repeat(2_000))
      return value
    }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built, { maxMessageBytes: 1_000 }).task(0)
    feed(task, [item('a', 13)])
    const [found] = drain(task).appends.flatMap(({ records }) => records)
    expect(found === undefined ? [] : [bytesOf(found) <= 1_000, found.headers?.['tidemark-source-offset']]).toEqual([true, '0'])
  })

  test('a window result that neither its sink nor the topic of dead letters takes → a letter without a value, with its key and size', () => {
    const built = job('errors').source('in', topic('in', { value: json<Item>(), outOfOrderness: 0 })).keyBy((value) => value.user, { copartitioned: true })
      .window(tumbling(10)).aggregate('texts', { text: aggregate({ initial: () => '', add: (all: string, value: Item) => all + 'x'.repeat(value.n), result: (all) => all }) }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built, { maxMessageBytes: 1_000 }).task(0)
    feed(task, [item('a', 600, 1), item('a', 600, 2), item('b', 1, 3), item('b', 1, 10)])
    const { appends } = drain(task)
    const found = appends.filter((append) => append.topic === 'errors.dead-letters').flatMap(({ records }) => records)
    expect(found).toMatchObject([{ key: 'a', value: null, headers: { 'tidemark-code': 'TASK_VALUE_TOO_LARGE', 'tidemark-value-bytes': '1251' } }])
    expect(found.map(bytesOf).filter((bytes) => bytes > 1_000)).toEqual([])
    expect(valuesIn(appends, 'out')).toMatchObject([{ key: 'b', text: 'x' }])
    expect(task.failure).toBeUndefined()
  })

  test('dead-letter: bytes in a value stand as base64 in its JSON', () => {
    const built = job('errors').source('in', topic('in', { value: json<Item>(), outOfOrderness: 0 })).keyBy((value) => value.user, { copartitioned: true })
      .window(tumbling(10)).aggregate('bytes', { bytes: aggregate({ initial: () => 0, add: (all: number) => all, result: () => ({ whole: Buffer.from([0, 255]), part: new Uint8Array([1, 2, 3]).subarray(1), big: 7n }) }) })
      .map((): number => { throw new Error('none') }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [item('a', 1, 1), item('a', 1, 10)])
    expect(letters(drain(task).appends).map(({ value }) => JSON.parse(value))).toEqual([{ key: 'a', window: { start: 0, end: 10 }, bytes: { whole: 'AP8=', part: 'AgM=', big: '7' } }])
  })

  test('dead-letter: of a record whose own time is far ahead of the clock → the letter\'s is half an hour ahead, that of another stays', () => {
    const task = fixtureOf(job13({ futureTimestampBound: '1h' })).task(0)
    const now = 1e12
    feed(task, [item('a', 1, now + 2 * 3_600_000), item('a', -1, now - 5), item('a', -1, now + 1_700_000), item('a', 1, 1_764_000_000_000_000_000)])
    const found = drain(task, { now }).appends.flatMap(({ records }) => records)
    expect(found.map(({ timestamp, headers }) => [timestamp, headers?.['tidemark-code']])).toEqual([[now + AHEAD_MS_MAX, 'TASK_TIMESTAMP_FUTURE'], [now - 5, 'TASK_USER_ERROR'], [now + 1_700_000, 'TASK_USER_ERROR'], [now + AHEAD_MS_MAX, 'TASK_TIMESTAMP_INVALID']])
  })

  test.each([['a copartitioned keyBy', true], ['a keyBy that shuffles', false]])('dead-letter: %s makes a key that has half of a surrogate pair, which would be another one after a takeover', (_what, copartitioned) => {
    const built = job('errors', { parallelism: 1 }).source('in', topic('in', { value: json<Item>(), outOfOrderness: 0 })).keyBy((value) => value.user, { copartitioned }).aggregate('n', { n: count() }, { emit: 'updates' }).sink('out', topicSink('out', { value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [item('a\u{1f600}', 1), item('a\ud83d', 1), item('\ude00', 1)])
    const { appends, records } = drain(task)
    expect(letters(appends).map(({ value, headers }) => [value, headers['tidemark-code']])).toEqual([['{"user":"a\\ud83d","n":1}', 'TASK_KEY_INVALID'], ['{"user":"\\ude00","n":1}', 'TASK_KEY_INVALID']])
    expect(records.at(-1)?.content.totals).toMatchObject({ records: 3, deadLettered: 2, emitted: 1 })
  })

  test('dead-letter: a sink makes such a key', () => {
    const built = job('errors').source('in', topic('in', { value: json<Item>() })).sink('out', topicSink('out', { key: (value) => value.user, value: json() }))
    const task = fixtureOf(built).task(0)
    feed(task, [item('\ud83d', 1), item('a', 2)])
    const { appends } = drain(task)
    expect(letters(appends).map(({ headers }) => [headers['tidemark-code'], headers['tidemark-error']])).toEqual([['TASK_KEY_INVALID', expect.stringContaining('"\\ud83d" has half of a surrogate pair')]])
    expect(valuesIn(appends, 'out')).toEqual([{ user: 'a', n: 2 }])
  })
})
