// The memory log on virtual time, and with faults between: what the conformance suite can't show on a real clock.
import { describe, expect, test } from '@jest/globals'
import { TidemarkError, transactionalId } from '@tidemark/base'
import type { Log, LogRecord } from '@tidemark/base'
import { VirtualClock } from '../../time/virtual-clock.ts'
import type { Intercept, Operation } from '../intercept.ts'
import { MemoryBroker } from './broker.ts'
import { MemoryLog } from './log.ts'

const TOPIC = 't'
const start = async (intercept?: Intercept, transactionTimeoutMs?: number) => {
  const clock = new VirtualClock()
  const broker = new MemoryBroker({ clock, ...(transactionTimeoutMs === undefined ? {} : { transactionTimeoutMs }) })
  const log = new MemoryLog({ clock, broker, ...(intercept ? { intercept } : {}) })
  broker.createTopics([{ topic: TOPIC, partitions: 1 }])
  return { clock, broker, log }
}
const write = (value: string) => [{ topic: TOPIC, partition: 0, records: [{ key: null, value }] }]
const values = async (log: Log, isolation: 'committed' | 'uncommitted' = 'committed'): Promise<string[]> => {
  const records: LogRecord[] = (await log.reader().fetch([{ topic: TOPIC, partition: 0, offset: 0, maxBytes: 1e6 }], { isolation, maxWaitMs: 0 })).flatMap((fetched) => fetched.records)
  return records.map(({ value }) => String(value))
}
const lost = (): TidemarkError => new TidemarkError('no answer', { code: 'LOG_UNAVAILABLE', blame: 'environment', action: 'retry' })

describe('memory log, virtual time', () => {
  test('a fetch waits on the clock it was given, exactly maxWaitMs, and leaves no timer behind', async () => {
    const { clock, log } = await start()
    const reader = log.reader()
    const fetch = () => reader.fetch([{ topic: TOPIC, partition: 0, offset: 0, maxBytes: 1e6 }], { isolation: 'committed', maxWaitMs: 500 }).then((answers) => [clock.monotonic(), answers.length])
    const empty = fetch()
    await clock.advance(1_000)
    expect(await empty).toEqual([500, 0])
    const full = fetch()
    clock.after(100, () => void log.write(write('x')))
    await clock.advance(1_000)
    expect(await full).toEqual([1_100, 1])
    expect(clock.nextAt).toBeUndefined()
  })

  test('transaction time-out: an open transaction is aborted, its id fenced; a committed one is left alone', async () => {
    const { clock, log } = await start(undefined, 10_000)
    const [slow, quick] = [log.session(transactionalId('slow')), log.session(transactionalId('quick'))]
    for (const session of [slow, quick]) {
      await session.initialise()
      await session.append(write(session.transactionalId))
    }
    await quick.commit()
    await clock.advance(9_999)
    expect((await log.offsets(TOPIC))[0]).toMatchObject({ stable: 0, end: 3 })
    await clock.advance(1)
    expect((await log.offsets(TOPIC))[0]).toMatchObject({ stable: 4, end: 4 })
    await expect(slow.commit()).rejects.toMatchObject({ code: 'LOG_FENCED' })
    await quick.append(write('again'))
    await quick.commit()
    expect(await values(log)).toEqual(['quick', 'again'])
  })

  test('faults: fails before → nothing happened; answer lost → it happened; the session is dead either way', async () => {
    for (const [when, seen] of [['before', []], ['after', ['x']]] as const) {
      const { log, broker } = await start(async (operation, run) => {
        if (operation.call === 'log.commit' && when === 'before') throw lost()
        const answer = await run()
        if (operation.call === 'log.commit') throw lost()
        return answer
      })
      const session = log.session(transactionalId('a'))
      await session.initialise()
      await session.append(write('x'))
      await expect(session.commit()).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
      await expect(session.commit()).rejects.toMatchObject({ code: 'LOG_CLOSED' })
      await new MemoryLog({ clock: broker.clock, broker }).fence(session.transactionalId)
      expect(await values(log)).toEqual(seen)
    }
  })

  test('faults: an append that arrives after its answer was given up → joins what its epoch has open then; after a fence it is refused', async () => {
    for (const fenced of [false, true]) {
      const late: (() => Promise<unknown>)[] = []
      const operations: Operation[] = []
      const { log, broker } = await start((operation, run) => {
        operations.push(operation)
        if (operation.call !== 'log.append' || late.length > 0) return run()
        late.push(run)
        return Promise.reject(lost())
      })
      const session = log.session(transactionalId('a'))
      await session.initialise()
      await expect(session.append(write('late'))).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
      if (fenced) await log.fence(session.transactionalId)
      const arrived = late[0]!()
      if (fenced) await expect(arrived).rejects.toMatchObject({ code: 'LOG_FENCED' })
      else await arrived
      expect(await values(log, 'uncommitted')).toEqual(fenced ? [] : ['late'])
      expect(broker.offsets(TOPIC)[0]?.stable).toBe(0)
      expect(operations.slice(0, 2)).toEqual([{ call: 'log.initialise', of: 'a' }, { call: 'log.append', of: 'a' }])
    }
  })

  test('two clients of one broker: what one commits the other reads; faults of one are not the other\'s', async () => {
    const { clock, broker, log } = await start(() => Promise.reject(lost()))
    const healthy = new MemoryLog({ clock, broker })
    await expect(log.write(write('x'))).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
    await healthy.write(write('y'))
    expect(await values(new MemoryLog({ clock, broker }))).toEqual(['y'])
  })

  test('compaction: a record taken leaves its offset, readers pass it', async () => {
    const { broker, log } = await start()
    await log.write([{ topic: TOPIC, partition: 0, records: ['a', 'b', 'c'].map((value) => ({ key: 'k', value })) }])
    broker.compactAway(TOPIC, 0, 1)
    broker.compactAway(TOPIC, 0, 2)
    const [fetched] = await log.reader().fetch([{ topic: TOPIC, partition: 0, offset: 0, maxBytes: 1e6 }], { isolation: 'committed', maxWaitMs: 0 })
    expect([fetched?.records.map(({ offset }) => offset), fetched?.nextOffset]).toEqual([[0], 3])
  })
})
