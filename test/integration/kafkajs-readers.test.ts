// tidemark/kafkajs: what a repaired kafkajs consumer sees of aborted transactions is what kcat sees; what an unrepaired one sees is not.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { repairKafkajs } from 'tidemark/kafkajs'
import { describeWith, readCommitted } from '../services/index.ts'

interface Transaction {
  send(records: { topic: string, messages: readonly { key?: Buffer, value: string }[] }): Promise<unknown>
  commit(): Promise<void>
  abort(): Promise<void>
}
interface Consumer {
  connect(): Promise<void>
  disconnect(): Promise<void>
  subscribe(options: { topic: string, fromBeginning: true }): Promise<void>
  run(options: { autoCommit: false, eachMessage: (seen: { message: { value: Buffer } }) => Promise<void> }): Promise<void>
}
interface Client {
  producer(options: object): { connect(): Promise<void>, disconnect(): Promise<void>, transaction(): Promise<Transaction> }
  consumer(options: object): Consumer
  admin(): { connect(): Promise<void>, disconnect(): Promise<void>, createTopics(options: object): Promise<unknown>, deleteTopics(options: object): Promise<unknown> }
}
interface Kafkajs {
  readonly Kafka: new (options: object) => Client
  readonly logLevel: { readonly NOTHING: number }
}

const INSTALLED = join(import.meta.dirname, '../..', 'node_modules', 'kafkajs')
/** Written last and committed: whoever has seen it has seen all. */
const LAST = 'the last one'
const WAIT_MS_MAX = 60_000

describeWith(['kafka', 'kcat'], 'kafkajs readers of output', (server) => {
  let work: string
  let topic: string
  let repaired: Kafkajs
  let untouched: Kafkajs

  /** A program of its own, with a copy of kafkajs of its own. */
  const program = (name: string): { readonly file: string, readonly kafkajs: Kafkajs } => {
    const copy = join(work, name, 'node_modules/kafkajs')
    cpSync(INSTALLED, copy, { recursive: true })
    return { file: join(work, name, 'reader.js'), kafkajs: createRequire(import.meta.url)(copy) as Kafkajs }
  }
  const clientOf = ({ Kafka, logLevel }: Kafkajs): Client => new Kafka({ clientId: 'reader', brokers: server('kafka').brokers.split(','), logLevel: logLevel.NOTHING, retry: { initialRetryTime: 50, retries: 20 } })

  const seenBy = async (kafkajs: Kafkajs): Promise<string[]> => {
    const consumer = clientOf(kafkajs).consumer({ groupId: `readers-${process.pid}-${kafkajs === repaired ? 'repaired' : 'untouched'}`, maxWaitTimeInMs: 50, readUncommitted: false })
    const seen: string[] = []
    const last = Promise.withResolvers<void>()
    await consumer.connect()
    try {
      await consumer.subscribe({ topic, fromBeginning: true })
      await consumer.run({ autoCommit: false, eachMessage: async ({ message }) => {
        seen.push(String(message.value))
        if (seen.at(-1) === LAST) last.resolve()
      } })
      const late = setTimeout(() => last.reject(new Error(`in ${WAIT_MS_MAX} ms it saw only ${seen.join()}`)), WAIT_MS_MAX)
      await last.promise
      clearTimeout(late)
      return seen
    } finally {
      await consumer.disconnect()
    }
  }

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'tidemark-kafkajs-'))
    topic = `kafkajs-readers-${process.pid}`
    const reader = program('repaired')
    repaired = reader.kafkajs
    untouched = program('untouched').kafkajs
    repairKafkajs(pathToFileURL(reader.file))

    const client = clientOf(untouched)
    const admin = client.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
    await admin.disconnect()
    const producers = ['a', 'b', 'c'].map((name) => client.producer({ transactionalId: `${topic}-${name}`, maxInFlightRequests: 1, idempotent: true }))
    await Promise.all(producers.map((producer) => producer.connect()))
    const [a, b, c] = await Promise.all(producers.map((producer) => producer.transaction()))
    if (!a || !b || !c) throw new Error('three producers, three transactions')
    const send = (transaction: Transaction, value: string, key?: Buffer): Promise<unknown> => transaction.send({ topic, messages: [{ value, ...key === undefined ? {} : { key } }] })
    await send(b, 'aborted b0')
    await send(c, 'committed c1')
    await send(a, 'aborted a2')
    // A key that reads like an abort marker's.
    await send(b, 'aborted b3', Buffer.alloc(4))
    await send(b, 'aborted b4')
    await a.abort()
    await send(b, 'aborted b5')
    await send(c, 'committed c6')
    await b.abort()
    await send(c, LAST)
    await c.commit()
    await Promise.all(producers.map((producer) => producer.disconnect()))
  }, 60_000)
  afterAll(async () => {
    const admin = clientOf(untouched).admin()
    await admin.connect()
    await admin.deleteTopics({ topics: [topic] })
    await admin.disconnect()
    rmSync(work, { recursive: true, force: true })
  })

  test('kafkajs readers, aborted transactions that overlap → repaired: what kcat sees; another copy in the same process: still wrong', async () => {
    const committed = (await readCommitted(server('kafka').brokers, topic)).map(({ payload }) => payload)
    expect(committed).toEqual(['committed c1', 'committed c6', LAST])
    expect(await seenBy(repaired)).toEqual(committed)
    expect(await seenBy(untouched)).not.toEqual(committed)
  }, 60_000)
})
