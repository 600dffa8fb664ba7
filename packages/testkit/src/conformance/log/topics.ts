// The log suite, topics: made, described, deleted, and never made by the way.
import { describe, expect, test } from '@jest/globals'
import { from, PATIENCE_MS, to, useFixture } from './fixture.ts'
import type { MakeLog } from './fixture.ts'

export const topicTests = (makeLog: MakeLog): void => describe('topics', () => {
  const at = useFixture(makeLog)

  test('check: this log carries the guarantees → resolves', async () => {
    await expect(at().log.check()).resolves.toBeUndefined()
  })

  test('create: several at once, and again → usable at once, and no error', async () => {
    const specs = [{ topic: at().topicName(), partitions: 3 }, { topic: at().topicName(), partitions: 1, config: { 'retention.ms': '-1', 'cleanup.policy': 'delete' } }]
    await at().log.createTopics(specs)
    await at().log.write(specs.map(({ topic, partitions }) => to(topic, partitions - 1, 'x')))
    await at().log.createTopics(specs)
    for (const { topic, partitions } of specs) expect(await at().log.offsets(topic, [partitions - 1])).toEqual([{ partition: partitions - 1, start: 0, stable: 1, end: 1 }])
    await at().log.createTopics([])
  })

  test('create: an existing one with another partition count → LOG_TOPIC_EXISTS, and it stays as it was', async () => {
    const topic = await at().topic(2)
    for (const partitions of [1, 3]) await expect(at().log.createTopics([{ topic, partitions }])).rejects.toMatchObject({ code: 'LOG_TOPIC_EXISTS', blame: 'user', action: 'fail-job', place: { topic } })
    expect((await at().log.describeTopics([topic])).get(topic)?.partitions).toBe(2)
  })

  test('create: a name or a count that no log takes → LOG_TOPIC_INVALID', async () => {
    for (const wrong of [{ topic: 'no spaces', partitions: 1 }, { topic: '..', partitions: 1 }, { topic: at().unused(), partitions: 0 }]) await expect(at().log.createTopics([wrong])).rejects.toMatchObject({ code: 'LOG_TOPIC_INVALID' })
  })

  test('describe: only what exists, with its limit for records', async () => {
    const [topic, missing] = [await at().topic(3, { 'max.message.bytes': '123456', 'retention.ms': '-1' }), at().unused()]
    // The one log without open transactions is the one that keeps everything once.
    const replicas = at().log.hasOpenTransactions ? { replicationFactor: expect.any(Number) } : {}
    expect([...await at().log.describeTopics([topic, missing])]).toEqual([[topic, { topic, partitions: 3, compacted: false, maxMessageBytes: 123_456, retentionMs: -1, ...replicas }]])
    expect(await at().log.describeTopics([])).toEqual(new Map())
  })

  test('list: made ones are in it, deleted ones are not', async () => {
    const [kept, deleted] = [await at().topic(), await at().topic()]
    expect(await at().log.listTopics()).toEqual(expect.arrayContaining([kept, deleted]))
    await at().log.deleteTopics([deleted])
    const left = await at().log.listTopics()
    expect([left.includes(kept), left.includes(deleted)]).toEqual([true, false])
  })

  test('delete: gone when it resolves, missing ones are no error, made anew it begins at 0', async () => {
    const topic = await at().topic(2)
    await at().log.write([to(topic, 0, 'old', 'older'), to(topic, 1, 'old')])
    await at().log.deleteTopics([topic, at().unused()])
    expect(await at().log.describeTopics([topic])).toEqual(new Map())
    await at().log.deleteTopics([topic])
    await at().log.createTopics([{ topic, partitions: 1 }])
    expect(await at().log.offsets(topic)).toEqual([{ partition: 0, start: 0, stable: 0, end: 0 }])
    await at().committed(to(topic, 0, 'new'))
    expect(await at().values(topic)).toEqual(['new'])
  })

  test('missing topic: every call says LOG_TOPIC_MISSING and its name, none creates it', async () => {
    const topic = at().unused()
    const session = await at().session()
    const appended = session.append([to(topic, 0, 'x')]).then(() => session.commit())
    const expected = { code: 'LOG_TOPIC_MISSING', blame: 'user', action: 'fail-job', place: { topic } }
    await Promise.all([appended, at().log.offsets(topic), at().log.write([to(topic, 0, 'x')]), at().log.trim(topic, 0, 0), at().reader().fetch([from(topic, 0)], { isolation: 'committed', maxWaitMs: PATIENCE_MS })].map((call) => expect(call).rejects.toMatchObject(expected)))
    expect(await at().log.describeTopics([topic])).toEqual(new Map())
    expect(await at().log.listTopics()).not.toContain(topic)
  })

  test('missing partition → LOG_TOPIC_MISSING with both', async () => {
    const topic = await at().topic(2)
    const session = await at().session()
    const appended = session.append([to(topic, 2, 'x')]).then(() => session.commit())
    const expected = { code: 'LOG_TOPIC_MISSING', place: { topic, partition: 2 } }
    await Promise.all([appended, at().log.offsets(topic, [2]), at().log.write([to(topic, 2, 'x')]), at().log.trim(topic, 2, 0), at().reader().fetch([from(topic, 0, { partition: 2 })], { isolation: 'committed', maxWaitMs: PATIENCE_MS })].map((call) => expect(call).rejects.toMatchObject(expected)))
  })

  test('offsets: all partitions in order, or those asked for', async () => {
    const topic = await at().topic(3)
    await at().log.write([to(topic, 1, 'a', 'b')])
    const empty = { start: 0, stable: 0, end: 0 }
    expect(await at().log.offsets(topic)).toEqual([{ partition: 0, ...empty }, { partition: 1, start: 0, stable: 2, end: 2 }, { partition: 2, ...empty }])
    expect(await at().log.offsets(topic, [1])).toEqual([{ partition: 1, start: 0, stable: 2, end: 2 }])
  })

  test('partitionFor: in range, the same each time, spread over all', () => {
    const keys = Array.from({ length: 1_000 }, (_, index) => Buffer.from(`u${index}`))
    const places = keys.map((key) => at().log.partitionFor(key, 7))
    expect(new Set(places)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6]))
    expect(keys.map((key) => at().log.partitionFor(key, 7))).toEqual(places)
  })

  test('mirrored positions: of known and unknown groups, forwards and back → no error, and nothing moves', async () => {
    const [topic, group] = [await at().topic(2), at().unused()]
    await at().log.write([to(topic, 0, 'a', 'b')])
    await at().log.mirrorPositions(group, [{ topic, partition: 0, nextOffset: 2 }, { topic, partition: 1, nextOffset: 0 }])
    await at().log.mirrorPositions(group, [{ topic, partition: 0, nextOffset: 1 }])
    expect(await at().values(topic)).toEqual(['a', 'b'])
  })
})
