// For this room's tests on a real broker: a log that cleans up its topics, and faults put into answers of the broker.
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { realClock, silentLogger, transactionalId } from '@tidemark/base'
import type { AppendRecord, Log, LogReader, LogRecord, ProducerSession, TopicSpec } from '@tidemark/base'
import { Connection } from './kafkajs.ts'
import type { WireCall } from './kafkajs.ts'
import { openKafkaLog } from './log.ts'
import type { KafkaLogOptions } from './log.ts'

let made = 0
const unique = (): string => `${process.pid}-${Math.trunc(realClock.now())}-${++made}`

export interface TestLog {
  readonly log: Log
  /** A new topic; deleted at the end. */
  topic(partitions?: number, config?: TopicSpec['config']): Promise<string>
  /** A new session, initialised; closed at the end. */
  session(): Promise<ProducerSession>
  reader(): LogReader
  close(): Promise<void>
}

export const openTestLog = (brokers: string, more: Partial<KafkaLogOptions> = {}): TestLog => {
  const log = openKafkaLog({ brokers, clientId: 'tidemark-test', clock: realClock, logger: silentLogger, ...more })
  const topics: string[] = []
  const open: { close(): Promise<void> }[] = []
  return {
    log,
    topic: async (partitions = 1, config = {}) => {
      const topic = `log-kafka-test-${unique()}`
      await log.createTopics([{ topic, partitions, config }])
      topics.push(topic)
      return topic
    },
    session: async () => {
      const session = log.session(transactionalId(`log-kafka-test.${unique()}`))
      open.push(session)
      await session.initialise()
      return session
    },
    reader: () => {
      const reader = log.reader()
      open.push(reader)
      return reader
    },
    close: async () => {
      for (const item of open) await item.close()
      await log.deleteTopics(topics)
      await log.close()
    },
  }
}

export const text = (...values: string[]): AppendRecord[] => values.map((value) => ({ key: null, value }))
export const values = (records: readonly LogRecord[]): string[] => records.map(({ value }) => String(value))

/** Appends texts to partition 0, or to `partition`. */
export const append = (session: ProducerSession, topic: string, ...records: string[]): Promise<void> => session.append([{ topic, partition: 0, records: text(...records) }])

const SETTLE_MS_MAX = 5_000

/** Waits until no transaction is open: a commit is answered before its marker is in the log. Answers with the end. */
export const settled = async (log: Log, topic: string, partition = 0): Promise<number> => {
  const deadline = realClock.monotonic() + SETTLE_MS_MAX
  for (;;) {
    const [offsets] = await log.offsets(topic, [partition])
    if (offsets && offsets.stable === offsets.end) return offsets.end
    if (realClock.monotonic() >= deadline) throw new Error(`a transaction is still open: ${JSON.stringify(offsets)}`)
    await realClock.sleep(2)
  }
}

/** One partition from `from` to the end; to the stable offset of now with `open: true`. Checks that positions join up. */
export const readAll = async (log: Log, topic: string, { partition = 0, from = 0, open = false, isolation = 'committed' as 'committed' | 'uncommitted', maxBytes = 1_000_000 } = {}): Promise<LogRecord[]> => {
  const [now] = await log.offsets(topic, [partition])
  const end = isolation === 'uncommitted' ? now?.end ?? 0 : open ? now?.stable ?? 0 : await settled(log, topic, partition)
  const reader = log.reader()
  const records: LogRecord[] = []
  try {
    for (let offset = from; offset < end;) {
      const [fetched] = await reader.fetch([{ topic, partition, offset, maxBytes }], { isolation, maxWaitMs: 1_000 })
      if (!fetched) throw new Error(`nothing at ${offset}, below the end ${end}`)
      if (fetched.fromOffset !== offset || fetched.nextOffset <= offset) throw new Error(`asked at ${offset}, got ${fetched.fromOffset} to ${fetched.nextOffset}`)
      records.push(...fetched.records)
      offset = fetched.nextOffset
    }
    return records
  } finally {
    await reader.close()
  }
}

type Send = <T>(call: WireCall<T>) => Promise<T>

/** Until disposed, each request named `apiName` goes through `fault`, which may make the real call, before or instead of failing. The one begun last is disposed first. */
export const withFault = (apiName: string, fault: (real: () => Promise<unknown>) => Promise<unknown>): Disposable => {
  const before = Connection.prototype.send as Send
  Connection.prototype.send = async function <T>(this: typeof Connection.prototype, call: WireCall<T>): Promise<T> {
    const real = (): Promise<T> => before.call(this, call) as Promise<T>
    return call.request.apiName === apiName ? await fault(real) as T : real()
  }
  return { [Symbol.dispose]: () => { Connection.prototype.send = before } }
}

/** What kafkajs rejects with when no answer comes in time. */
export const lostAnswer = (): Error => Object.assign(new Error('Request timed out'), { name: 'KafkaJSRequestTimeoutError' })

export const freePorts = async (count: number): Promise<number[]> => {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise<ReturnType<typeof createServer>>((resolve) => { const server = createServer().listen(0, '127.0.0.1', () => resolve(server)) })))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => { server.close(resolve) })))
  return ports
}
