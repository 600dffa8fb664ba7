// The repairs of kafkajs: its own answers, marked right; nothing scheduled while nothing is pending.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { describeWith } from '../../../test/services/index.ts'
import type { KafkajsFetchAnswer } from './kafkajs.ts'
import { hideAborted, innerPrototypes, repairKafkajs } from './patch.ts'
import { append, openTestLog, settled } from './test-log.ts'
import type { TestLog } from './test-log.ts'
import { checkKafkajsVersion, KAFKAJS_VERSION } from './version.ts'

type Message = KafkajsFetchAnswer['responses'][number]['partitions'][number]['messages'][number]

const data = (offset: number, producerId: string, key: Buffer | null = Buffer.from('k')): Message => ({ offset: String(offset), key, batchContext: { producerId, inTransaction: producerId !== 'none' }, isControlRecord: false })
const marker = (offset: number, producerId: string, type: 0 | 1): Message => ({ offset: String(offset), key: Buffer.from([0, 0, 0, type]), batchContext: { producerId, inTransaction: true }, isControlRecord: true })

const visible = (messages: Message[], aborted: [producerId: string, firstOffset: number][]): string[] => {
  const partition = { messages, abortedTransactions: aborted.map(([producerId, firstOffset]) => ({ producerId, firstOffset: String(firstOffset) })) }
  hideAborted({ responses: [{ partitions: [partition] }] })
  expect(partition.abortedTransactions).toEqual([])
  return messages.filter((message) => !message.isControlRecord).map(({ offset }) => offset)
}

describe('kafkajs readers: aborted records', () => {
  const overlapping = [data(0, 'A'), data(1, 'B'), data(2, 'B'), data(3, 'A'), data(4, 'B'), marker(5, 'A', 0), marker(6, 'B', 0), data(7, 'C'), marker(8, 'C', 1)]

  test.each([0, 1, 2, 3, 4])('aborted records: two open aborted transactions, read from %i → only the committed record', (from) => {
    expect(visible(overlapping.slice(from).map((message) => ({ ...message })), [['A', 0], ['B', 1]])).toEqual(['7'])
  })

  test('aborted records: a list in order of ending, not of beginning → the earlier transaction is hidden too', () => {
    expect(visible([data(0, 'B'), data(1, 'B'), data(2, 'A'), data(3, 'B'), marker(4, 'A', 0), data(5, 'B'), marker(6, 'B', 0)], [['A', 2], ['B', 0]])).toEqual([])
  })

  test('aborted records: a key of four zero bytes is no abort marker', () => {
    expect(visible([data(0, 'A'), data(1, 'A', Buffer.alloc(4)), data(2, 'A'), marker(3, 'A', 0)], [['A', 0]])).toEqual([])
  })

  test('aborted records: abort, commit, abort, commit of one producer → the committed ones stay', () => {
    const messages = [data(0, 'A'), marker(1, 'A', 0), data(2, 'A'), marker(3, 'A', 1), data(4, 'A'), marker(5, 'A', 0), data(6, 'A'), marker(7, 'A', 1), data(8, 'none')]
    expect(visible(messages, [['A', 0], ['A', 4]])).toEqual(['2', '6', '8'])
  })
})

describe('kafkajs: pinned and repaired', () => {
  test('client version: any other release is refused', () => {
    expect(() => checkKafkajsVersion(KAFKAJS_VERSION)).not.toThrow()
    expect(() => checkKafkajsVersion('2.2.5')).toThrow(expect.objectContaining({ code: 'LOG_CLIENT_VERSION' }))
  })

  test('client missing: a place without kafkajs is refused', () => {
    expect(() => repairKafkajs(pathToFileURL('/nowhere/at/all.js'))).toThrow(expect.objectContaining({ code: 'LOG_CLIENT_MISSING', blame: 'user' }))
  })

  test('idle timer: nothing pending → nothing is scheduled; something pending → it is', () => {
    repairKafkajs(import.meta.url)
    repairKafkajs(import.meta.filename)
    const schedule = innerPrototypes(import.meta.url).requestQueue.scheduleCheckPendingRequests
    const queue = { pending: [] as unknown[], throttledUntil: -1, throttleCheckTimeoutId: null as NodeJS.Timeout | null, checkPendingRequests: () => {}, scheduleCheckPendingRequests: schedule }
    queue.scheduleCheckPendingRequests()
    expect(queue.throttleCheckTimeoutId).toBeNull()
    queue.pending.push('a request')
    queue.scheduleCheckPendingRequests()
    expect(queue.throttleCheckTimeoutId).not.toBeNull()
    clearTimeout(queue.throttleCheckTimeoutId ?? undefined)
  })
})

interface Kafkajs {
  consumer(options: object): { connect(): Promise<void>, disconnect(): Promise<void>, subscribe(options: object): Promise<void>, run(options: object): Promise<void> }
}
const { Kafka, logLevel } = createRequire(import.meta.url)('kafkajs') as { Kafka: new (options: object) => Kafkajs, logLevel: { NOTHING: number } }

describeWith(['kafka'], 'kafkajs consumer, repaired', (server) => {
  let at: TestLog
  beforeAll(() => { at = openTestLog(server('kafka').brokers) })
  afterAll(() => at.close())

  test('aborted records: overlapping aborted transactions of two producers → a read_committed consumer sees only what was committed', async () => {
    const topic = await at.topic()
    const [a, b, c] = [await at.session(), await at.session(), await at.session()]
    await append(b, topic, 'B0', 'B1')
    await append(a, topic, 'A2')
    await append(b, topic, 'B3')
    await at.log.fence(a.transactionalId)
    await append(b, topic, 'B5')
    await at.log.fence(b.transactionalId)
    await append(c, topic, 'C')
    await c.commit()
    await settled(at.log, topic)
    const consumer = new Kafka({ clientId: 'test', brokers: server('kafka').brokers.split(','), logLevel: logLevel.NOTHING }).consumer({ groupId: topic, maxWaitTimeInMs: 20 })
    const seen: string[] = []
    const last = Promise.withResolvers<void>()
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({ autoCommit: false, eachMessage: async ({ message }: { message: { value: Buffer } }) => {
      seen.push(String(message.value))
      if (seen.at(-1) === 'C') last.resolve()
    } })
    await last.promise
    await consumer.disconnect()
    expect(seen).toEqual(['C'])
  })
})
