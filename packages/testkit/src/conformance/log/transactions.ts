// The log suite, transactions: all of one or nothing, base offsets in order, and what an open one holds back.
import { describe, expect, test } from '@jest/globals'
import { from, incompressible, texts, to, useFixture, valuesOf } from './fixture.ts'
import type { LogFixture, MakeLog } from './fixture.ts'

const NOW = { isolation: 'committed', maxWaitMs: 0 } as const

export const transactionTests = (makeLog: MakeLog, hasOpenTransactions: boolean): void => describe('transactions', () => {
  const at = useFixture(makeLog)

  test('hasOpenTransactions → as this suite was told', () => {
    expect(at().log.hasOpenTransactions).toBe(hasOpenTransactions)
  })

  test('commit: over topics and partitions → all there, in order; one base offset per append, in the order of the appends', async () => {
    const [one, other] = [await at().topic(2), await at().topic()]
    await at().log.write([to(one, 1, 'before', 'before too')])
    const session = await at().session()
    await session.append([to(one, 1, 'a', 'b'), to(other, 0, 'c'), to(one, 1, 'd'), to(one, 0, 'e')])
    await session.append([to(one, 1, 'f')])
    expect(await session.commit()).toEqual([
      { topic: one, partition: 1, baseOffset: 2 }, { topic: other, partition: 0, baseOffset: 0 }, { topic: one, partition: 1, baseOffset: 4 }, { topic: one, partition: 0, baseOffset: 0 }, { topic: one, partition: 1, baseOffset: 5 },
    ])
    expect(await at().values(one, { partition: 1 })).toEqual(['before', 'before too', 'a', 'b', 'd', 'f'])
    expect(await at().values(one, { partition: 0 })).toEqual(['e'])
    expect(await at().values(other)).toEqual(['c'])
  })

  test('commit: base offsets are where the records are, also of appends that need many batches', async () => {
    const topic = await at().topic(1, { 'max.message.bytes': '20000' })
    const value = incompressible(3_000)
    const session = await at().session()
    const big = (name: string) => ({ topic, partition: 0, records: Array.from({ length: 20 }, (_, index) => ({ key: `${name}${index}`, value })) })
    await session.append([big('a'), to(topic, 0, 'x'), big('b')])
    const appended = await session.commit()
    const records = await at().read(topic)
    expect(records.map(({ key, value: found }) => String(key ?? found))).toEqual([...Array.from({ length: 20 }, (_, i) => `a${i}`), 'x', ...Array.from({ length: 20 }, (_, i) => `b${i}`)])
    expect(appended.map(({ baseOffset }) => baseOffset)).toEqual([records[0]?.offset, records[20]?.offset, records[21]?.offset])
  })

  test('session: many transactions one after the other → each answers its own appends; an empty commit answers none', async () => {
    const topic = await at().topic()
    const session = await at().session()
    expect(await session.commit()).toEqual([])
    await session.append([])
    expect(await session.commit()).toEqual([])
    const bases: number[] = []
    for (let index = 0; index < 20; index += 1) {
      await session.append([to(topic, 0, `a${index}`)])
      const appended = await session.commit()
      expect(appended).toHaveLength(1)
      bases.push(appended[0]?.baseOffset ?? -1)
    }
    const records = await at().read(topic)
    expect(valuesOf(records)).toEqual(Array.from({ length: 20 }, (_, index) => `a${index}`))
    expect(records.map(({ offset }) => offset)).toEqual(bases)
  })

  test('before the commit: committed readers see nothing of it; after it, all', async () => {
    const topic = await at().topic(2)
    const session = await at().session()
    await session.append([to(topic, 0, 'a'), to(topic, 1, 'b')])
    const requests = [from(topic, 0), from(topic, 0, { partition: 1 })]
    expect(await at().reader().fetch(requests, { isolation: 'committed', maxWaitMs: 30 })).toEqual([])
    expect((await at().log.offsets(topic)).map(({ stable }) => stable)).toEqual([0, 0])
    await session.commit()
    expect([await at().values(topic), await at().values(topic, { partition: 1 })]).toEqual([['a'], ['b']])
  })

  test('atomic: a transaction of which one append is refused → nothing of it, in no partition', async () => {
    const [topic, small] = [await at().topic(2), await at().topic(1, { 'max.message.bytes': '1000' })]
    const session = await at().session()
    await session.append([to(topic, 0, 'lost'), to(topic, 1, 'lost')])
    await expect(session.append([to(topic, 0, 'lost too'), { topic: small, partition: 0, records: [{ key: null, value: incompressible(5_000) }] }])).rejects.toMatchObject({ code: 'LOG_RECORD_TOO_LARGE', place: { topic: small, partition: 0 } })
    await at().log.fence(session.transactionalId)
    await at().committed(to(topic, 0, 'kept'), to(topic, 1, 'kept'), to(small, 0, 'kept'))
    for (const [name, partition] of [[topic, 0], [topic, 1], [small, 0]] as const) expect(await at().values(name, { partition })).toEqual(['kept'])
  })

  test('large records: up to the limit of the topic they pass, several larger than it together too, one beyond it is LOG_RECORD_TOO_LARGE', async () => {
    const bytesMax = 100_000
    const topic = await at().topic(1, { 'max.message.bytes': String(bytesMax) })
    // What is left of the limit is for the framing of a batch and a record.
    const value = incompressible(bytesMax - 300)
    await at().committed({ topic, partition: 0, records: [{ key: 'a', value }, { key: 'b', value }, { key: 'c', value }] })
    await at().log.write([{ topic, partition: 0, records: [{ key: 'd', value }] }])
    const beyond = { topic, partition: 0, records: [{ key: 'e', value: incompressible(bytesMax + 1) }] }
    const session = await at().session()
    const expected = { code: 'LOG_RECORD_TOO_LARGE', blame: 'user', place: { topic, partition: 0 } }
    await expect(session.append([beyond]).then(() => session.commit())).rejects.toMatchObject(expected)
    await at().log.fence(session.transactionalId)
    await expect(at().log.write([beyond])).rejects.toMatchObject(expected)
    const records = await at().read(topic, { maxBytes: 1_000 })
    expect(records.map(({ key, value: found }) => [String(key), found?.equals(value)])).toEqual([['a', true], ['b', true], ['c', true], ['d', true]])
  })

  test('write: outside any transaction, in order, one base offset per write, visible at once', async () => {
    const topic = await at().topic(2)
    expect(await at().log.write([to(topic, 1, 'a', 'b'), to(topic, 0, 'c'), to(topic, 1, 'd')])).toEqual([{ topic, partition: 1, baseOffset: 0 }, { topic, partition: 0, baseOffset: 0 }, { topic, partition: 1, baseOffset: 2 }])
    expect(valuesOf((await at().fetchOne(at().reader(), from(topic, 0, { partition: 1 }))).records)).toEqual(['a', 'b', 'd'])
    expect(await at().log.write([])).toEqual([])
  })

  if (hasOpenTransactions) openTests(at)
})

const openTests = (at: () => LogFixture): void => {
  test('open transaction: holds the stable offset of its partitions, of no other; uncommitted readers see it', async () => {
    const topic = await at().topic(2)
    await at().log.write([to(topic, 0, 'before'), to(topic, 1, 'before')])
    const session = await at().session()
    await session.append([to(topic, 0, 'open')])
    await at().log.write([to(topic, 0, 'after'), to(topic, 1, 'after')])
    await at().committed(to(topic, 0, 'committed after'))
    await at().until('the later transaction is committed', async () => (await at().log.offsets(topic, [0]))[0]?.end === 5)
    expect(await at().log.offsets(topic)).toEqual([{ partition: 0, start: 0, stable: 1, end: 5 }, { partition: 1, start: 0, stable: 2, end: 2 }])
    expect(await at().values(topic, { open: true })).toEqual(['before'])
    expect(await at().reader().fetch([from(topic, 1)], { isolation: 'committed', maxWaitMs: 30 })).toEqual([])
    expect(await at().reader().fetch([from(topic, 3)], NOW)).toEqual([])
    expect(await at().values(topic, { isolation: 'uncommitted' })).toEqual(['before', 'open', 'after', 'committed after'])
    expect(await at().values(topic, { partition: 1 })).toEqual(['before', 'after'])
    await session.commit()
    expect(await at().values(topic)).toEqual(['before', 'open', 'after', 'committed after'])
  })

  test('stable offset: two open, the older ends first → it moves to the first record of the younger', async () => {
    const topic = await at().topic()
    const [older, younger] = [await at().session(), await at().session()]
    await older.append([to(topic, 0, 'o0')])
    await younger.append([to(topic, 0, 'y1')])
    await older.append([to(topic, 0, 'o2')])
    await older.commit()
    await at().until('the older one is committed', async () => (await at().log.offsets(topic))[0]?.stable === 1)
    expect(await at().values(topic, { open: true })).toEqual(['o0'])
    await at().log.fence(younger.transactionalId)
    expect(await at().values(topic)).toEqual(['o0', 'o2'])
  })

  test('end of a transaction: one offset without a record in each partition it touched, passed by every reader', async () => {
    const topic = await at().topic(3)
    const session = await at().session()
    await session.append([to(topic, 0, 'a'), to(topic, 1, 'b', 'c')])
    await session.commit()
    await session.append([to(topic, 0, 'd')])
    await session.commit()
    expect([await at().settled(topic, 0), await at().settled(topic, 1), await at().settled(topic, 2)]).toEqual([4, 3, 0])
    expect((await at().read(topic)).map(({ offset, value }) => [offset, String(value)])).toEqual([[0, 'a'], [2, 'd']])
    for (const isolation of ['committed', 'uncommitted'] as const) {
      const fetched = await at().fetchOne(at().reader(), from(topic, 3), isolation)
      expect([fetched.records, fetched.nextOffset]).toEqual([[], 4])
    }
  })

  test('a waiting committed reader, then a commit → woken; a fence → woken past what it aborted', async () => {
    const topic = await at().topic()
    const reader = at().reader()
    const [one, other] = [await at().session(), await at().session()]
    await one.append([to(topic, 0, 'a')])
    const committed = reader.fetch([from(topic, 0)], { isolation: 'committed', maxWaitMs: 60_000 })
    await one.commit()
    expect((await committed).flatMap(({ records }) => valuesOf(records))).toEqual(['a'])
    expect(await at().settled(topic)).toBe(2)
    await other.append([{ topic, partition: 0, records: texts('b', 'c') }])
    const aborted = reader.fetch([from(topic, 2)], { isolation: 'committed', maxWaitMs: 60_000 })
    await at().log.fence(other.transactionalId)
    for (let offset = 2, answers = await aborted; ; answers = await reader.fetch([from(topic, offset)], { isolation: 'committed', maxWaitMs: 60_000 })) {
      expect(answers.map(({ records }) => records)).toEqual([[]])
      offset = answers[0]?.nextOffset ?? 0
      if (offset === 5) break
    }
  })
}
