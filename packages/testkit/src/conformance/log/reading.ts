// The log suite, reading: the caller owns the positions, every answer continues them, and a fetch that finds nothing waits.
import { describe, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import type { LogRecord } from '@tidemark/base'
import { from, incompressible, PATIENCE_MS, texts, to, useFixture, valuesOf } from './fixture.ts'
import type { MakeLog } from './fixture.ts'

/** For what is refused: the answer comes at once, but perhaps not at the first try. */
const SOON = { isolation: 'committed', maxWaitMs: PATIENCE_MS } as const
const NOW = { isolation: 'committed', maxWaitMs: 0 } as const
const LONG = { isolation: 'committed', maxWaitMs: 60_000 } as const

export const readingTests = (makeLog: MakeLog): void => describe('reading', () => {
  const at = useFixture(makeLog)

  test('records come back as they were written: keys, values, null, empty, headers, timestamps', async () => {
    const topic = await at().topic()
    const before = realClock.now()
    const bytes = Buffer.from([0, 255, 128, 1])
    await at().log.write([{ topic, partition: 0, records: [
      { key: 'käy', value: 'välue €', timestamp: 1_700_000_000_123, headers: { text: 'ü', bytes, empty: '' } },
      { key: bytes, value: bytes, timestamp: 0 },
      { key: null, value: null, timestamp: 1 },
      { key: '', value: Buffer.alloc(0), timestamp: 2 },
      { key: null, value: 'now' },
    ] }])
    const plain = ({ offset, timestamp, key, value, headers = {} }: LogRecord) => ({ offset, timestamp, key: key && [...key], value: value && [...value], headers: Object.fromEntries(Object.entries(headers).map(([name, data]) => [name, [...data]])) })
    const records = (await at().read(topic)).map(plain)
    const utf8 = (text: string): number[] => [...Buffer.from(text)]
    expect(records.slice(0, 4)).toEqual([
      { offset: 0, timestamp: 1_700_000_000_123, key: utf8('käy'), value: utf8('välue €'), headers: { text: utf8('ü'), bytes: [...bytes], empty: [] } },
      { offset: 1, timestamp: 0, key: [...bytes], value: [...bytes], headers: {} },
      { offset: 2, timestamp: 1, key: null, value: null, headers: {} },
      { offset: 3, timestamp: 2, key: [], value: [], headers: {} },
    ])
    expect(records[4]?.timestamp).toBeGreaterThanOrEqual(Math.floor(before))
    expect(records[4]?.timestamp).toBeLessThanOrEqual(realClock.now())
  })

  test('position: from each offset, inside and between appends → exactly what is at and above it', async () => {
    const topic = await at().topic()
    for (const values of [['a', 'b', 'c'], ['d'], ['e', 'f']]) await at().log.write([to(topic, 0, ...values)])
    await at().expectCommittedFromEveryOffset(topic, ['a', 'b', 'c', 'd', 'e', 'f'])
    expect(await at().values(topic, { isolation: 'uncommitted', start: 2 })).toEqual(['c', 'd', 'e', 'f'])
  })

  test('answer: tells start and stable offset, and where to read on', async () => {
    const topic = await at().topic()
    await at().log.write([to(topic, 0, 'a', 'b', 'c')])
    expect(await at().fetchOne(at().reader(), from(topic, 1))).toMatchObject({ fromOffset: 1, nextOffset: 3, startOffset: 0, stableOffset: 3 })
  })

  test('positions are the caller\'s (two partitions, in turn, back and forth) → each fetch answers what was asked, whatever was asked before', async () => {
    const topic = await at().topic(2)
    for (let round = 0; round < 10; round += 1) await at().log.write([to(topic, 0, `a${round}`), to(topic, 1, `b${round}`)])
    const reader = at().reader()
    for (const [partition, offset] of [[0, 0], [1, 5], [0, 9], [1, 0], [0, 3], [0, 2], [1, 9], [1, 8]] as const) {
      const fetched = await at().fetchOne(reader, from(topic, offset, { partition, maxBytes: 1 }))
      expect(String(fetched.records[0]?.value)).toBe(`${'ab'[partition]}${offset}`)
    }
    // One fetch for both, then one position set back and the other partition left out, then both again.
    const both = await reader.fetch([from(topic, 0), from(topic, 0, { partition: 1 })], { isolation: 'committed', maxWaitMs: PATIENCE_MS })
    expect(both.length).toBeGreaterThan(0)
    expect(valuesOf((await at().fetchOne(reader, from(topic, 7))).records)).toEqual(['a7', 'a8', 'a9'])
    const position = [4, 6]
    const seen: string[][] = [[], []]
    while (position.some((offset) => offset < 10)) {
      const requests = [0, 1].filter((partition) => position[partition]! < 10).map((partition) => from(topic, position[partition]!, { partition }))
      for (const { partition, fromOffset, nextOffset, records } of await reader.fetch(requests, { isolation: 'committed', maxWaitMs: PATIENCE_MS })) {
        expect(fromOffset).toBe(position[partition])
        position[partition] = nextOffset
        seen[partition]?.push(...valuesOf(records))
      }
    }
    expect(seen).toEqual([['a4', 'a5', 'a6', 'a7', 'a8', 'a9'], ['b6', 'b7', 'b8', 'b9']])
  })

  test('several topics and partitions at once → answers only for those with something to say', async () => {
    const [one, other] = [await at().topic(2), await at().topic()]
    await at().log.write([to(one, 1, 'x')])
    const answers = await at().reader().fetch([from(one, 0), from(one, 0, { partition: 1 }), from(other, 0)], { isolation: 'committed', maxWaitMs: PATIENCE_MS })
    expect(answers.map(({ topic, partition, records }) => [topic, partition, ...valuesOf(records)])).toEqual([[one, 1, 'x']])
    expect(await at().reader().fetch([], NOW)).toEqual([])
  })

  test('maxBytes: bounds an answer softly, and one larger batch is answered all the same', async () => {
    const topic = await at().topic()
    const value = incompressible(20_000)
    for (let index = 0; index < 10; index += 1) await at().log.write([{ topic, partition: 0, records: [{ key: String(index), value }] }])
    const { records } = await at().fetchOne(at().reader(), from(topic, 0, { maxBytes: 50_000 }))
    expect(records.length).toBeGreaterThanOrEqual(1)
    expect(records.length).toBeLessThanOrEqual(3)
    expect((await at().read(topic, { maxBytes: 1 })).map(({ key }) => String(key))).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
  })

  test('nothing to read → an empty answer, not before maxWaitMs', async () => {
    const topic = await at().topic()
    const begun = realClock.monotonic()
    expect(await at().reader().fetch([from(topic, 0)], { isolation: 'committed', maxWaitMs: 60 })).toEqual([])
    const waited = realClock.monotonic() - begun
    expect(waited).toBeGreaterThan(55)
    expect(waited).toBeLessThan(PATIENCE_MS)
    expect(await at().reader().fetch([from(topic, 0)], NOW)).toEqual([])
  })

  test('answerQuiet → an empty answer for what was looked at and has ended, not before maxWaitMs, and none where a transaction is open', async () => {
    const topic = await at().topic(2)
    await at().log.write([to(topic, 0, 'x')])
    const [reader, begun] = [at().reader(), realClock.monotonic()]
    const quiet = await reader.fetch([from(topic, 1), from(topic, 0, { partition: 1 })], { isolation: 'committed', maxWaitMs: 60, answerQuiet: true })
    expect(realClock.monotonic() - begun).toBeGreaterThan(55)
    expect(quiet).toEqual([[0, 1], [1, 0]].map(([partition, offset]) => ({ topic, partition, fromOffset: offset, nextOffset: offset, records: [], startOffset: 0, stableOffset: offset })))
    const answers = await reader.fetch([from(topic, 0), from(topic, 0, { partition: 1 })], { isolation: 'committed', maxWaitMs: PATIENCE_MS, answerQuiet: true })
    expect(valuesOf(answers.flatMap(({ records }) => records))).toEqual(['x'])
    const session = await at().session()
    await session.append([to(topic, 1, 'open')])
    const during = await reader.fetch([from(topic, 1), from(topic, 0, { partition: 1 })], { isolation: 'committed', maxWaitMs: 60, answerQuiet: true })
    expect(during.map(({ partition }) => partition)).toEqual(at().log.hasOpenTransactions ? [0] : [0, 1])
    await session.commit()
    const partition = await at().fetchOne(reader, from(topic, 0, { partition: 1 }))
    expect(valuesOf(partition.records)).toEqual(['open'])
  })

  test('a waiting fetch, then data in one of its partitions → answered long before maxWaitMs', async () => {
    const topic = await at().topic(2)
    const reader = at().reader()
    for (const [offset, how] of [[0, 'write'], [1, 'commit']] as const) {
      const waiting = reader.fetch([from(topic, 0), from(topic, offset, { partition: 1 })], LONG)
      let answered = false
      void waiting.then(() => { answered = true })
      await realClock.sleep(20)
      expect(answered).toBe(false)
      const begun = realClock.monotonic()
      if (how === 'write') await at().log.write([to(topic, 1, how)])
      else await at().committed(to(topic, 1, how))
      expect((await waiting).map(({ partition, records }) => [partition, ...valuesOf(records)])).toEqual([[1, how]])
      expect(realClock.monotonic() - begun).toBeLessThan(PATIENCE_MS)
    }
  })

  test('signal: aborted before or while waiting → rejects with its reason, the reader goes on', async () => {
    const topic = await at().topic()
    const [reader, control] = [at().reader(), new AbortController()]
    const waiting = reader.fetch([from(topic, 0)], { ...LONG, signal: control.signal })
    control.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await expect(reader.fetch([from(topic, 0)], { ...LONG, signal: control.signal })).rejects.toThrow('enough')
    await at().log.write([to(topic, 0, 'x')])
    expect(valuesOf((await at().fetchOne(reader, from(topic, 0))).records)).toEqual(['x'])
  })

  test('two fetches at once on one reader → refused, the first goes on', async () => {
    const topic = await at().topic()
    const reader = at().reader()
    const waiting = reader.fetch([from(topic, 0)], LONG)
    await expect(reader.fetch([from(topic, 0)], NOW)).rejects.toMatchObject({ code: 'LOG_READER_MISUSED', blame: 'bug' })
    await at().log.write([to(topic, 0, 'x')])
    expect(await waiting).toHaveLength(1)
  })

  test('closed: reader, then the log → LOG_CLOSED, also for the fetch that waits', async () => {
    const topic = await at().topic()
    const reader = at().reader()
    const waiting = reader.fetch([from(topic, 0)], LONG)
    await reader.close()
    await reader.close()
    await expect(waiting).rejects.toMatchObject({ code: 'LOG_CLOSED' })
    await expect(reader.fetch([from(topic, 0)], NOW)).rejects.toMatchObject({ code: 'LOG_CLOSED' })
    const another = await makeLog()
    await another.log.listTopics()
    await another.log.close()
    await expect(another.log.listTopics()).rejects.toMatchObject({ code: 'LOG_CLOSED' })
    await another.close()
  })

  test('outside the log, beyond its end → LOG_OUT_OF_RANGE with start, end and what was asked, never a jump', async () => {
    const topic = await at().topic()
    await at().log.write([to(topic, 0, 'a', 'b')])
    for (const isolation of ['committed', 'uncommitted'] as const) {
      for (const requested of [3, Number.MAX_SAFE_INTEGER]) {
        await expect(at().reader().fetch([from(topic, requested)], { isolation, maxWaitMs: PATIENCE_MS })).rejects.toMatchObject({ code: 'LOG_OUT_OF_RANGE', action: 'fail-job', place: { topic, partition: 0, offset: requested }, details: { requested, start: 0, end: 2 } })
      }
    }
    expect(await at().reader().fetch([from(topic, 2)], NOW)).toEqual([])
  })

  test('offsets that no number holds exactly → refused, not rounded', async () => {
    const topic = await at().topic()
    for (const offset of [2 ** 53, -1, 0.5]) {
      await expect(at().reader().fetch([from(topic, offset)], SOON)).rejects.toThrow()
      await expect(at().log.trim(topic, 0, offset)).rejects.toThrow()
    }
  })

  test('trim: the start moves, also into the middle of an append; below it LOG_OUT_OF_RANGE, from it on all is there', async () => {
    const topic = await at().topic(2)
    await at().log.write([to(topic, 1, 'a', 'b', 'c', 'd')])
    await at().log.write([to(topic, 1, 'e', 'f')])
    for (const [before, left] of [[2, ['c', 'd', 'e', 'f']], [5, ['f']]] as const) {
      await at().log.trim(topic, 1, before)
      expect(await at().log.offsets(topic)).toEqual([{ partition: 0, start: 0, stable: 0, end: 0 }, { partition: 1, start: before, stable: 6, end: 6 }])
      await expect(at().reader().fetch([from(topic, before - 1, { partition: 1 })], SOON)).rejects.toMatchObject({ code: 'LOG_OUT_OF_RANGE', details: { requested: before - 1, start: before, end: 6 } })
      expect(await at().values(topic, { partition: 1, start: before })).toEqual(left)
    }
    await at().log.trim(topic, 1, 3)
    await at().log.trim(topic, 1, 5)
    expect(await at().log.offsets(topic, [1])).toEqual([{ partition: 1, start: 5, stable: 6, end: 6 }])
  })

  test('trim: to the end → empty, and it goes on from there; beyond the end → LOG_OUT_OF_RANGE, nothing trimmed', async () => {
    const topic = await at().topic()
    await at().log.write([to(topic, 0, 'a', 'b')])
    await expect(at().log.trim(topic, 0, 3)).rejects.toMatchObject({ code: 'LOG_OUT_OF_RANGE' })
    expect(await at().values(topic)).toEqual(['a', 'b'])
    await at().log.trim(topic, 0, 2)
    expect(await at().log.offsets(topic)).toEqual([{ partition: 0, start: 2, stable: 2, end: 2 }])
    expect(await at().log.write([to(topic, 0, 'c')])).toEqual([{ topic, partition: 0, baseOffset: 2 }])
    expect(await at().values(topic, { start: 2 })).toEqual(['c'])
  })

  test('a topic deleted while a fetch waits → LOG_TOPIC_MISSING or an empty answer, not data', async () => {
    const topic = await at().topic()
    const waiting = at().reader().fetch([from(topic, 0)], { isolation: 'committed', maxWaitMs: 1_500 }).then((answers) => answers.length, (error: unknown) => error)
    await at().log.deleteTopics([topic])
    expect([0, expect.objectContaining({ code: 'LOG_TOPIC_MISSING' })]).toContainEqual(await waiting)
  })

  test('a topic deleted and made anew, longer than the position → LOG_TOPIC_REPLACED to who read the old one, never a record of the new; another reader reads it', async () => {
    const topic = await at().topic()
    await at().log.write([to(topic, 0, 'old 0', 'old 1')])
    const reader = at().reader()
    expect(valuesOf((await reader.fetch([from(topic, 0)], SOON))[0]?.records ?? [])).toEqual(['old 0', 'old 1'])
    await at().log.deleteTopics([topic])
    await at().log.createTopics([{ topic, partitions: 1 }])
    await at().log.write([to(topic, 0, 'new 0', 'new 1', 'new 2', 'new 3')])
    await expect(reader.fetch([from(topic, 2)], SOON)).rejects.toMatchObject({ code: 'LOG_TOPIC_REPLACED', place: { topic } })
    expect(await at().values(topic)).toEqual(['new 0', 'new 1', 'new 2', 'new 3'])
  })

  test('many records in one append → all, in order, at the offsets that follow its base', async () => {
    const topic = await at().topic()
    const values = Array.from({ length: 5_000 }, (_, index) => `value ${index}`)
    await at().log.write([to(topic, 0, 'first')])
    expect(await at().log.write([{ topic, partition: 0, records: texts(...values) }])).toEqual([{ topic, partition: 0, baseOffset: 1 }])
    const records = await at().read(topic, { start: 1 })
    expect(valuesOf(records)).toEqual(values)
    expect(records.map(({ offset }) => offset)).toEqual(values.map((_, index) => index + 1))
  })
})
