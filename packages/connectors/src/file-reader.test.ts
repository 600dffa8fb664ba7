// Files read as a log.
import { appendFile, mkdir, mkdtemp, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { realClock, TidemarkError } from '@tidemark/base'
import type { FetchedPartition, LogReader } from '@tidemark/base'
import { openFileReader } from './file-reader.ts'

let folder = ''
let path = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-file-reader-'))
  path = join(folder, 'events.ndjson')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const reader = (lineBytesMax?: number): LogReader => openFileReader({ clock: realClock, ...(lineBytesMax === undefined ? {} : { lineBytesMax }) })
const fetchAt = (from: LogReader, offset: number, maxBytes = 1 << 20, maxWaitMs = 0): Promise<FetchedPartition[]> =>
  from.fetch([{ topic: path, partition: 0, offset, maxBytes }], { isolation: 'committed', maxWaitMs })
const values = (fetched: readonly FetchedPartition[]): string[] => fetched.flatMap(({ records }) => records.map(({ value }) => String(value)))
const failure = async (promise: Promise<unknown>): Promise<TidemarkError> => {
  const error = await promise.then(() => undefined, (reason: unknown) => reason)
  expect(error).toBeInstanceOf(TidemarkError)
  return error as TidemarkError
}

describe('file reader: lines', () => {
  test('lines → offsets from 0, no key, the file\'s time, the end known', async () => {
    await writeFile(path, '{"a":1}\n{"a":2}\n{"a":3}\n')
    await utimes(path, 1_700_000_000, 1_700_000_000)
    const record = (offset: number) => ({ offset, timestamp: 1_700_000_000_000, key: null, value: Buffer.from(`{"a":${offset + 1}}`) })
    expect(await fetchAt(reader(), 0)).toEqual([{ topic: path, partition: 0, fromOffset: 0, records: [record(0), record(1), record(2)], nextOffset: 3, startOffset: 0, stableOffset: 3 }])
    expect(values(await fetchAt(reader(), 2))).toEqual(['{"a":3}'])
    expect(await fetchAt(reader(), 3)).toEqual([])
  })
  test('empty lines, carriage returns, a byte order mark → empty records, the line alone, no mark', async () => {
    await writeFile(path, '\uFEFFfirst\r\n\n\r\n\uFEFFx\rlast\n')
    expect(values(await fetchAt(reader(), 0))).toEqual(['first', '', '', '\uFEFFx\rlast'])
  })
  test('a last line without newline → not read until it has one, and then whole', async () => {
    await writeFile(path, 'one\ntw')
    const from = reader()
    expect(await fetchAt(from, 0)).toMatchObject([{ nextOffset: 1, stableOffset: 1 }])
    expect(await fetchAt(from, 1)).toEqual([])
    const waiting = fetchAt(from, 1, 1 << 20, 20_000)
    await appendFile(path, 'o\nth')
    expect(values(await waiting)).toEqual(['two'])
  })
  test('bounded fetches → at least one line each, more to come is said', async () => {
    await writeFile(path, 'aaaa\nbbbb\ncccc\n')
    const from = reader()
    expect(await fetchAt(from, 0, 1)).toMatchObject([{ nextOffset: 1, stableOffset: 2 }])
    expect(await fetchAt(from, 1, 6)).toMatchObject([{ fromOffset: 1, nextOffset: 3, stableOffset: 3 }])
  })
  test('lines across blocks of the file → the same as splitting it', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 90_000 }), { maxLength: 20 }), fc.integer({ min: 1, max: 200_000 }), fc.nat(19), async (lengths, maxBytes, start) => {
      const lines = lengths.map((length, i) => String.fromCharCode(97 + i).repeat(length))
      await writeFile(path, lines.map((line) => `${line}\n`).join(''))
      const from = reader()
      const begin = Math.min(start, lines.length)
      const got: string[] = []
      for (;;) {
        const fetched = await fetchAt(from, begin + got.length, maxBytes)
        if (fetched.length === 0) break
        expect(fetched[0]?.fromOffset).toBe(begin + got.length)
        expect(fetched[0]?.stableOffset).toBeLessThanOrEqual(lines.length)
        got.push(...values(fetched))
        expect(fetched[0]?.nextOffset).toBe(begin + got.length)
      }
      expect(got).toEqual(lines.slice(begin))
    }), { numRuns: 40 })
  })
  test('any order of positions in a long file → the right lines', async () => {
    const lines = Array.from({ length: 50_000 }, (_, i) => `line ${i}`)
    await writeFile(path, `${lines.join('\n')}\n`)
    const from = reader()
    await fc.assert(fc.asyncProperty(fc.nat(49_999), async (offset) => {
      expect(values(await fetchAt(from, offset, 1))).toEqual([lines[offset]])
    }), { numRuns: 200 })
  })
  test('several files → only those with something to say', async () => {
    const other = join(folder, 'other')
    await writeFile(path, 'x\n')
    await writeFile(other, '')
    const requests = [{ topic: other, partition: 0, offset: 0, maxBytes: 10 }, { topic: path, partition: 0, offset: 0, maxBytes: 10 }]
    expect((await reader().fetch(requests, { isolation: 'committed', maxWaitMs: 5_000 })).map(({ topic }) => topic)).toEqual([path])
  })
})

describe('file reader: refusals', () => {
  test('no such file, a folder, a device, another partition → missing, with the path', async () => {
    expect(await failure(fetchAt(reader(), 0))).toMatchObject({ code: 'LOG_TOPIC_MISSING', place: { topic: path } })
    await mkdir(path)
    expect((await failure(fetchAt(reader(), 0))).message).toMatch(/is a folder/)
    path = '/dev/null'
    expect((await failure(fetchAt(reader(), 0))).message).toMatch(/no regular file/)
    expect((await failure(reader().fetch([{ topic: path, partition: 1, offset: 0, maxBytes: 1 }], { isolation: 'committed', maxWaitMs: 0 }))).code).toBe('LOG_TOPIC_MISSING')
  })
  test('a position behind the end → out of range, never a jump', async () => {
    await writeFile(path, 'a\nb\nhalf')
    expect(await failure(fetchAt(reader(), 3))).toMatchObject({ code: 'LOG_OUT_OF_RANGE', action: 'fail-job', details: { start: 0, end: 2, requested: 3 } })
  })
  test('a file that was cut → out of range', async () => {
    await writeFile(path, 'a\nb\nc\n')
    const from = reader()
    await fetchAt(from, 0)
    await truncate(path, 3)
    expect(await failure(fetchAt(from, 3))).toMatchObject({ code: 'LOG_OUT_OF_RANGE', details: { end: 3, requested: 3 } })
    expect((await failure(fetchAt(from, 1))).code).toBe('LOG_OUT_OF_RANGE')
    expect((await failure(fetchAt(reader(), 3))).message).toMatch(/1 complete line$/)
  })
  test('another file put in its place → out of range, though it is longer', async () => {
    await writeFile(path, 'a\nb\n')
    const from = reader()
    await fetchAt(from, 0)
    await writeFile(`${path}.new`, 'x\ny\nz\n')
    await rename(`${path}.new`, path)
    expect((await failure(fetchAt(from, 2))).message).toMatch(/another file/)
  })
  test('written anew in its place, no line begins at our position → out of range', async () => {
    await writeFile(path, 'aa\nbb\n')
    const from = reader()
    await fetchAt(from, 0)
    await writeFile(path, 'something longer\n')
    expect((await failure(fetchAt(from, 2))).message).toMatch(/written anew/)
  })
  test('too long a line → an error that names it, after the lines before it', async () => {
    await writeFile(path, `a\n${'x'.repeat(101)}\nb\n`)
    const from = reader(100)
    expect(await fetchAt(from, 0)).toMatchObject([{ nextOffset: 1, stableOffset: 2 }])
    expect(await failure(fetchAt(from, 1))).toMatchObject({ code: 'FILE_LINE_TOO_LONG', place: { topic: path, offset: 1 }, details: { lineBytesMax: 100 } })
    expect(values(await fetchAt(from, 2))).toEqual(['b'])
  })
  test('a file that was written anew without a newline in reach, and a line far in it is asked for → refused, instead of looked for without end', async () => {
    await writeFile(path, 'one\n')
    await truncate(path, 200 * 1024 * 1024)
    expect(await failure(fetchAt(reader(100), 5))).toMatchObject({ code: 'FILE_LINE_TOO_LONG', place: { topic: path, offset: 1 } })
  })
  test('too long a line without an end → an error instead of reading on for ever', async () => {
    await writeFile(path, 'x'.repeat(200_000))
    expect(await failure(fetchAt(reader(100_000), 0))).toMatchObject({ code: 'FILE_LINE_TOO_LONG', place: { offset: 0 } })
  })
  test('closed → closed', async () => {
    const from = reader()
    await from.close()
    expect((await failure(fetchAt(from, 0))).code).toBe('LOG_CLOSED')
  })
})

describe('file reader: waiting', () => {
  test('nothing to read → waits as long as asked', async () => {
    await writeFile(path, '')
    const begun = realClock.monotonic()
    expect(await fetchAt(reader(), 0, 10, 120)).toEqual([])
    expect(realClock.monotonic() - begun).toBeGreaterThanOrEqual(119)
  })
  test('aborted before or while it waits → rejects with the reason, the reader goes on; fetched twice at once → misused; closed while it waits → closed', async () => {
    await writeFile(path, 'a\n')
    const from = reader()
    const controller = new AbortController()
    const wait = (): Promise<unknown> => from.fetch([{ topic: path, partition: 0, offset: 1, maxBytes: 10 }], { isolation: 'committed', maxWaitMs: 600_000, signal: controller.signal })
    const pending = wait()
    controller.abort(new Error('enough'))
    await expect(pending).rejects.toThrow('enough')
    await expect(wait()).rejects.toThrow('enough')
    expect(values(await fetchAt(from, 0))).toEqual(['a'])
    const last = failure(fetchAt(from, 1, 10, 600_000))
    expect(await failure(fetchAt(from, 0))).toMatchObject({ code: 'LOG_READER_MISUSED', blame: 'bug' })
    await from.close()
    expect((await last).code).toBe('LOG_CLOSED')
  })
  test('a start far away → found over several fetches, then read on at once', async () => {
    const line = `${'x'.repeat(1023)}\n`
    await writeFile(path, line.repeat(100_000))
    const from = reader()
    expect(await fetchAt(from, 99_999)).toEqual([])
    expect(await fetchAt(from, 99_999)).toMatchObject([{ fromOffset: 99_999, nextOffset: 100_000, stableOffset: 100_000 }])
  })
})
