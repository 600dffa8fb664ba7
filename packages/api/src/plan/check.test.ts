// checkPlan: each mistake by its path and code, all of them in one answer, and never an exception.
import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { count, files, fileSink, generator, job, json, stdoutSink, string, sum, topic, topicSink, tumbling } from '../index.ts'
import type { Job, JobOptions, LogicalPlan } from '../index.ts'
import { checkPlan, parsePlan } from './check.ts'

interface Order {
  readonly user: string
  readonly amount: number
}
const start = (options?: JobOptions) => job('check', options).source('orders', topic('orders', { value: json<Order>() }))
const good = (options?: JobOptions): Job => start(options)
  .keyBy((order) => order.user)
  .window(tumbling('10s'))
  .aggregate('per-user', { total: sum((order) => order.amount) })
  .sink('totals', topicSink('totals', { value: json() }))

const found = (plan: unknown): string[] => checkPlan(plan).map(({ path, code }) => `${path} ${code}`)
/** The good plan as JSON with the value at a path replaced (undefined: taken out). */
const changed = (path: readonly (string | number)[], value: unknown): unknown => {
  const plan: unknown = JSON.parse(JSON.stringify(good().plan()))
  let at = plan
  for (const key of path.slice(0, -1)) at = typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined
  const last = path.at(-1)
  if (typeof at !== 'object' || at === null || last === undefined) throw new Error(`nothing at ${path.join('.')}`)
  if (value === undefined) Reflect.deleteProperty(at, last)
  else Reflect.set(at, last, value)
  return plan
}

describe('checkPlan', () => {
  test('check: a good plan → no problem, and it is answered as a plan', () => {
    const plan = good().plan()
    expect(checkPlan(plan)).toEqual([])
    expect(parsePlan(JSON.parse(JSON.stringify(plan)))).toEqual(plan)
  })

  test.each<[string, () => Job]>([
    ['equal where one bounds the other', () => good({ commitIntervalMin: '1s', commitIntervalMax: '1s', checkpointInterval: '1s', batchOutputMax: '1MiB', outboxMax: '1MiB' })],
    ['copartitioned twice over, nothing shuffled', () => start().keyBy((o) => o.user, { copartitioned: true }).reduce('r', (a) => a).map(({ value }) => value).keyBy((o) => o.user, { copartitioned: true }).reduce('q', (a) => a).sink('s', stdoutSink())],
    ['one name for a source, an operator and a sink; one topic for two sinks', () => {
      const all = start()
      all.keyBy((o) => o.user).reduce('orders', (a) => a).sink('orders', topicSink('out', { value: json() }))
      return all.sink('more', topicSink('out', { value: json() }))
    }],
    ['as many files as there may be', () => job('x').source('f', files(Array.from({ length: 10_000 }, (_, index) => `${index}`), { value: string(), timestamp: () => 0 })).sink('s', stdoutSink())],
  ])('check: allowed, %s → no problem', (_what, build) => {
    expect(found(build().plan())).toEqual([])
  })

  test.each<[string, () => Job, readonly string[]]>([
    ['a bad job name', () => job('Bad Name').source('a', topic('a', { value: string() })).sink('s', stdoutSink()), ['job PLAN_NAME', 'settings.deadLetterTopic PLAN_TOPIC']],
    ['nothing at all', () => job('empty'), ['nodes PLAN_NO_SOURCE', 'nodes PLAN_NO_SINK']],
    ['a source without reader', () => { const built = good(); built.source('more', topic('more', { value: string() })); return built }, ['nodes.source:more PLAN_UNREAD']],
    ['a stream without sink', () => { const built = job('x'); built.source('a', topic('a', { value: string() })).map((v) => v); return built }, ['nodes.n1 PLAN_UNREAD', 'nodes PLAN_NO_SINK']],
    ['two sinks with one name', () => good().source('more', topic('more', { value: string() })).sink('totals', stdoutSink()), ['nodes.sink:totals PLAN_NAME_TWICE']],
    ['two sources with one name', () => good().source('orders', topic('more', { value: string() })).sink('more', stdoutSink()), ['nodes.source:orders PLAN_NAME_TWICE']],
    ['two stateful operators with one name', () => good().source('more', topic('more', { value: string() })).keyBy((v) => v).reduce('per-user', (a) => a).sink('more', stdoutSink()), ['nodes.reduce:per-user PLAN_NAME_TWICE']],
    ['a sink to the topic of a source', () => start().sink('loop', topicSink('orders', { value: json() })), ['nodes.sink:loop.sink.topic PLAN_LOOP']],
    ['dead letters to the topic of a source', () => good({ deadLetterTopic: 'orders' }), ['settings.deadLetterTopic PLAN_LOOP']],
    ['dead letters to the topic of a sink', () => good({ deadLetterTopic: 'totals' }), ['settings.deadLetterTopic PLAN_TOPIC']],
    ['a topic name that is none', () => start().sink('s', topicSink('a topic', { value: json() })), ['nodes.sink:s.sink.topic PLAN_TOPIC']],
    ['a topic that is ours', () => start().sink('s', topicSink('tidemark.check.1.journal.s0', { value: json() })), ['nodes.sink:s.sink.topic PLAN_TOPIC']],
    ['two file sinks in one folder', () => { const all = start(); all.sink('a', fileSink('out/x')); return all.sink('b', fileSink('./out//x/')) }, ['nodes.sink:b.sink.folder PLAN_FOLDER_TWICE']],
    ['a window of no size', () => start().keyBy((o) => o.user).window(tumbling(0)).aggregate('w', { n: count() }).sink('s', stdoutSink()), ['nodes.aggregate:w.window.sizeMs PLAN_RANGE']],
    ['a window of half a millisecond', () => start().keyBy((o) => o.user).window(tumbling('0.5ms')).reduce('w', (a) => a).sink('s', stdoutSink()), ['nodes.reduce:w.window.sizeMs PLAN_RANGE']],
    ['an aggregate without fields', () => start().keyBy((o) => o.user).aggregate('a', {}).sink('s', stdoutSink()), ['nodes.aggregate:a.fields PLAN_EMPTY']],
    ['a field named key', () => start().keyBy((o) => o.user).aggregate('a', Object.fromEntries([['n', count()], ['key', count()]])).sink('s', stdoutSink()), ['nodes.aggregate:a.fields.1.field PLAN_NAME']],
    ['copartitioned behind a shuffle', () => start().keyBy((o) => o.user).reduce('r', (a) => a).keyBy((r) => r.key, { copartitioned: true }).reduce('q', (a) => a).sink('s', stdoutSink()), ['nodes.n3.copartitioned PLAN_COPARTITIONED']],
    ['copartitioned without a topic', () => job('x').source('g', generator({ partitions: 1, make: () => 1, timestamp: () => 0 })).keyBy((v) => v, { copartitioned: true }).reduce('q', (a) => a).sink('s', stdoutSink()), ['nodes.n1.copartitioned PLAN_COPARTITIONED']],
    ['more files than there may be', () => job('x').source('f', files(Array.from({ length: 10_001 }, (_, index) => `${index}`), { value: string(), timestamp: () => 0 })).sink('s', stdoutSink()), ['nodes.source:f.source.paths PLAN_RANGE']],
    ['settings out of range', () => good({ parallelism: 0, checkpointsRetained: 1, commitIntervalMax: '6s', batchStateMax: 10 }),
      ['settings.parallelism PLAN_RANGE', 'settings.commitIntervalMaxMs PLAN_RANGE', 'settings.batchStateBytesMax PLAN_RANGE', 'settings.checkpointsRetained PLAN_RANGE']],
    ['settings against each other', () => good({ commitIntervalMin: '2s', commitIntervalMax: '1s', checkpointInterval: '500ms', outboxMax: '1MiB' }),
      ['settings.commitIntervalMinMs PLAN_SETTINGS', 'settings.commitIntervalMaxMs PLAN_SETTINGS', 'settings.batchOutputBytesMax PLAN_SETTINGS']],
  ])('check: %s → told by path and code', (_what, build, wanted) => {
    expect(found(build().plan())).toEqual(wanted)
  })

  test.each<[string, readonly (string | number)[], unknown, readonly string[]]>([
    ['another version', ['planVersion'], 2, ['planVersion PLAN_VERSION']],
    ['no settings', ['settings'], undefined, ['settings PLAN_FIELD_MISSING']],
    ['a setting that is missing', ['settings', 'outboxBytesMax'], undefined, ['settings.outboxBytesMax PLAN_FIELD_MISSING']],
    ['a setting of a wrong type', ['settings', 'parallelism'], '4', ['settings.parallelism PLAN_TYPE']],
    ['a field that nobody knows', ['nodes', 1, 'colour'], 'red', ['nodes.n1.colour PLAN_FIELD_UNKNOWN']],
    ['a field of the plan that nobody knows', ['colour'], 'red', ['colour PLAN_FIELD_UNKNOWN']],
    ['no source', ['nodes'], [good().plan().nodes[3]], ['nodes.sink:totals.input PLAN_INPUT_MISSING', 'nodes PLAN_NO_SOURCE']],
    ['a sink that is read', ['nodes'], [...good().plan().nodes, { ...good().plan().nodes[3], id: 'n4', name: 'more', input: 'n3' }], ['nodes.sink:more.input PLAN_INPUT_SINK']],
    ['a reduce that is final without a window', ['nodes', 2], { id: 'n2', kind: 'reduce', name: 'r', input: 'n1', window: null, emit: 'final' }, ['nodes.reduce:r.emit PLAN_EMIT']],
    ['nodes that are no list', ['nodes'], {}, ['nodes PLAN_TYPE']],
    ['a kind that nobody knows', ['nodes', 1, 'kind'], 'join', ['nodes.n1.kind PLAN_VALUE']],
    ['a kind that is no text', ['nodes', 1, 'kind'], 7, ['nodes.n1.kind PLAN_TYPE']],
    ['an input that is not there', ['nodes', 1, 'input'], 'n9', ['nodes.n1.input PLAN_INPUT_MISSING', 'nodes.source:orders PLAN_UNREAD']],
    ['an id twice', ['nodes', 3, 'id'], 'n0', ['nodes.sink:totals PLAN_ID']],
    ['a node that reads itself', ['nodes', 1, 'input'], 'n1', ['nodes.n1.input PLAN_CYCLE', 'nodes.source:orders PLAN_UNREAD']],
    ['a cycle of two', ['nodes', 1, 'input'], 'n2', ['nodes.n1.input PLAN_CYCLE', 'nodes.aggregate:per-user.input PLAN_CYCLE', 'nodes.source:orders PLAN_UNREAD']],
    ['a reader before its input', ['nodes'], [good().plan().nodes[0], good().plan().nodes[2], good().plan().nodes[1], good().plan().nodes[3]], ['nodes.aggregate:per-user.input PLAN_ORDER']],
    ['state without a key', ['nodes', 2, 'input'], 'n0', ['nodes.n1 PLAN_UNREAD', 'nodes.aggregate:per-user.input PLAN_NOT_KEYED']],
    ['final without a window', ['nodes', 2, 'window'], null, ['nodes.aggregate:per-user.emit PLAN_EMIT']],
    ['a field twice', ['nodes', 2, 'fields'], [{ field: 'n', kind: 'count' }, { field: 'n', kind: 'count' }], ['nodes.aggregate:per-user.fields.1.field PLAN_NAME_TWICE']],
    ['a file twice', ['nodes', 0, 'source'], { kind: 'file', paths: ['a', 'a'] }, ['nodes.source:orders.eventTime PLAN_EVENT_TIME', 'nodes.source:orders.source.paths.1 PLAN_PATH']],
    ['a rate of nothing', ['nodes', 0], { ...good().plan().nodes[0], source: { kind: 'generator', partitions: 0, perSecond: 0 }, eventTime: 'function' }, ['nodes.source:orders.source.partitions PLAN_RANGE', 'nodes.source:orders.source.perSecond PLAN_RANGE']],
    ['a name of a prototype', ['nodes', 0, 'name'], '__proto__', ['nodes.source:__proto__.name PLAN_NAME']],
  ])('check: from the wire, %s → told by path and code', (_what, path, value, wanted) => {
    expect(found(changed(path, value))).toEqual(wanted)
  })

  test('check: several mistakes → one answer, and one error whose message has them all', () => {
    const many = start({ parallelism: 0, checkpointsRetained: 1 }).keyBy((o) => o.user).window(tumbling(0)).aggregate('Per User', {}).sink('out', topicSink('orders', { value: json() })).plan()
    expect(found(many)).toEqual([
      'settings.parallelism PLAN_RANGE', 'settings.checkpointsRetained PLAN_RANGE', 'nodes.aggregate:Per User.name PLAN_NAME', 'nodes.aggregate:Per User.window.sizeMs PLAN_RANGE',
      'nodes.aggregate:Per User.fields PLAN_EMPTY', 'nodes.sink:out.sink.topic PLAN_LOOP',
    ])
    expect(() => parsePlan(many)).toThrow(expect.objectContaining({ code: 'PLAN_INVALID', blame: 'user', message: expect.stringMatching(/6 mistakes:[\s\S]*parallelism[\s\S]*PLAN_LOOP/) }))
  })

  test('check: a message says what is wanted and what is there', () => {
    const messages = (path: readonly (string | number)[], value: unknown) => checkPlan(changed(path, value)).map(({ message }) => message)
    expect([null, [], {}, 4].flatMap((value) => messages(['settings', 'deadLetterTopic'], value))).toEqual(['null', 'a list', 'an object', 'a number'].map((there) => `a string is wanted, not ${there}`))
    expect(messages(['settings', 'parallelism'], 0)).toEqual(['0 is no whole number from 1 to 1000'])
    expect(messages(['settings', 'commitIntervalMinMs'], 0.5)).toEqual(['0.5 is no whole number from 1 to 5000 ms'])
    expect(messages(['settings', 'onError'], 'ignore')).toEqual(['"ignore" is none of fail, dead-letter, skip'])
  })

  test('check: any JSON → an answer, never an exception, and only a plan is found good', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      expect(checkPlan(value).length).toBeGreaterThan(0)
    }))
  })

  test('check: a good plan with anything at any place → an answer, never an exception', () => {
    const paths = (value: unknown, at: readonly (string | number)[] = []): (readonly (string | number)[])[] =>
      typeof value !== 'object' || value === null ? [] : Object.entries(value).flatMap(([key, each]) => [[...at, key], ...paths(each, [...at, key])])
    const plan: LogicalPlan = good().plan()
    const anything = fc.oneof(fc.jsonValue(), fc.constantFrom<unknown>('n0', 'n3', '__proto__', -1, 1e308, [], {}, null), fc.constant(undefined))
    fc.assert(fc.property(fc.constantFrom(...paths(plan)), anything, (path, value) => {
      for (const { path: where, code, message } of checkPlan(changed(path, value))) expect([typeof where, /^PLAN_[A-Z_]+$/.test(code), message.length > 0]).toEqual(['string', true, true])
    }), { numRuns: 1_000 })
    expect(checkPlan(JSON.parse('{"planVersion":1,"__proto__":{"job":"x"},"nodes":[{"__proto__":{"kind":"sink"}},[],null,{"kind":"constructor"}]}')).length).toBeGreaterThan(5)
  })

  test('check: a plan without end → refused by its size, not walked', () => {
    expect(found(changed(['nodes'], Array.from({ length: 1_001 }, () => null)))).toEqual(['nodes PLAN_RANGE'])
    expect(checkPlan(changed(['nodes'], Array.from({ length: 1_000 }, () => ({})))).length).toBe(1_000)
  })
})
