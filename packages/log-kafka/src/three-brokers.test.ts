// Leaders and coordinators that move, on three real brokers: one transaction after another with what design asks of an owner after a failure, and a reader beside it. Each value is seen once, in order, in every partition.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { isTidemarkError, realClock, transactionalId } from '@tidemark/base'
import type { Log, ProducerSession } from '@tidemark/base'
import { describeWith, startKafka } from '../../../test/services/index.ts'
import { freePorts, openTestLog, readAll, text, values } from './test-log.ts'
import type { TestLog } from './test-log.ts'

type Server = Awaited<ReturnType<typeof startKafka>>
const NODES = [1, 2, 3] as const
const PARTITIONS = 6
const PHASE_MS_MAX = 150_000
/** Transactions that must get through after each fault. */
const MORE = 20

const startThree = async (): Promise<Server[]> => {
  const ports = await freePorts(6)
  const voters = NODES.map((node, index) => `${node}@127.0.0.1:${ports[index + 3]}`).join(',')
  return Promise.all(NODES.map((node, index) => startKafka({
    port: ports[index]!, heapMiBMax: 320,
    settings: {
      'node.id': String(node), 'controller.quorum.voters': voters, 'listeners': `PLAINTEXT://127.0.0.1:${ports[index]},CONTROLLER://127.0.0.1:${ports[index + 3]}`,
      'offsets.topic.replication.factor': '3', 'transaction.state.log.replication.factor': '3', 'transaction.state.log.min.isr': '2', 'transaction.state.log.num.partitions': '3',
    },
  })))
}

/** Writes 0, 1, 2 … to every partition, one value a transaction. After any failure: fence the old id, take a new one, read back what was committed. */
const startWriter = (log: Log, topic: string): { stop(): Promise<number>, committed(): number, failures: string[] } => {
  const failures: string[] = []
  let next = 0
  const state = { stopped: false }
  let session: ProducerSession | undefined
  const recover = async (counter: number): Promise<void> => {
    if (session) {
      await session.close()
      await log.fence(session.transactionalId)
    }
    session = log.session(transactionalId(`${topic}.${counter}`))
    await session.initialise()
    next = (await readAll(log, topic)).length
  }
  const run = async (): Promise<void> => {
    for (let counter = 0; !state.stopped; counter++) {
      try {
        await recover(counter)
        while (!state.stopped) {
          await session!.append(Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, records: text(String(next)) })))
          await session!.commit()
          next++
          await realClock.sleep(5)
        }
      } catch (error) {
        if (!isTidemarkError(error)) throw error
        failures.push(error.code)
        await realClock.sleep(100)
      }
    }
    await session?.close()
  }
  const running = run()
  return { committed: () => next, failures, stop: async () => { state.stopped = true; await running; return next } }
}

describeWith(['kafka'], 'Kafka with three brokers', () => {
  let servers: Server[]
  let at: TestLog
  let topic: string
  let writer: ReturnType<typeof startWriter> | undefined
  beforeAll(async () => {
    servers = await startThree()
    at = openTestLog(servers.map(({ brokers }) => brokers).join(','))
    topic = await at.topic(PARTITIONS)
  }, 150_000)
  afterAll(async () => {
    await writer?.stop().catch(() => {})
    await at.close().catch(() => {})
    for (const server of servers) await server.close()
  }, 60_000)

  test('topics: three brokers → three replicas, two in sync demanded', async () => {
    expect(await at.log.describeTopics([topic])).toEqual(new Map([[topic, expect.objectContaining({ partitions: PARTITIONS, replicationFactor: 3 })]]))
    await expect(at.log.check()).resolves.toBeUndefined()
  })

  test('moving leaders: two brokers killed and restarted, the third paused, under load → every value once, in order, in every partition', async () => {
    const writing = writer = startWriter(at.log, topic)
    const reader = at.reader()
    const seen: string[][] = Array.from({ length: PARTITIONS }, () => [])
    const positions = Array.from({ length: PARTITIONS }, () => 0)
    const readOn = async (until: () => boolean): Promise<void> => {
      const deadline = realClock.monotonic() + PHASE_MS_MAX
      while (!until()) {
        if (realClock.monotonic() >= deadline) throw new Error(`no progress: ${writing.committed()} written, ${seen.map(({ length }) => length).join(' ')} read, failures ${writing.failures.join(' ')}`)
        const fetched = await reader.fetch(positions.map((offset, partition) => ({ topic, partition, offset, maxBytes: 1_000_000 })), { isolation: 'committed', maxWaitMs: 100 })
        for (const { partition, records, nextOffset } of fetched) {
          seen[partition]!.push(...values(records))
          positions[partition] = nextOffset
        }
      }
    }
    const took: string[] = []
    /** So many more of them are written, and read everywhere. */
    const progress = async (after: string): Promise<void> => {
      const began = realClock.monotonic()
      const goal = Math.max(writing.committed(), ...seen.map(({ length }) => length)) + MORE
      await readOn(() => seen.every(({ length }) => length >= goal))
      took.push(`${after} ${((realClock.monotonic() - began) / 1_000).toFixed(1)} s`)
    }
    await progress('start')
    for (const [index, server] of servers.slice(0, 2).entries()) {
      await server.kill()
      await progress(`kill ${NODES[index]}`)
      await server.restart()
      await progress('restart')
    }
    servers[2]!.pause()
    await progress('pause 3')
    servers[2]!.resume()
    await progress('resume')
    const written = await writing.stop()
    await readOn(() => seen.every(({ length }) => length >= written))
    const wanted = Array.from({ length: written }, (_, index) => String(index))
    for (const [partition, found] of seen.entries()) {
      expect([partition, found.findIndex((value, index) => value !== wanted[index])]).toEqual([partition, -1])
      expect(found.length).toBe(written)
    }
    expect(writing.failures.length).toBeGreaterThan(0)
    process.stdout.write(`three brokers, two killed, one paused: ${written} transactions, until ${MORE} more got through: ${took.join(', ')}; failures on the way: ${writing.failures.join(' ')}\n`)
  }, 600_000)
})
