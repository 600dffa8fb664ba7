// Producer sessions on a real broker: what is lost, doubled or unclear when an answer is lost, and that a session never goes on after it.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { describeWith } from '../../../test/services/index.ts'
import { brokerError } from './errors.ts'
import { append, lostAnswer, openTestLog, readAll, text, values, withFault } from './test-log.ts'
import type { TestLog } from './test-log.ts'

const code = (wanted: string) => expect.objectContaining({ code: wanted })

describeWith(['kafka'], 'Kafka producer session', (server) => {
  let at: TestLog
  beforeAll(() => { at = openTestLog(server('kafka').brokers) })
  afterAll(() => at.close())

  test('commit: several appends to several partitions → visible together, each with its base offset, in order', async () => {
    const topic = await at.topic(3)
    const session = await at.session()
    await session.append([{ topic, partition: 0, records: text('a', 'b') }, { topic, partition: 2, records: text('c') }, { topic, partition: 0, records: text('d') }])
    await session.append([{ topic, partition: 2, records: text('e', 'f') }])
    expect(await at.log.offsets(topic)).toEqual([{ partition: 0, start: 0, stable: 0, end: 3 }, { partition: 1, start: 0, stable: 0, end: 0 }, { partition: 2, start: 0, stable: 0, end: 3 }])
    expect(await readAll(at.log, topic, { open: true })).toEqual([])
    expect(values(await readAll(at.log, topic, { isolation: 'uncommitted' }))).toEqual(['a', 'b', 'd'])
    expect(await session.commit()).toEqual([{ topic, partition: 0, baseOffset: 0 }, { topic, partition: 2, baseOffset: 0 }, { topic, partition: 0, baseOffset: 2 }, { topic, partition: 2, baseOffset: 1 }])
    expect(values(await readAll(at.log, topic))).toEqual(['a', 'b', 'd'])
    expect(values(await readAll(at.log, topic, { partition: 2 }))).toEqual(['c', 'e', 'f'])
    expect(await session.commit()).toEqual([])
  })

  test('records: keys, null keys and values, headers, timestamps come back as they went', async () => {
    const topic = await at.topic()
    const session = await at.session()
    await session.append([{ topic, partition: 0, records: [{ key: 'k', value: 'ü😀', timestamp: 1_700_000_000_123, headers: { a: 'x', b: Buffer.from([0, 255]) } }, { key: null, value: null, timestamp: 5 }, { key: Buffer.alloc(0), value: Buffer.alloc(0) }] }])
    await session.commit()
    const [first, second, third] = await readAll(at.log, topic)
    expect(first).toMatchObject({ offset: 0, timestamp: 1_700_000_000_123, key: Buffer.from('k'), value: Buffer.from('ü😀') })
    expect({ ...first?.headers }).toEqual({ a: Buffer.from('x'), b: Buffer.from([0, 255]) })
    expect(second).toEqual({ offset: 1, timestamp: 5, key: null, value: null })
    expect(third).toMatchObject({ key: Buffer.alloc(0), value: Buffer.alloc(0) })
    expect(Math.abs((third?.timestamp ?? 0) - realClock.now())).toBeLessThan(60_000)
  })

  test.each([['producer', 'none'], ['zstd', 'zstd'], ['gzip', 'gzip'], ['lz4', 'lz4, by the broker']])('large append: 40,000 records to a topic with compression.type=%s (%s), max.message.bytes 100 kB → every record once, in order, in batches the topic takes', async (compression) => {
    const topic = await at.topic(1, { 'max.message.bytes': '100000', 'compression.type': compression })
    const session = await at.session()
    const records = Array.from({ length: 40_000 }, (_, index) => ({ key: `k${index}`, value: `value ${index} ${'x'.repeat(index % 50)}` }))
    await session.append([{ topic, partition: 0, records }, { topic, partition: 0, records: text('last') }])
    expect(await session.commit()).toEqual([{ topic, partition: 0, baseOffset: 0 }, { topic, partition: 0, baseOffset: 40_000 }])
    const read = await readAll(at.log, topic)
    expect(read.length).toBe(40_001)
    expect(read.findIndex(({ offset, key, value }, index) => offset !== index || (index < 40_000 && (String(key) !== records[index]?.key || String(value) !== records[index]?.value)))).toBe(-1)
  })

  test('a failed append: the session is dead, and a new one on a new id loses nothing (appended by the broker, refused to us, sent again)', async () => {
    const topic = await at.topic()
    const first = await at.session()
    await append(first, topic, 'batch1')
    await first.commit()
    {
      using _fault = withFault('Produce', async (real) => { await real(); throw brokerError(87, 'append') })
      await expect(append(first, topic, 'batch2')).rejects.toEqual(code('LOG_RECORD_INVALID'))
    }
    await expect(append(first, topic, 'batch2')).rejects.toEqual(code('LOG_CLOSED'))
    await expect(first.commit()).rejects.toEqual(code('LOG_CLOSED'))
    await at.log.fence(first.transactionalId)
    const second = await at.session()
    await append(second, topic, 'batch2')
    await append(second, topic, 'batch3')
    await second.commit()
    expect(values(await readAll(at.log, topic))).toEqual(['batch1', 'batch2', 'batch3'])
  })

  test('a lost answer to an append: nothing is sent a second time, in whatever partition', async () => {
    const topic = await at.topic(4)
    const session = await at.session()
    let sent = 0
    {
      using _fault = withFault('Produce', async (real) => { sent++; await real(); throw lostAnswer() })
      await expect(session.append([{ topic, partition: 1, records: text('once') }])).rejects.toEqual(code('LOG_UNAVAILABLE'))
    }
    expect(sent).toBe(1)
    expect((await at.log.offsets(topic)).map(({ end }) => end)).toEqual([0, 1, 0, 0])
    await at.log.fence(session.transactionalId)
    expect(await readAll(at.log, topic, { partition: 1 })).toEqual([])
  })

  test.each([
    ['no entry', []],
    ['two entries', [{ partition: 0, errorCode: 0, baseOffset: '0' }, { partition: 0, errorCode: 0, baseOffset: '0' }]],
    ['another partition', [{ partition: 1, errorCode: 0, baseOffset: '0' }]],
    ['one more partition', [{ partition: 0, errorCode: 0, baseOffset: '0' }, { partition: 1, errorCode: 0, baseOffset: '0' }]],
    ['no base offset', [{ partition: 0, errorCode: 0, baseOffset: '-1' }]],
  ])('an answer to an append with %s → INVARIANT_BROKEN, the session is dead', async (_what, partitions) => {
    const topic = await at.topic(2)
    const session = await at.session()
    {
      using _fault = withFault('Produce', async () => ({ topics: [{ topicName: topic, partitions }] }))
      await expect(append(session, topic, 'x')).rejects.toEqual(code('INVARIANT_BROKEN'))
    }
    await expect(session.commit()).rejects.toEqual(code('LOG_CLOSED'))
  })

  test('a lost answer to a commit → LOG_OUTCOME_UNKNOWN, the session is dead; after a fence the log says what happened', async () => {
    const topic = await at.topic()
    for (const happened of [true, false]) {
      const session = await at.session()
      await append(session, topic, `happened ${happened}`)
      let sent = 0
      {
        using _fault = withFault('EndTxn', async (real) => { sent++; if (happened) await real(); throw lostAnswer() })
        await expect(session.commit()).rejects.toEqual(code('LOG_OUTCOME_UNKNOWN'))
      }
      expect(sent).toBe(1)
      await expect(session.commit()).rejects.toEqual(code('LOG_CLOSED'))
      await expect(append(session, topic, 'more')).rejects.toEqual(code('LOG_CLOSED'))
      await at.log.fence(session.transactionalId)
    }
    expect(values(await readAll(at.log, topic))).toEqual(['happened true'])
  })

  test('an answer to a commit that we do not know → LOG_OUTCOME_UNKNOWN, not tried again', async () => {
    const topic = await at.topic()
    const session = await at.session()
    await append(session, topic, 'x')
    let sent = 0
    using _fault = withFault('EndTxn', async () => { sent++; return { throttleTime: 0, errorCode: 119 } })
    await expect(session.commit()).rejects.toEqual(code('LOG_OUTCOME_UNKNOWN'))
    expect(sent).toBe(1)
  })

  test.each([90, 47])('broker error %i (fenced) → LOG_FENCED', async (errorCode) => {
    const topic = await at.topic()
    const session = await at.session()
    await append(session, topic, 'x')
    using _fault = withFault('EndTxn', async () => ({ throttleTime: 0, errorCode }))
    await expect(session.commit()).rejects.toEqual(code('LOG_FENCED'))
  })

  test('fencing: a fenced owner can neither append nor commit; its open transaction is gone; readers go on at once', async () => {
    const topic = await at.topic()
    const [committing, appending, other] = [await at.session(), await at.session(), await at.session()]
    await append(committing, topic, 'open 1')
    await append(appending, topic, 'open 2')
    await append(other, topic, 'live')
    await other.commit()
    expect(await readAll(at.log, topic, { open: true })).toEqual([])
    await at.log.fence(committing.transactionalId)
    await at.log.fence(appending.transactionalId)
    expect(values(await readAll(at.log, topic))).toEqual(['live'])
    await expect(committing.commit()).rejects.toEqual(code('LOG_FENCED'))
    await expect(append(appending, topic, 'more')).rejects.toEqual(code('LOG_FENCED'))
    expect(values(await readAll(at.log, topic))).toEqual(['live'])
  })

  test('fencing: an open transaction on 8 partitions is fenced in tens of milliseconds, not in the hundreds of kafkajs', async () => {
    const topic = await at.topic(8)
    const took: number[] = []
    for (let round = 0; round < 12; round++) {
      const session = await at.session()
      await session.append(Array.from({ length: 8 }, (_, partition) => ({ topic, partition, records: text('x') })))
      const begin = realClock.monotonic()
      await at.log.fence(session.transactionalId)
      took.push(realClock.monotonic() - begin)
    }
    took.sort((a, b) => a - b)
    process.stdout.write(`fence of an open transaction on 8 partitions, ms: min ${took[0]?.toFixed(1)}, median ${took[6]?.toFixed(1)}, max ${took[11]?.toFixed(1)}\n`)
    // kafkajs waits for 300 ms, a fifth more or less, before it asks again: the quickest of its own would be later than this.
    expect(took[0]).toBeLessThan(200)
  })

  test('fencing: an id that was never used → void, its first owner initialises and commits', async () => {
    const topic = await at.topic()
    const session = at.log.session('log-kafka-test.never-used' as typeof other.transactionalId)
    const other = await at.session()
    await at.log.fence(session.transactionalId)
    await session.initialise()
    await append(session, topic, 'first')
    await session.commit()
    await session.close()
    expect(values(await readAll(at.log, topic))).toEqual(['first'])
  })

  test('too large: the record, the topic and the limit are named; nothing of it is in the log', async () => {
    const topic = await at.topic(2, { 'max.message.bytes': '10000' })
    const session = await at.session()
    await expect(session.append([{ topic, partition: 1, records: [...text('small'), { key: null, value: Buffer.alloc(20_000) }] }])).rejects.toMatchObject({ code: 'LOG_RECORD_TOO_LARGE', place: { topic, partition: 1 }, details: { maxMessageBytes: 10_000, valueBytes: 20_000 } })
  })

  test('missing topic or partition: named, and nothing is created', async () => {
    const [topic, session, another] = [await at.topic(), await at.session(), await at.session()]
    await expect(session.append([{ topic: `${topic}-missing`, partition: 0, records: text('x') }])).rejects.toMatchObject({ code: 'LOG_TOPIC_MISSING', place: { topic: `${topic}-missing` } })
    await expect(another.append([{ topic, partition: 1, records: text('x') }])).rejects.toMatchObject({ code: 'LOG_TOPIC_MISSING', place: { topic, partition: 1 } })
    expect(await at.log.describeTopics([`${topic}-missing`])).toEqual(new Map())
  })

  test('misuse: two callers at once, before initialise, after close → refused', async () => {
    const topic = await at.topic()
    const fresh = at.log.session('log-kafka-test.misused' as Awaited<ReturnType<TestLog['session']>>['transactionalId'])
    await expect(append(fresh, topic, 'x')).rejects.toEqual(code('LOG_SESSION_MISUSED'))
    await fresh.close()
    await expect(fresh.initialise()).rejects.toEqual(code('LOG_CLOSED'))
    const session = await at.session()
    const both = await Promise.allSettled([append(session, topic, 'x'), append(session, topic, 'y')])
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })
})
