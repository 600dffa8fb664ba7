// Reading from a real broker: aborted records as kcat sees them, every codec kcat writes, long polls, positions outside the log.
import { spawn } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import type { LogReader } from '@tidemark/base'
import { recorded } from '../../../test/services/run-folder.ts'
import { describeWith, kcat, readCommitted } from '../../../test/services/index.ts'
import type { RequestQueue } from './kafkajs.ts'
import { innerPrototypes } from './patch.ts'
import { append, openTestLog, readAll, settled, text, values } from './test-log.ts'
import type { TestLog } from './test-log.ts'

const COMMITTED = { isolation: 'committed', maxWaitMs: 5_000 } as const
const from = (topic: string, offset: number, partition = 0, maxBytes = 1_000_000) => ({ topic, partition, offset, maxBytes })

describeWith(['kafka', 'kcat'], 'Kafka reader', (server) => {
  let at: TestLog
  beforeAll(() => { at = openTestLog(server('kafka').brokers) })
  afterAll(() => at.close())

  /** Our reader from every offset, and kcat (a start of it takes half a second), agree on what committed readers see. */
  const expectCommitted = async (topic: string, wanted: readonly string[], everyOffsetByKcat = false): Promise<void> => {
    const end = await settled(at.log, topic)
    const all = await readAll(at.log, topic)
    expect(values(all)).toEqual(wanted)
    expect((await readCommitted(server('kafka').brokers, topic, 0)).map(({ offset, payload }) => [offset, payload])).toEqual(all.map(({ offset, value }) => [offset, String(value)]))
    for (let offset = 0; offset < end; offset++) {
      const seen = all.filter((record) => record.offset >= offset).map(({ value }) => String(value))
      expect(values(await readAll(at.log, topic, { from: offset }))).toEqual(seen)
      if (!everyOffsetByKcat) continue
      const byKcat = await kcat(['-C', '-q', '-e', '-b', server('kafka').brokers, '-t', topic, '-p', '0', '-o', String(offset), '-X', 'isolation.level=read_committed', '-f', '%s\n'])
      expect(byKcat.split('\n').filter((line) => line !== '')).toEqual(seen)
    }
  }

  test('aborted records: two overlapping aborted transactions, read from every offset → only the committed record, as kcat', async () => {
    const topic = await at.topic()
    const [a, b, c] = [await at.session(), await at.session(), await at.session()]
    await append(a, topic, 'A0')
    await append(b, topic, 'B1')
    await append(b, topic, 'B2')
    await append(a, topic, 'A3')
    await append(b, topic, 'B4')
    await at.log.fence(a.transactionalId)
    await at.log.fence(b.transactionalId)
    await append(c, topic, 'C')
    await c.commit()
    await expectCommitted(topic, ['C'], true)
  })

  test('aborted records: the earlier transaction ends later → hidden, as kcat', async () => {
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
    await expectCommitted(topic, ['C'])
  })

  test('aborted records: a key of four zero bytes inside an aborted transaction → hidden to its end, as kcat', async () => {
    const topic = await at.topic()
    const [a, c] = [await at.session(), await at.session()]
    for (const key of ['k', Buffer.alloc(4), 'k']) await a.append([{ topic, partition: 0, records: [{ key, value: 'aborted' }] }])
    await at.log.fence(a.transactionalId)
    await c.append([{ topic, partition: 0, records: [{ key: Buffer.alloc(4), value: 'committed' }] }])
    await c.commit()
    await expectCommitted(topic, ['committed'])
  })

  test('aborted records: aborted and committed in turn, a record outside any transaction between them, one fetch and many → as kcat', async () => {
    const topic = await at.topic()
    for (const round of [1, 2]) {
      const aborting = await at.session()
      await append(aborting, topic, `aborted ${round}`)
      await at.log.write([{ topic, partition: 0, records: text(`plain ${round}`) }])
      await at.log.fence(aborting.transactionalId)
      const committing = await at.session()
      await append(committing, topic, `committed ${round}`, `committed ${round} too`)
      await committing.commit()
    }
    const wanted = [1, 2].flatMap((round) => [`plain ${round}`, `committed ${round}`, `committed ${round} too`])
    await expectCommitted(topic, wanted)
    expect(values(await readAll(at.log, topic, { maxBytes: 1 }))).toEqual(wanted)
  })

  test('positions: only aborted records → no record, and the position moves to the stable offset', async () => {
    const topic = await at.topic()
    const session = await at.session()
    await append(session, topic, 'gone', 'gone too')
    await at.log.fence(session.transactionalId)
    expect(await at.reader().fetch([from(topic, 1)], COMMITTED)).toEqual([{ topic, partition: 0, fromOffset: 1, records: [], nextOffset: 3, startOffset: 0, stableOffset: 3 }])
  })

  test.each(['gzip', 'snappy', 'lz4', 'zstd'])('codecs: a topic written by kcat -z %s → every record', async (codec) => {
    const topic = await at.topic()
    const lines = Array.from({ length: 5_000 }, (_, index) => `${index} ${'compressible '.repeat(index % 7)}`)
    const producer = recorded(spawn(server('kcat').path, ['-P', '-q', '-b', server('kafka').brokers, '-t', topic, '-p', '0', '-z', codec], { stdio: ['pipe', 'ignore', 'inherit'] }))
    const exited = new Promise((resolve) => { producer.once('exit', resolve) })
    producer.stdin.end(`${lines.join('\n')}\n`)
    expect(await exited).toBe(0)
    expect(values(await readAll(at.log, topic))).toEqual(lines)
  })

  test.each(['snappy', 'lz4'])('codecs: a topic that the broker itself packs with %s (Java framing) → every record', async (codec) => {
    const topic = await at.topic(1, { 'compression.type': codec })
    const session = await at.session()
    const lines = Array.from({ length: 20_000 }, (_, index) => `${index} ${'compressible '.repeat(index % 7)}`)
    await append(session, topic, ...lines)
    await session.commit()
    expect(values(await readAll(at.log, topic))).toEqual(lines)
  })

  test('bounds: a fetch of 8 partitions with maxBytes far below one batch → one whole batch at a time, none starves', async () => {
    const topic = await at.topic(8)
    const session = await at.session()
    await session.append(Array.from({ length: 8 }, (_, partition) => ({ topic, partition, records: [{ key: null, value: Buffer.alloc(50_000, partition) }] })))
    await session.commit()
    for (let partition = 0; partition < 8; partition++) await settled(at.log, topic, partition)
    const reader = at.reader()
    const positions = new Map(Array.from({ length: 8 }, (_, partition) => [partition, 0]))
    for (let fetches = 0; positions.size > 0; fetches++) {
      expect(fetches).toBeLessThan(40)
      for (const { partition, nextOffset, records } of await reader.fetch([...positions].map(([partition, offset]) => from(topic, offset, partition, 100)), COMMITTED)) {
        if (records.length > 0) expect(records[0]?.value?.[0]).toBe(partition)
        if (nextOffset === 2) positions.delete(partition)
        else positions.set(partition, nextOffset)
      }
    }
  })

  test('long poll: nothing there → [] after maxWaitMs; data → woken at once', async () => {
    const topic = await at.topic(2)
    const reader = at.reader()
    const began = realClock.monotonic()
    expect(await reader.fetch([from(topic, 0)], { ...COMMITTED, maxWaitMs: 300 })).toEqual([])
    expect(realClock.monotonic() - began).toBeGreaterThanOrEqual(299)
    const waiting = reader.fetch([from(topic, 0), from(topic, 0, 1)], { ...COMMITTED, maxWaitMs: 20_000 })
    const session = await at.session()
    await session.append([{ topic, partition: 1, records: text('woken') }])
    await session.commit()
    const [fetched] = await waiting
    expect(fetched).toMatchObject({ partition: 1, fromOffset: 0 })
  })

  test('abort: the signal ends a long poll with its reason; the next fetch, elsewhere, is not held back and gets no stale answer', async () => {
    const topic = await at.topic(1)
    await at.log.write([{ topic, partition: 0, records: text('a', 'b', 'c') }])
    const reader = at.reader()
    const stop = new AbortController()
    const waiting = reader.fetch([from(topic, 3)], { ...COMMITTED, maxWaitMs: 20_000, signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await at.log.write([{ topic, partition: 0, records: text('d') }])
    const began = realClock.monotonic()
    const [fetched] = await reader.fetch([from(topic, 1)], { ...COMMITTED, maxWaitMs: 20_000 })
    expect(fetched).toMatchObject({ fromOffset: 1 })
    expect(values(fetched?.records ?? [])).toEqual(['b', 'c', 'd'])
    // Behind the poll that was given up it would wait for most of its 20 s.
    expect(realClock.monotonic() - began).toBeLessThan(15_000)
    await expect(reader.fetch([from(topic, 1)], { ...COMMITTED, signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
  })

  test('position below the start: LOG_OUT_OF_RANGE with the range; nothing is read, nothing jumps', async () => {
    const topic = await at.topic()
    await at.log.write([{ topic, partition: 0, records: text(...Array.from({ length: 10 }, (_, index) => `v${index}`)) }])
    await at.log.trim(topic, 0, 6)
    const reader = at.reader()
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(reader.fetch([from(topic, 2)], COMMITTED)).rejects.toMatchObject({ code: 'LOG_OUT_OF_RANGE', action: 'fail-job', place: { topic, partition: 0, offset: 2 }, details: { requested: 2, start: 6, end: 10 } })
    }
    expect(values((await reader.fetch([from(topic, 6)], COMMITTED))[0]?.records ?? [])).toEqual(['v6', 'v7', 'v8', 'v9'])
  })

  test('position above the end: LOG_OUT_OF_RANGE, also beside a partition that can be read', async () => {
    const topic = await at.topic(2)
    await at.log.write([{ topic, partition: 1, records: text('fine') }])
    await expect(at.reader().fetch([from(topic, 50), from(topic, 0, 1)], COMMITTED)).rejects.toMatchObject({ code: 'LOG_OUT_OF_RANGE', place: { topic, partition: 0 }, details: { requested: 50, start: 0, end: 0 } })
  })

  test('missing topic or partition: LOG_TOPIC_MISSING, nothing is created; a topic that was read and is deleted likewise', async () => {
    const topic = await at.topic()
    const reader = at.reader()
    await expect(reader.fetch([from(`${topic}-missing`, 0)], COMMITTED)).rejects.toMatchObject({ code: 'LOG_TOPIC_MISSING' })
    await expect(reader.fetch([from(topic, 0, 1)], COMMITTED)).rejects.toMatchObject({ code: 'LOG_TOPIC_MISSING', place: { topic, partition: 1 } })
    expect(await reader.fetch([from(topic, 0)], { ...COMMITTED, maxWaitMs: 0 })).toEqual([])
    await at.log.deleteTopics([topic])
    await expect(reader.fetch([from(topic, 0)], COMMITTED)).rejects.toMatchObject({ code: 'LOG_TOPIC_MISSING' })
    expect(await at.log.describeTopics([topic, `${topic}-missing`])).toEqual(new Map())
  })

  test('deleted topics: a client that used one goes on with the others', async () => {
    const [gone, topic] = [await at.topic(), await at.topic()]
    const session = await at.session()
    const reader = at.reader()
    await session.append([{ topic: gone, partition: 0, records: text('x') }, { topic, partition: 0, records: text('y') }])
    await session.commit()
    await settled(at.log, topic)
    await at.log.deleteTopics([gone])
    await append(session, topic, 'z')
    await session.commit()
    await settled(at.log, topic)
    expect(values((await reader.fetch([from(topic, 0)], COMMITTED))[0]?.records ?? [])).toEqual(['y', 'z'])
  })

  test('misuse: two fetches at once, a fetch after close → refused', async () => {
    const topic = await at.topic()
    const reader: LogReader = at.log.reader()
    const first = reader.fetch([from(topic, 0)], { ...COMMITTED, maxWaitMs: 50 })
    await expect(reader.fetch([from(topic, 0)], COMMITTED)).rejects.toMatchObject({ code: 'LOG_READER_MISUSED' })
    expect(await first).toEqual([])
    const waiting = reader.fetch([from(topic, 0)], { ...COMMITTED, maxWaitMs: 20_000 })
    await reader.close()
    await expect(waiting).rejects.toMatchObject({ code: 'LOG_CLOSED' })
    await expect(reader.fetch([from(topic, 0)], COMMITTED)).rejects.toMatchObject({ code: 'LOG_CLOSED' })
  })

  test('idle connections: no timer is scheduled in a second', async () => {
    const topic = await at.topic()
    const session = await at.session()
    await append(session, topic, 'x')
    await session.commit()
    await at.reader().fetch([from(topic, 0)], COMMITTED)
    const prototype = innerPrototypes(import.meta.url).requestQueue as RequestQueue & { checkPendingRequests(): void }
    const check = prototype.checkPendingRequests
    let calls = 0
    prototype.checkPendingRequests = function () { calls++; check.call(this) }
    try {
      await realClock.sleep(1_000)
    } finally {
      prototype.checkPendingRequests = check
    }
    expect(calls).toBe(0)
  })
})
