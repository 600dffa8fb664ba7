// A reader when a broker's answers are wrong in part: the good partitions go on, the bad one is named, a hole is never passed in silence.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import type { FetchedPartition } from '@tidemark/base'
import { describeWith } from '../../../test/services/index.ts'
import { append, lostAnswer, openTestLog, settled, text, values, withFault } from './test-log.ts'
import type { TestLog } from './test-log.ts'
import type { FetchedSet } from './wire/fetch.ts'

type Answer = { partitions: FetchedSet[] }

/** Changes each fetch answer's entries of one partition. */
const withPartition = (partition: number, change: (set: FetchedSet) => FetchedSet): Disposable =>
  withFault('Fetch', async (real) => {
    const answer = await real() as Answer
    return { ...answer, partitions: answer.partitions.map((set) => (set.partition === partition ? change(set) : set)) }
  })

const COMMITTED = { isolation: 'committed', maxWaitMs: 300 } as const
const both = (topic: string) => [0, 1].map((partition) => ({ topic, partition, offset: 0, maxBytes: 1_000_000 }))
const seen = (fetched: readonly FetchedPartition[]) => fetched.toSorted((a, b) => a.partition - b.partition).map(({ partition, records }) => [partition, ...values(records)])

describeWith(['kafka'], 'Kafka reader, faulty answers', (server) => {
  let at: TestLog
  beforeAll(() => { at = openTestLog(server('kafka').brokers) })
  afterAll(() => at.close())

  const filled = async (): Promise<string> => {
    const topic = await at.topic(2)
    await at.log.write([0, 1].map((partition) => ({ topic, partition, records: text(`p${partition}`) })))
    return topic
  }

  test.each([3, 5, 6, 74, 78])('leader error %i of one partition: the other is answered, the first as soon as its leader is found', async (errorCode) => {
    const topic = await filled()
    const reader = at.reader()
    {
      using _fault = withPartition(0, (set) => ({ ...set, errorCode, set: Buffer.alloc(0) }))
      expect(seen(await reader.fetch(both(topic), COMMITTED))).toEqual([[1, 'p1']])
      expect(seen(await reader.fetch(both(topic).slice(0, 1), COMMITTED))).toEqual([])
    }
    expect(seen(await reader.fetch(both(topic).slice(0, 1), { ...COMMITTED, maxWaitMs: 5_000 }))).toEqual([[0, 'p0']])
  })

  test('a partition that stays unreadable: LOG_UNAVAILABLE names it after a while, the other is read in between', async () => {
    const fast = { ...realClock, monotonic: () => realClock.monotonic() * 50 }
    const hurried = openTestLog(server('kafka').brokers, { clock: fast })
    const topic = await filled()
    const reader = hurried.reader()
    using _fault = withPartition(0, (set) => ({ ...set, errorCode: 6, set: Buffer.alloc(0) }))
    let errors = 0
    let answers = 0
    while (errors < 2) {
      try {
        answers += (await reader.fetch(both(topic), COMMITTED)).length
      } catch (error) {
        expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE', place: { topic, partition: 0 } })
        errors++
      }
    }
    expect(answers).toBeGreaterThan(0)
    await hurried.close()
  })

  test('no right to read one partition: LOG_NOT_AUTHORISED names it', async () => {
    const topic = await filled()
    using _fault = withPartition(1, (set) => ({ ...set, errorCode: 29, set: Buffer.alloc(0) }))
    await expect(at.reader().fetch(both(topic), COMMITTED)).rejects.toMatchObject({ code: 'LOG_NOT_AUTHORISED', place: { topic, partition: 1 } })
  })

  test('connection lost in a fetch: the same call goes on over another one', async () => {
    const topic = await filled()
    let lost = 0
    using _fault = withFault('Fetch', async (real) => { if (lost++ === 0) throw lostAnswer(); return real() })
    expect(seen(await at.reader().fetch(both(topic), { ...COMMITTED, maxWaitMs: 5_000 }))).toEqual([[0, 'p0'], [1, 'p1']])
  })

  /** What a reader from 0 meets when the answer lacks the first of two batches: that holds offset 0, the second is its commit marker at 1. */
  const withHole = async (policy: string): Promise<{ readonly topic: string, readonly fetch: (gapless?: boolean) => Promise<FetchedPartition[]> }> => {
    const topic = await at.topic(1, { 'cleanup.policy': policy })
    const session = await at.session()
    for (const value of ['a', 'b']) {
      await session.append([{ topic, partition: 0, records: [{ key: value, value }] }])
      await session.commit()
    }
    await settled(at.log, topic)
    const reader = at.reader()
    return {
      topic,
      fetch: async (gapless = false) => {
        using _fault = withPartition(0, (set) => ({ ...set, set: set.set.subarray(12 + set.set.readInt32BE(8)) }))
        return await reader.fetch(both(topic).slice(0, 1).map((request) => ({ ...request, gapless })), { ...COMMITTED, maxWaitMs: 5_000 })
      },
    }
  }

  test.each([['delete', 'INVARIANT_BROKEN'], ['compact', undefined]])('a batch that is missing from the answer: cleanup.policy=%s → %s', async (policy, code) => {
    const { topic, fetch } = await withHole(policy)
    if (code === undefined) expect(seen(await fetch())).toEqual([[0, 'b']])
    else await expect(fetch()).rejects.toMatchObject({ code, place: { topic, partition: 0, offset: 0 }, details: { first: 0, last: 0 } })
  })

  test('the same of a compacted topic whose settings may not be read: it stops and asks for the right, and passes once that is given', async () => {
    const { topic, fetch } = await withHole('compact')
    {
      using _hidden = withFault('DescribeConfigs', async (real) => {
        const answer = await real() as { resources: { errorCode: number, configEntries: unknown[] }[] }
        return { ...answer, resources: answer.resources.map((one) => ({ ...one, errorCode: 29, configEntries: [] })) }
      })
      await expect(fetch()).rejects.toMatchObject({ code: 'LOG_GAP_UNEXPLAINED', action: 'fail-job', place: { topic, partition: 0, offset: 0 }, hint: expect.stringContaining('DescribeConfigs') })
    }
    expect(seen(await fetch())).toEqual([[0, 'b']])
  })

  test.each(['delete', 'compact'])('the same of a topic of which nothing may be missing, cleanup.policy=%s, and its settings may not be read: it is lost, whatever they say', async (policy) => {
    const { fetch } = await withHole(policy)
    using _hidden = withFault('DescribeConfigs', async () => { throw new RangeError('its settings are not asked for') })
    await expect(fetch(true)).rejects.toMatchObject({ code: 'INVARIANT_BROKEN', details: { first: 0, last: 0 }, message: expect.stringContaining('nothing of it is ever compacted away') })
  })

  test('a damaged batch: LOG_CODEC names the partition and the offset', async () => {
    const topic = await at.topic(1)
    const session = await at.session()
    await append(session, topic, 'damaged')
    await session.commit()
    await settled(at.log, topic)
    using _fault = withPartition(0, (set) => { const damaged = Buffer.from(set.set); damaged[70]! ^= 1; return { ...set, set: damaged } })
    await expect(at.reader().fetch(both(topic).slice(0, 1), { ...COMMITTED, maxWaitMs: 5_000 })).rejects.toMatchObject({ code: 'LOG_CODEC', place: { topic, partition: 0, offset: 0 } })
  })
})
