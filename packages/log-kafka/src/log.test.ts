// Topics, offsets, trimming, writing, mirrored positions on a real broker.
import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { realClock, silentLogger } from '@tidemark/base'
import { describeWith, groupOffsets, kcat, setGroupOffsets } from '../../../test/services/index.ts'
import { judge } from './check.ts'
import { openKafkaLog, parseBrokers } from './log.ts'
import { openTestLog, readAll, text, values, withFault } from './test-log.ts'
import type { TestLog } from './test-log.ts'

interface Kafkajs { admin(): { connect(): Promise<void>, disconnect(): Promise<void>, createPartitions(options: object): Promise<unknown> } }
const { Kafka, logLevel } = createRequire(import.meta.url)('kafkajs') as { Kafka: new (options: object) => Kafkajs, logLevel: { NOTHING: number } }

describe('Kafka log: settings', () => {
  test('addresses: one, several, IPv6; anything else is refused by name', () => {
    expect(parseBrokers('a:1, b:2,')).toEqual([{ host: 'a', port: 1 }, { host: 'b', port: 2 }])
    expect(parseBrokers(['[::1]:9092'])).toEqual([{ host: '::1', port: 9092 }])
    for (const wrong of ['', 'a', 'a:', ':1', 'a:b', 'http://a:1']) expect(() => parseBrokers(wrong)).toThrow(expect.objectContaining({ code: 'LOG_ADDRESS_INVALID' }))
  })

  test('brokers that cannot carry the guarantees: older than 3.6, verification off, transaction timeout too short → refused', () => {
    const settings = (verification: string | null, maxMs = '900000') => new Map<string, string | null>([...verification === null ? [] : [['transaction.partition.verification.enable', verification] as const], ['transaction.max.timeout.ms', maxMs]])
    expect(judge('1', settings('true'), 10_000)).toBeUndefined()
    expect(judge('1', settings(null), 10_000)).toMatchObject({ code: 'LOG_UNSUPPORTED', message: expect.stringContaining('3.6') })
    expect(judge('1', settings('false'), 10_000)).toMatchObject({ code: 'LOG_UNSUPPORTED' })
    expect(judge('1', settings('true', '5000'), 10_000)).toMatchObject({ code: 'LOG_UNSUPPORTED' })
  })

  test('partitionFor: where the Java client puts a key', () => {
    const log = openKafkaLog({ brokers: 'localhost:1', clientId: 'x', clock: realClock, logger: silentLogger })
    // Utils.murmur2 of Apache Kafka's own UtilsTest: 21 → -973932308, foobar → -790332482, a-little-bit-long-string → -985981536.
    expect([['21', -973932308], ['foobar', -790332482], ['a-little-bit-long-string', -985981536]].map(([key, hash]) => log.partitionFor(Buffer.from(String(key)), 1000) === (Number(hash) & 0x7fffffff) % 1000)).toEqual([true, true, true])
  })

  test('nobody listens: LOG_UNAVAILABLE names the addresses', async () => {
    const log = openKafkaLog({ brokers: '127.0.0.1:1', clientId: 'x', clock: realClock, logger: silentLogger })
    await expect(log.listTopics()).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', action: 'retry', message: expect.stringContaining('127.0.0.1:1') })
    await log.close()
    await expect(log.listTopics()).rejects.toMatchObject({ code: 'LOG_CLOSED' })
  })
})

describeWith(['kafka', 'kcat'], 'Kafka log', (server) => {
  let at: TestLog
  beforeAll(() => { at = openTestLog(server('kafka').brokers) })
  afterAll(() => at.close())

  test('check: a broker of today is accepted', async () => {
    await expect(at.log.check()).resolves.toBeUndefined()
  })

  test('topics: created with settings, described, listed, deleted; creating again is no error, with other partitions it is', async () => {
    const topic = await at.topic(3, { 'max.message.bytes': '123456', 'retention.ms': '-1', 'cleanup.policy': 'delete' })
    const compacted = await at.topic(1, { 'cleanup.policy': 'compact,delete' })
    const forEver = await at.topic(1, { 'cleanup.policy': 'compact', 'retention.ms': '1000' })
    expect(await at.log.describeTopics([topic, compacted, forEver, `${topic}-missing`])).toEqual(new Map([
      [topic, { topic, partitions: 3, compacted: false, maxMessageBytes: 123_456, retentionMs: -1, replicationFactor: 1 }],
      [compacted, { topic: compacted, partitions: 1, compacted: true, maxMessageBytes: 1_048_588, retentionMs: 604_800_000, replicationFactor: 1 }],
      // By time nothing of it is deleted, whatever its retention.ms is.
      [forEver, { topic: forEver, partitions: 1, compacted: true, maxMessageBytes: 1_048_588, retentionMs: -1, replicationFactor: 1 }],
    ]))
    expect(await at.log.listTopics()).toEqual(expect.arrayContaining([topic, compacted]))
    expect((await at.log.listTopics()).filter((name) => name.startsWith('__'))).toEqual([])
    await at.log.createTopics([{ topic, partitions: 3 }])
    await expect(at.log.createTopics([{ topic, partitions: 4 }])).rejects.toMatchObject({ code: 'LOG_TOPIC_EXISTS', place: { topic }, details: { found: 3, wanted: 4 } })
    await at.log.deleteTopics([topic, `${topic}-missing`])
    expect(await at.log.describeTopics([topic])).toEqual(new Map())
    await expect(at.log.offsets(topic)).rejects.toMatchObject({ code: 'LOG_TOPIC_MISSING', place: { topic } })
    await at.log.createTopics([{ topic, partitions: 1 }])
    expect(await at.log.offsets(topic)).toEqual([{ partition: 0, start: 0, stable: 0, end: 0 }])
  })

  test('topics: partitions added by somebody else → found when asked for', async () => {
    const topic = await at.topic(1)
    const reader = at.reader()
    const third = { topic, partition: 2, offset: 0, maxBytes: 1_000_000 }
    await expect(reader.fetch([third], { isolation: 'committed', maxWaitMs: 0 })).rejects.toMatchObject({ code: 'LOG_TOPIC_MISSING' })
    const admin = new Kafka({ clientId: 'test', brokers: server('kafka').brokers.split(','), logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
    await admin.disconnect()
    await at.log.write([{ topic, partition: 2, records: text('new') }])
    expect((await reader.fetch([third], { isolation: 'committed', maxWaitMs: 5_000 })).map(({ records }) => values(records))).toEqual([['new']])
    expect((await at.log.offsets(topic)).map(({ end }) => end)).toEqual([0, 0, 1])
  })

  test('topics: a setting or a name that the broker refuses → LOG_TOPIC_INVALID with its words', async () => {
    await expect(at.topic(1, { 'retention.ms': 'soon' })).rejects.toMatchObject({ code: 'LOG_TOPIC_INVALID', message: expect.stringContaining('retention.ms') })
    await expect(at.log.createTopics([{ topic: 'no spaces', partitions: 1 }])).rejects.toMatchObject({ code: 'LOG_TOPIC_INVALID' })
  })

  test('trim: works on a log that has just been opened; a lower one is no error, one above the end is', async () => {
    const topic = await at.topic(2)
    await at.log.write([{ topic, partition: 1, records: text('a', 'b', 'c', 'd') }])
    const fresh = openTestLog(server('kafka').brokers)
    await fresh.log.trim(topic, 1, 3)
    await fresh.log.trim(topic, 1, 1)
    await fresh.close()
    expect(await at.log.offsets(topic, [1])).toEqual([{ partition: 1, start: 3, stable: 4, end: 4 }])
    await expect(at.log.trim(topic, 1, 5)).rejects.toMatchObject({ code: 'LOG_OUT_OF_RANGE' })
    expect(values(await readAll(at.log, topic, { partition: 1, from: 3 }))).toEqual(['d'])
  })

  test('write: outside any transaction, in order, in as many batches as needed, visible at once', async () => {
    const topic = await at.topic(2, { 'max.message.bytes': '10000' })
    const records = text(...Array.from({ length: 3_000 }, (_, index) => `value ${index}`))
    expect(await at.log.write([{ topic, partition: 0, records }, { topic, partition: 1, records: text('x') }, { topic, partition: 0, records: text('last') }])).toEqual([{ topic, partition: 0, baseOffset: 0 }, { topic, partition: 1, baseOffset: 0 }, { topic, partition: 0, baseOffset: 3_000 }])
    expect(values(await readAll(at.log, topic))).toEqual([...values(records.map((record, offset) => ({ offset, timestamp: 0, key: null, value: Buffer.from(String(record.value)) }))), 'last'])
  })

  test('write: a leader that has moved is looked for again, nothing is doubled; a lost answer is not tried again', async () => {
    const topic = await at.topic()
    let answers = 0
    {
      using _fault = withFault('Produce', async (real) => (++answers === 1 ? { topics: [{ topicName: topic, partitions: [{ partition: 0, errorCode: 6, baseOffset: '-1' }] }] } : real()))
      await at.log.write([{ topic, partition: 0, records: text('once') }])
    }
    expect(answers).toBe(2)
    {
      using _fault = withFault('Produce', async (real) => { await real(); throw Object.assign(new Error('lost'), { name: 'KafkaJSRequestTimeoutError' }) })
      await expect(at.log.write([{ topic, partition: 0, records: text('unclear') }])).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
    }
    expect(values(await readAll(at.log, topic))).toEqual(['once', 'unclear'])
  })

  test('mirrored positions: a lag tool sees them under the group', async () => {
    const [topic, group] = [await at.topic(2), `log-kafka-test-${process.pid}`]
    await at.log.write([{ topic, partition: 1, records: text('a', 'b', 'c') }])
    await at.log.mirrorPositions(group, [{ topic, partition: 0, nextOffset: 0 }, { topic, partition: 1, nextOffset: 2 }])
    await at.log.mirrorPositions(group, [{ topic, partition: 1, nextOffset: 1 }])
    // kcat as a member of that group starts at the position published for it.
    const seen = await kcat(['-b', server('kafka').brokers, '-q', '-e', '-f', '%p %o %s\n', '-X', 'auto.offset.reset=error', '-G', group, topic])
    expect(seen).toBe('1 1 b\n1 2 c\n')
  })

  test('mirrored positions: set by somebody else → warned of once, with what stood there, and right again', async () => {
    const [topic, group] = [await at.topic(1), `log-kafka-test-edited-${process.pid}`]
    await at.log.write([{ topic, partition: 0, records: text('a', 'b') }])
    const warned: object[] = []
    const log = openKafkaLog({ brokers: server('kafka').brokers, clientId: 'test', clock: realClock, logger: { ...silentLogger, warn: (facts, event) => void (event === 'log.group_offsets_edited' && warned.push(facts)) } })
    try {
      const publish = () => log.mirrorPositions(group, [{ topic, partition: 0, nextOffset: 2 }])
      await publish()
      expect(await publish()).toEqual([])
      expect(warned).toEqual([])
      await setGroupOffsets(server('kafka').brokers, group, topic, [{ partition: 0, offset: 0 }])
      expect(await publish()).toEqual([{ topic, partition: 0, offset: 0 }])
      expect(await publish()).toEqual([])
      expect(warned).toEqual([expect.objectContaining({ group, edited: [{ topic, partition: 0, offset: 0 }] })])
      expect(await groupOffsets(server('kafka').brokers, group, topic)).toEqual([2])
    } finally {
      await log.close()
    }
  })
})
