// topics, write and read over a real embedded log.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { realClock } from '@tidemark/base'
import type { Log } from '@tidemark/base'
import { openLocalLog } from '@tidemark/log-local'
import type { Context } from '../context.ts'
import { exitCodeOf, interruption } from '../exit.ts'
import { printed, testContext, SERVERS } from '../test-context.ts'
import { parseFrom, readTopic } from './read.ts'
import { createTopic, listTopics, parseConfig } from './topics.ts'
import { linesOf, recordOf, writeTopic } from './write.ts'

let folder: string
let context: (given?: Partial<Context>) => ReturnType<typeof testContext>
const pieces = async function * (...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text)
}
const openLog = (): Log => openLocalLog({ path: join(folder, 'log.db'), clock: realClock })

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-cli-'))
  context = (given = {}) => testContext({ json: true, servers: { ...SERVERS, folder, driver: '' }, openLog, ...given })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const create = (topic: string, partitions: number) => createTopic(context(), topic, partitions, {})
const read = async (topic: string, options: Partial<Parameters<typeof readTopic>[2]> = {}, given: Partial<Context> = {}) => {
  const reading = context(given)
  await readTopic(reading, topic, { follow: false, from: 'start', ...options })
  return reading
}

describe('topics', () => {
  test('topics, created, created again, listed → stable shapes; the cluster\'s own are hidden', async () => {
    const made = context()
    await createTopic(made, 'orders', 3, {})
    await createTopic(made, 'orders', 3, {})
    await createTopic(made, 'tidemark.revenue.1.journal.s0', 2, {})
    await writeTopic(context({ input: pieces('{"a":1}\n{"a":2}\n') }), 'orders', {})
    await listTopics(made, false)
    await listTopics(made, true)
    const orders = { topic: 'orders', partitions: 3, records: 2, compacted: false, retentionMs: -1 }
    expect(printed(made)).toEqual([
      { topic: 'orders', partitions: 3, created: true }, { topic: 'orders', partitions: 3, created: false }, { topic: 'tidemark.revenue.1.journal.s0', partitions: 2, created: true },
      [orders], [orders, { ...orders, topic: 'tidemark.revenue.1.journal.s0', partitions: 2, records: 0 }],
    ])
  })

  test('topics, another partition count, none, a setting without value → refused', async () => {
    await create('orders', 3)
    await expect(create('orders', 4)).rejects.toMatchObject({ code: 'LOG_TOPIC_EXISTS' })
    await expect(create('none', 0)).rejects.toMatchObject({ code: 'CLI_USAGE' })
    expect(parseConfig(['retention.ms=-1', 'a=b=c'])).toEqual({ 'retention.ms': '-1', a: 'b=c' })
    expect(() => parseConfig(['retention'])).toThrow(/no setting/)
  })

  test('topics, no embedded log in the folder → not reachable, and none is made by looking', async () => {
    for (let i = 0; i < 2; i += 1) {
      const error: unknown = await listTopics(context(), false).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'CLI_NO_CLUSTER' })
      expect(exitCodeOf(error)).toBe(3)
    }
  })
})

describe('write and read', () => {
  test('write with key and time, read → each record where the log puts its key, in order, as it was written', async () => {
    await create('orders', 4)
    const lines = Array.from({ length: 50 }, (_, i) => `{"user":"u${i % 7}","amount":${i},"ts":${1_700_000_000_000 + i}}`)
    const written = context({ input: pieces(`${lines.slice(0, 20).join('\n')}\n`, lines.slice(20).join('\n')) })
    await writeTopic(written, 'orders', { key: 'user', timestamp: 'ts' })
    const [answer] = printed(written) as [{ records: number, partitions: { partition: number, records: number, firstOffset: number }[] }]
    expect(answer).toMatchObject({ topic: 'orders', records: 50 })
    expect(answer.partitions.reduce((sum, { records }) => sum + records, 0)).toBe(50)
    expect(answer.partitions.every(({ firstOffset }) => firstOffset === 0)).toBe(true)

    const found = printed(await read('orders')) as { partition: number, offset: number, timestamp: number, key: string, value: string }[]
    const log = openLog()
    expect(found.map(({ value }) => value).toSorted()).toEqual(lines.toSorted())
    for (const { partition, timestamp, key, value } of found) {
      const order = JSON.parse(value) as { user: string, ts: number }
      expect([key, timestamp, partition]).toEqual([order.user, order.ts, log.partitionFor(Buffer.from(order.user), 4)])
    }
    await log.close()
    for (const [, inOrder] of Map.groupBy(found, ({ partition }) => partition)) expect(inOrder.map(({ offset }) => offset)).toEqual(inOrder.map((_, at) => at))
  })

  test('write without a key → records go round the partitions', async () => {
    await create('orders', 4)
    const written = context({ input: pieces('1\n2\n3\n', '4\n5\n') })
    await writeTopic(written, 'orders', {})
    expect(printed(written)).toEqual([{ topic: 'orders', records: 5, partitions: [0, 1, 2, 3].map((partition) => ({ partition, records: partition === 0 ? 2 : 1, firstOffset: 0 })) }])
  })

  test('write, a wrong line → named; what stood before it is written, nothing after it', async () => {
    await create('orders', 1)
    const written = context({ input: pieces('{"k":1}\n{"k":2}\n{oops\n{"k":3}\n') })
    await expect(writeTopic(written, 'orders', { key: 'k' })).rejects.toMatchObject({ code: 'CLI_LINE_INVALID', message: expect.stringMatching(/^line 3 is no JSON/) })
    expect(written.notes).toEqual(['2 records written before this:'])
    expect((printed(await read('orders')) as { value: string }[]).map(({ value }) => value)).toEqual(['{"k":1}', '{"k":2}'])
  })

  test('write, a line that is no UTF-8 → named, and nothing of it is written', async () => {
    await create('orders', 1)
    const written = context({ input: (async function * () {
      yield Buffer.concat([Buffer.from('{"k":"ä"}\n'), Buffer.from('{"k":"ä"}\n', 'latin1'), Buffer.from('{"k":3}\n')])
    })() })
    await expect(writeTopic(written, 'orders', { key: 'k' })).rejects.toMatchObject({ code: 'CLI_LINE_INVALID', message: 'line 2 is no UTF-8' })
    expect(written.notes).toEqual(['1 record written before this:'])
    expect((printed(await read('orders')) as { value: string }[]).map(({ value }) => value)).toEqual(['{"k":"ä"}'])
  })

  test('write, the log fails when a part of a call is written → the note says that some of it may be there', async () => {
    await create('orders', 2)
    let calls = 0
    const failing = (): Log => {
      const log = openLog()
      return { ...log, write: async (writes) => {
        calls += 1
        if (calls === 1) return log.write(writes)
        await log.write(writes.slice(0, 1))
        throw new Error('the other broker is away')
      } }
    }
    const written = context({ openLog: failing, input: pieces('1\n2\n3\n', '4\n5\n') })
    await expect(writeTopic(written, 'orders', {})).rejects.toThrow('away')
    expect(written.notes).toEqual(['3 records written before this, and of the 2 records behind them some may be:'])
    expect(printed(await read('orders'))).toHaveLength(4)
  })

  test.each([
    ['{"a":1}', { key: 'k' }, /has no field "k"/], ['{"k":null}', { key: 'k' }, /no text or number in "k"/], ['{"k":{}}', { key: 'k' }, /no text or number/], ['[1]', { key: 'k' }, /has no field/], ['{}', { key: 'toString' }, /has no field/],
    ['{"t":"2024"}', { timestamp: 't' }, /has no time in "t"/], ['{"t":1.5}', { timestamp: 't' }, /has no time/], ['{"t":-1}', { timestamp: 't' }, /has no time/],
  ])('write, the line %s with %j → refused', (text, options, message) => {
    expect(() => recordOf({ number: 1, text }, options)).toThrow(message)
  })

  test('write, bytes cut anywhere → the same lines', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme' })), fc.array(fc.nat(200)), async (values, cuts) => {
      const lines = values.map((value) => JSON.stringify(value))
      const bytes = Buffer.from(lines.join('\n'))
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
      const input = async function * () {
        for (const [at, to] of places.slice(1).entries()) yield bytes.subarray(places[at], to)
      }
      const found: string[] = []
      for await (const batch of linesOf(input())) found.push(...batch.map(({ text }) => text))
      expect(found).toEqual(lines)
    }))
  })

  test('read, for people → the values as lines; from an offset, one partition, a count', async () => {
    await create('orders', 2)
    await writeTopic(context({ input: pieces('0\n1\n2\n3\n4\n5\n') }), 'orders', {})
    expect((await read('orders', { partition: 1 }, { json: false })).out).toEqual(['1', '3', '5'])
    expect((await read('orders', { partition: 1, from: 1 }, { json: false })).out).toEqual(['3', '5'])
    expect((await read('orders', { partition: 0, count: 2 }, { json: false })).out).toEqual(['0', '2'])
    expect((await read('orders', { from: 'end' }, { json: false })).out).toEqual([])
    expect((await read('orders', { count: 4 }, { json: false })).out).toHaveLength(4)
  })

  test('read, an offset without its partition, an offset beyond the end, a topic that is not there → refused', async () => {
    await create('orders', 2)
    await expect(read('orders', { from: 1 })).rejects.toMatchObject({ code: 'CLI_USAGE' })
    await expect(read('orders', { from: 99, partition: 0, follow: true })).rejects.toMatchObject({ code: 'LOG_OUT_OF_RANGE' })
    await expect(read('nothing')).rejects.toMatchObject({ code: 'CLI_TOPIC_MISSING', hint: expect.stringMatching(/^Make nothing with/) })
    await expect(read('odrers')).rejects.toMatchObject({ code: 'CLI_TOPIC_MISSING', hint: 'Did you mean orders? Make odrers with: tidemark topics create odrers --partitions 4' })
    expect(parseFrom('7')).toBe(7)
    expect(() => parseFrom('-1')).toThrow(/no place/)
  })

  test('read --follow from the end → only what comes later, until it is interrupted', async () => {
    await create('orders', 2)
    await writeTopic(context({ input: pieces('"old"\n') }), 'orders', {})
    const interrupt = new AbortController()
    const following = context({ json: false, signal: interrupt.signal })
    const ended = readTopic(following, 'orders', { follow: true, from: 'end' })
    for (let i = 0; following.out.length < 3; i += 1) {
      await writeTopic(context({ input: pieces(`"new ${i}"\n`) }), 'orders', {})
      await new Promise((resolve) => setImmediate(resolve))
    }
    interrupt.abort()
    await ended
    expect(following.out.filter((line) => !line.startsWith('"new'))).toEqual([])
  })

  test('read, interrupted before the end → that is said, exit code 143 by SIGTERM', async () => {
    await create('orders', 1)
    await writeTopic(context({ input: pieces('1\n') }), 'orders', {})
    const error: unknown = await readTopic(context({ signal: AbortSignal.abort(interruption('SIGTERM')) }), 'orders', { follow: false, from: 'start' }).catch((reason: unknown) => reason)
    expect([exitCodeOf(error), String(error)]).toEqual([143, expect.stringContaining('orders was not read to its end')])
  })

  test('read, bytes that are no text, no key, no value, headers → shown as what they are', async () => {
    await create('raw', 1)
    const log = openLog()
    await log.write([{ topic: 'raw', partition: 0, records: [{ key: null, value: Buffer.from([0xFF, 0xFE]), timestamp: 1, headers: { error: 'JOB_DECODE', raw: Buffer.from([0x80]) } }, { key: 'k', value: null, timestamp: 2 }] }])
    await log.close()
    expect(printed(await read('raw'))).toEqual([
      { partition: 0, offset: 0, timestamp: 1, key: null, value: { base64: '//4=' }, headers: { error: 'JOB_DECODE', raw: { base64: 'gA==' } } }, { partition: 0, offset: 1, timestamp: 2, key: 'k', value: null },
    ])
  })
})
