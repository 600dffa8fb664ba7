// Building a job: the plan it makes, what is refused at once, and how its functions are found.
import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { count, fileSink, generator, isJob, job, jobFunctions, json, markerSink, stdoutSink, string, sum, topic, topicSink, tumbling } from './index.ts'
import type { Job, JobOptions, Stream } from './index.ts'

interface Order {
  readonly user: string
  readonly amount: number
}
const orders = topic('orders', { value: json<Order>() })
const revenue = (): Job => job('revenue')
  .source('orders', orders)
  .keyBy((order) => order.user)
  .window(tumbling('10s', { allowedLateness: '1s' }))
  .aggregate('per-user', { orders: count(), total: sum((order) => order.amount) })
  .sink('totals', topicSink('totals', { value: json() }))

describe('plan', () => {
  test('plan: settings are resolved with their defaults, nodes are numbered as written', () => {
    expect(revenue().plan()).toEqual({
      planVersion: 1,
      job: 'revenue',
      version: '1',
      settings: {
        parallelism: 4, onError: 'dead-letter', deadLetterTopic: 'revenue.dead-letters', commitIntervalMinMs: 20, commitIntervalMaxMs: 250,
        batchOutputBytesMax: 16_777_216, batchStateBytesMax: 16_777_216, checkpointIntervalMs: 30_000, checkpointTimeoutMs: 120_000, checkpointInFlightBytesMax: 268_435_456,
        checkpointsRetained: 10, outboxBytesMax: 67_108_864, shuffleBacklogBytesMax: 67_108_864, futureTimestampBoundMs: 3_600_000,
      },
      nodes: [
        { id: 'n0', kind: 'source', name: 'orders', source: { kind: 'topic', topic: 'orders' }, codec: 'json', hasSchema: false, eventTime: 'record', outOfOrdernessMs: 1_000, idleAfterMs: 10_000 },
        { id: 'n1', kind: 'keyBy', input: 'n0', copartitioned: false },
        { id: 'n2', kind: 'aggregate', name: 'per-user', input: 'n1', window: { kind: 'tumbling', sizeMs: 10_000, allowedLatenessMs: 1_000 }, emit: 'final', fields: [{ field: 'orders', kind: 'count' }, { field: 'total', kind: 'sum' }] },
        { id: 'n3', kind: 'sink', name: 'totals', input: 'n2', sink: { kind: 'topic', topic: 'totals' }, codec: 'json', hasKey: false },
      ],
    })
  })

  test('plan: a stream used twice → both branches read the same node', () => {
    const twice = job('twice')
    const all = twice.source('orders', orders)
    all.filter((order) => order.amount > 10).sink('large', stdoutSink())
    all.sink('all', fileSink('out'))
    expect(twice.plan().nodes.map((node) => 'input' in node ? `${node.kind} < ${node.input}` : node.kind)).toEqual(['source', 'filter < n0', 'sink < n1', 'sink < n0'])
  })

  test('plan: what a reader does to the answer changes nothing in the job', () => {
    const built = revenue()
    const before = JSON.stringify(built.plan())
    Object.assign(built.plan().nodes[0] ?? {}, { name: 'changed' })
    Object.assign(built.plan().settings, { parallelism: 99 })
    expect(JSON.stringify(built.plan())).toBe(before)
  })

  // Each number picks a step; every stream so far may be built upon.
  const buildFrom = (options: JobOptions, steps: readonly (readonly [step: number, from: number, amount: number])[]): Job => {
    const built = job('any', options)
    const streams: Stream<Order>[] = [built.source('s0', orders)]
    for (const [step, from, amount] of steps) {
      const stream = streams[from % streams.length] ?? built.source('never', orders)
      const name = `o${streams.length}`
      const keyed = (copartitioned: boolean) => stream.keyBy((order) => order.user, { copartitioned })
      const window = tumbling(amount, { allowedLateness: amount })
      switch (step) {
        case 0: streams.push(stream.map((order) => order)); break
        case 1: streams.push(stream.filter((order) => order.amount > amount)); break
        case 2: streams.push(stream.flatMap((order) => [order])); break
        case 3: streams.push(keyed(false).window(window).reduce(name, (a) => a, { emit: 'updates' }).map(({ value }) => value)); break
        case 4: streams.push(keyed(true).aggregate(name, { total: sum((order) => order.amount) }).map(({ key, total }) => ({ user: key, amount: total }))); break
        case 5: streams.push(keyed(false).process<Order>(name, { onRecord(ctx, order) { ctx.emit(order) } })); break
        case 6: streams.push(built.source(name, generator({ partitions: amount, perSecond: amount, make: (partition) => ({ user: `u${partition}`, amount }), timestamp: () => 0 }))); break
        default: stream.sink(name, [topicSink('t', { value: json<Order>(), key: (order) => order.user }), fileSink('f'), stdoutSink(), markerSink()][amount % 4] ?? stdoutSink())
      }
    }
    return built
  }

  test('plan: any job, built twice and asked twice → equal JSON, which survives a round trip', () => {
    const anyOptions = fc.record({ version: fc.string(), parallelism: fc.double({ noNaN: true, noDefaultInfinity: true }), commitIntervalMax: fc.constantFrom<JobOptions['commitIntervalMax'][]>('1s', '2.5ms', 7, -0) }, { requiredKeys: [] })
    fc.assert(fc.property(anyOptions, fc.array(fc.tuple(fc.nat(7), fc.nat(), fc.integer({ min: 0, max: 100_000 })), { maxLength: 20 }), (options, steps) => {
      const built = buildFrom(JSON.parse(JSON.stringify(options)), steps)
      const plan = built.plan()
      expect(JSON.stringify(built.plan())).toBe(JSON.stringify(plan))
      expect(JSON.stringify(buildFrom(JSON.parse(JSON.stringify(options)), steps).plan())).toBe(JSON.stringify(plan))
      expect(JSON.parse(JSON.stringify(plan))).toStrictEqual(plan)
      expect([...jobFunctions(built)].map(([id, { kind }]) => [id, kind])).toEqual(plan.nodes.map(({ id, kind }) => [id, kind]))
    }))
  })
})

describe('functions', () => {
  const of = (built: Job, id: string) => jobFunctions(built).get(id)

  test('functions: each node carries what was written for it', () => {
    const built = revenue()
    const [source, keyBy, aggregate, sink] = ['n0', 'n1', 'n2', 'n3'].map((id) => of(built, id))
    const order = { user: 'ada', amount: 3 }
    expect(source?.kind === 'source' && source.source !== 'generator' && source.decode(Buffer.from(JSON.stringify(order)))).toEqual(order)
    expect(keyBy?.kind === 'keyBy' && keyBy.key(order)).toBe('ada')
    expect(aggregate?.kind === 'aggregate' && aggregate.aggregators.map(({ field, initial, add, result }) => [field, result(add(add(initial(), order), order))])).toEqual([['orders', 2], ['total', 6]])
    expect(sink?.kind === 'sink' && sink.encode({ key: 'ada' })).toBe('{"key":"ada"}')
    expect(source?.kind === 'source' && source.timestamp).toBeUndefined()
    expect(sink?.kind === 'sink' && sink.key).toBeUndefined()
  })

  test('functions: a handler and a codec with fields of their own keep their `this`', () => {
    class Prefix {
      prefix = '>'
      encode(value: string) { return this.prefix + value }
      decode(value: Buffer) { return value.toString().slice(this.prefix.length) }
    }
    const handler = { calls: 0, onRecord() { this.calls += 1 } }
    const built = job('this').source('in', topic('in', { value: new Prefix() })).keyBy((value) => value).process<string>('p', handler).sink('out', topicSink('out', { value: new Prefix() }))
    const [source, process, sink] = ['n0', 'n2', 'n3'].map((id) => of(built, id))
    expect(source?.kind === 'source' && source.source === 'topic' && source.decode(Buffer.from('>ada'))).toBe('ada')
    expect(sink?.kind === 'sink' && sink.encode('ada')).toBe('>ada')
    expect(process?.kind === 'process').toBe(true)
    const unused = { timers: { set() {}, delete() {} }, state: { get() {}, set() {}, delete() {} }, emit() {}, random: () => 0, uuid: () => '', key: '', timestamp: 0, now: 0, watermark: undefined }
    if (process?.kind === 'process') process.onRecord(unused, 'ada')
    expect(handler.calls).toBe(1)
    expect(built.plan().nodes.filter((node) => node.kind === 'source' || node.kind === 'sink').map(({ codec }) => codec)).toEqual(['custom', 'custom'])
  })

  test('functions: a job of another copy of this package is a job; anything else is not', () => {
    const foreign = { ...revenue() }
    expect(isJob(foreign)).toBe(true)
    expect(jobFunctions(foreign).size).toBe(4)
    expect([undefined, null, {}, 'revenue', revenue].map((each) => isJob(each))).toEqual([false, false, false, false, false])
  })

  test('functions: a job built by a newer package is refused by its version', () => {
    const newer = { ...revenue(), [Symbol.for('tidemark.job')]: { functionsVersion: 2, functions: new Map() } }
    expect(() => jobFunctions(newer)).toThrow(expect.objectContaining({ code: 'JOB_FUNCTIONS_VERSION', blame: 'user' }))
  })
})

describe('misuse', () => {
  const misuse = (path: string, message = '') => expect.objectContaining({ code: 'JOB_MISUSE', blame: 'user', place: { path }, message: expect.stringContaining(message) })
  const stream = () => job('misuse').source('orders', orders)

  test.each<[string, () => unknown, string, string]>([
    ['a duration without sense', () => job('m').source('in', topic('in', { value: string(), outOfOrderness: JSON.parse('"1 fortnight"') })), 'nodes.source:in.outOfOrderness', 'is no duration'],
    ['a negative window', () => stream().keyBy((o) => o.user).window(tumbling(-1)).aggregate('w', { n: count() }), 'nodes.aggregate:w.window.size', 'is no duration'],
    ['a number that JSON does not carry', () => job('m').source('in', generator({ partitions: Number.NaN, make: () => 1, timestamp: () => 0 })), 'nodes.source:in.partitions', 'not NaN'],
    ['no function', () => stream().map(JSON.parse('1')), 'map(f)', 'a function is wanted'],
    ['no codec', () => job('m').source('in', topic('in', JSON.parse('{}'))), 'nodes.source:in.value', 'a codec is wanted'],
    ['no options', () => job('m').source('in', JSON.parse('{ "kind": "topic", "topic": "t" }')), 'nodes.source:in', 'options'],
    ['no aggregate', () => stream().keyBy((o) => o.user).aggregate('a', JSON.parse('{ "n": 1 }')), 'nodes.aggregate:a.fields.n', 'an aggregate is wanted'],
    ['no name', () => stream().keyBy((o) => o.user).reduce(JSON.parse('null'), (a) => a), 'reduce(name)', 'a string is wanted'],
    ['no job', () => jobFunctions(JSON.parse('{ "name": "x" }')), 'job', 'this is no job'],
  ])('misuse: %s → refused at once, with its path', (_what, build, path, message) => {
    expect(build).toThrow(misuse(path, message))
  })

  test('misuse: several settings that can not be read → one error that names them all', () => {
    const options = JSON.parse('{ "checkpointInterval": "soon", "outboxMax": "lots", "paralelism": 2 }')
    expect(() => job('m', options)).toThrow(misuse('settings', 'settings.paralelism: there is no such setting'))
    expect(() => job('m', options)).toThrow(/settings\.checkpointInterval[\s\S]*settings\.outboxMax/)
  })

  test('misuse: an async function → refused when the job is built', () => {
    expect(() => stream().map(async (order) => order)).toThrow(expect.objectContaining({ code: 'JOB_ASYNC_FUNCTION' }))
    expect(() => stream().keyBy((order) => order.user).process('p', { async onRecord() {} })).toThrow(expect.objectContaining({ code: 'JOB_ASYNC_FUNCTION', place: { path: 'nodes.process:p.onRecord' } }))
  })
})
