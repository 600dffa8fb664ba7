// Records per second through this room and through kafkajs' own producer and consumer, in one run on one broker: `TIDEMARK_KAFKA=host:port node packages/log-kafka/bench/throughput.ts`.
import { createRequire } from 'node:module'
import { realClock, silentLogger, transactionalId } from '@tidemark/base'
import { openKafkaLog } from '../src/index.ts'

const require = createRequire(import.meta.url)
interface Kafkajs {
  producer(options: object): { connect(): Promise<void>, disconnect(): Promise<void>, transaction(): Promise<{ send(batch: object): Promise<unknown>, commit(): Promise<void> }> }
  consumer(options: object): { connect(): Promise<void>, disconnect(): Promise<void>, subscribe(options: object): Promise<void>, run(options: object): Promise<void> }
}
const { Kafka, Partitioners, logLevel } = require('kafkajs') as { Kafka: new (options: object) => Kafkajs, Partitioners: { DefaultPartitioner: unknown }, logLevel: { NOTHING: number } }

const brokers = process.env['TIDEMARK_KAFKA']
if (brokers === undefined) throw new Error('set TIDEMARK_KAFKA=host:port')
const COUNT = Number(process.argv[2] ?? 400_000)
const PER_TRANSACTION = 8_000
const PARTITIONS = 4
const records = Array.from({ length: COUNT }, (_, index) => ({ key: `u${index % 100_000}`, value: JSON.stringify({ user: `u${index % 100_000}`, amount: index % 50, ts: 1_700_000_000_000 + index }), timestamp: 1_700_000_000_000 + index }))
const log = openKafkaLog({ brokers, clientId: 'tidemark-bench', clock: realClock, logger: silentLogger })

const measure = async (what: string, run: () => Promise<number>): Promise<void> => {
  const [cpu, began] = [process.cpuUsage(), realClock.monotonic()]
  const count = await run()
  const [ms, { user, system }] = [realClock.monotonic() - began, process.cpuUsage(cpu)]
  process.stdout.write(`${what.padEnd(46)} ${(count / ms).toFixed(0).padStart(6)} k records/s   ${((ms * 1_000) / count).toFixed(2).padStart(6)} µs a record   ${((user + system) / count).toFixed(2).padStart(6)} µs of CPU a record\n`)
}

const shares = function* (): Generator<typeof records> {
  for (let at = 0; at < COUNT; at += PER_TRANSACTION) yield Array.from({ length: PARTITIONS }, (_, partition) => records.slice(at, at + PER_TRANSACTION).filter((_record, index) => index % PARTITIONS === partition)).flat()
}

for (const round of [1, 2]) {
  const [ours, theirs] = [`tidemark-bench-${Math.trunc(realClock.now())}-a`, `tidemark-bench-${Math.trunc(realClock.now())}-b`]
  await log.createTopics([ours, theirs].map((topic) => ({ topic, partitions: PARTITIONS, config: { 'retention.ms': '-1' } })))
  process.stdout.write(`round ${round}: ${COUNT} records of about 75 bytes, ${PER_TRANSACTION} a transaction over ${PARTITIONS} partitions\n`)

  const session = log.session(transactionalId(ours))
  await session.initialise()
  await measure('session: append, commit', async () => {
    for (const share of shares()) {
      const each = share.length / PARTITIONS
      await session.append(Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: ours, partition, records: share.slice(partition * each, (partition + 1) * each) })))
      await session.commit()
    }
    return COUNT
  })
  await session.close()

  const kafka = new Kafka({ clientId: 'raw', brokers: brokers.split(','), logLevel: logLevel.NOTHING, retry: { initialRetryTime: 5 } })
  const producer = kafka.producer({ transactionalId: theirs, maxInFlightRequests: 1, createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  await measure('kafkajs: send of 1,000 to one partition, commit', async () => {
    for (const share of shares()) {
      const each = share.length / PARTITIONS
      const transaction = await producer.transaction()
      await Promise.all(Array.from({ length: PARTITIONS }, async (_, partition) => {
        for (let at = partition * each; at < (partition + 1) * each; at += 1_000) {
          await transaction.send({ topic: theirs, messages: share.slice(at, Math.min(at + 1_000, (partition + 1) * each)).map((record) => ({ key: record.key, value: record.value, timestamp: String(record.timestamp), partition })) })
        }
      }))
      await transaction.commit()
    }
    return COUNT
  })
  await producer.disconnect()

  const reader = log.reader()
  await measure('reader: fetch', async () => {
    const positions = Array.from({ length: PARTITIONS }, () => 0)
    let count = 0
    while (count < COUNT) {
      for (const { partition, nextOffset, records: read } of await reader.fetch(positions.map((offset, partition) => ({ topic: ours, partition, offset, maxBytes: 1_048_576 })), { isolation: 'committed', maxWaitMs: 100 })) {
        positions[partition] = nextOffset
        count += read.length
      }
    }
    return count
  })
  await reader.close()

  const consumer = kafka.consumer({ groupId: theirs, maxWaitTimeInMs: 50 })
  await consumer.connect()
  await consumer.subscribe({ topic: theirs, fromBeginning: true })
  const first = Promise.withResolvers<void>()
  const all = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  let count = 0
  await consumer.run({ autoCommit: false, partitionsConsumedConcurrently: PARTITIONS, eachBatch: async ({ batch }: { batch: { messages: unknown[] } }) => {
    first.resolve()
    await release.promise
    count += batch.messages.length
    if (count >= COUNT) all.resolve()
  } })
  await first.promise
  await measure('kafkajs: consumer, eachBatch', async () => { release.resolve(); await all.promise; return count })
  await consumer.disconnect()
  await log.deleteTopics([ours, theirs])
}
await log.close()
