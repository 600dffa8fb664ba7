// Record batches: ours read by kafkajs, kafkajs' read by us, and any history of transactions read from any position.
import { createRequire } from 'node:module'
import { describe, expect, test } from '@jest/globals'
import type { AppendRecord, LogRecord } from '@tidemark/base'
import * as fc from 'fast-check'
import { AbortedTransactions } from '../aborted.ts'
import { CODEC, UNPACKED_BATCH_BYTES_MAX } from '../codecs.ts'
import { readInt64 } from './cursor.ts'
import { decodeRecords } from './decode.ts'
import { BATCH_HEADER_BYTES, BatchEncoder } from './encode.ts'
import { crc32c } from '@platformatic/wasm-utils'

const require = createRequire(import.meta.url)
interface KafkajsRecord { offset: string, timestamp: string, key: Buffer | null, value: Buffer | null, headers: Record<string, Buffer> }
const KafkajsDecoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => unknown
const kafkajsDecode = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (decoder: unknown) => Promise<{ records: KafkajsRecord[], inTransaction: boolean, producerId: string, producerEpoch: number, firstSequence: number }>
const kafkajsRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => unknown
const { RecordBatch: kafkajsBatch } = require('kafkajs/src/protocol/recordBatch/v0') as { RecordBatch: (batch: object) => Promise<{ buffer: Buffer }> }

const NOW = 1_700_000_000_000
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const content = fc.oneof(fc.constant(null), bytes, fc.string({ unit: 'grapheme', maxLength: 50 }))
const timestamp = fc.oneof(fc.integer({ min: NOW - 1_000_000, max: NOW + 1_000_000 }), fc.integer({ min: 0, max: 4_000_000_000_000 }))
const headerName = fc.string({ maxLength: 20 }).filter((name) => name !== '__proto__')
const recordWith = (name: fc.Arbitrary<string>): fc.Arbitrary<AppendRecord> =>
  fc.record({ key: content, value: content, timestamp, headers: fc.dictionary(name, fc.oneof(bytes, fc.string({ unit: 'grapheme' })), { maxKeys: 3 }) }, { requiredKeys: ['key', 'value'] })
const appendRecord = recordWith(headerName)
const buffer = (value: Buffer | string | null): Buffer | null => (typeof value === 'string' ? Buffer.from(value) : value)
const wanted = (records: readonly AppendRecord[]): LogRecord[] => records.map(({ key, value, timestamp: at, headers }, offset) => ({
  offset, timestamp: at ?? NOW, key: buffer(key), value: buffer(value),
  ...headers && Object.keys(headers).length > 0 ? { headers: Object.fromEntries(Object.entries(headers).map(([name, header]) => [name, buffer(header)!])) } : {},
}))
const plain = (records: readonly LogRecord[]): LogRecord[] => records.map((record) => (record.headers ? { ...record, headers: { ...record.headers } } : record))

/** Puts a batch at its place in the log, as the broker does; the checksum does not cover the offset. */
const at = (batch: Buffer, base: number): Buffer => { batch.writeBigInt64BE(BigInt(base), 0); return batch }

describe('record batches', () => {
  test.each([['none', CODEC.none], ['gzip', CODEC.gzip], ['zstd', CODEC.zstd]] as const)('round trip: any records, codec %s → the same records', (_name, codec) => {
    const encoder = new BatchEncoder()
    fc.assert(fc.property(fc.array(appendRecord, { minLength: 1, maxLength: 20 }), (records) => {
      const batch = encoder.encode(records, 0, 1_000_000, NOW, codec, { producerId: '12', producerEpoch: 3, firstSequence: 7 })
      expect(batch.count).toBe(records.length)
      const decoded = decodeRecords(batch.bytes, 0, undefined, {})
      expect(plain(decoded.records)).toEqual(wanted(records))
      expect(decoded).toMatchObject({ nextOffset: records.length, holes: [] })
    }))
  })

  test('encoding: kafkajs reads what we write', async () => {
    // kafkajs takes a header named like a method of Object for one that comes twice.
    await fc.assert(fc.asyncProperty(fc.array(recordWith(headerName.map((name) => `h${name}`).filter((name) => !(name in {}))), { minLength: 1, maxLength: 10 }), async (records) => {
      const batch = await kafkajsDecode(new KafkajsDecoder(new BatchEncoder().encode(records, 0, 1_000_000, NOW, CODEC.none, { producerId: '9007199254740993', producerEpoch: 3, firstSequence: 7 }).bytes))
      expect(batch).toMatchObject({ inTransaction: true, producerId: '9007199254740993', producerEpoch: 3, firstSequence: 7 })
      expect(batch.records.map((record) => ({ offset: Number(record.offset), timestamp: Number(record.timestamp), key: record.key, value: record.value, ...Object.keys(record.headers).length > 0 ? { headers: { ...record.headers } } : {} }))).toEqual(wanted(records))
    }))
  })

  test('decoding: we read what kafkajs writes', async () => {
    await fc.assert(fc.asyncProperty(fc.array(appendRecord, { minLength: 1, maxLength: 10 }), async (records) => {
      const encoded = records.map((record, offsetDelta) => kafkajsRecord({ ...record, offsetDelta, timestampDelta: (record.timestamp ?? NOW) - NOW }))
      const { buffer: batch } = await kafkajsBatch({ records: encoded, firstTimestamp: NOW, maxTimestamp: NOW, lastOffsetDelta: records.length - 1 })
      expect(plain(decodeRecords(batch, 0, undefined, {}).records)).toEqual(wanted(records))
    }))
  })

  test('batch limit: batches stay within it and together hold every record; a record that does not fit is not taken', () => {
    const records = Array.from({ length: 1000 }, (_, index) => ({ key: `k${index}`, value: 'x'.repeat(index) }))
    const encoder = new BatchEncoder()
    let from = 0
    while (from < records.length) {
      const { bytes: batch, count } = encoder.encode(records, from, 4096, NOW, CODEC.none, undefined)
      expect(batch.length).toBeLessThanOrEqual(4096)
      expect(count).toBeGreaterThan(0)
      expect(decodeRecords(batch, 0, undefined, {}).records[0]?.key?.toString()).toBe(`k${from}`)
      from += count
    }
    expect(encoder.encode([{ key: null, value: 'x'.repeat(4096) }], 0, 4096, NOW, CODEC.none, undefined).count).toBe(0)
  })

  test('damage: one flipped bit anywhere after the checksum → LOG_CODEC with the offset', () => {
    const { bytes: batch } = new BatchEncoder().encode([{ key: 'k', value: 'value' }, { key: null, value: 'second' }], 0, 4096, NOW, CODEC.none, undefined)
    fc.assert(fc.property(fc.integer({ min: 21, max: batch.length - 1 }), fc.integer({ min: 0, max: 7 }), (position, bit) => {
      const damaged = at(Buffer.from(batch), 40)
      damaged[position]! ^= 1 << bit
      expect(() => decodeRecords(damaged, 40, undefined, { topic: 't', partition: 0 })).toThrow(expect.objectContaining({ code: 'LOG_CODEC', place: { topic: 't', partition: 0, offset: 40 } }))
    }))
  })

  test('formats: a batch of message format 1 is refused, not skipped', () => {
    const old = Buffer.alloc(100)
    old.writeInt32BE(88, 8)
    old[16] = 1
    expect(() => decodeRecords(old, 0, undefined, {})).toThrow(expect.objectContaining({ code: 'LOG_CODEC' }))
  })

  test('cut off: the last batch of an answer is cut anywhere → the whole ones are read, the position is after them', () => {
    const batch = (base: number): Buffer => at(new BatchEncoder().encode([{ key: null, value: 'a' }, { key: null, value: 'b' }], 0, 4096, NOW, CODEC.none, undefined).bytes, base)
    const set = Buffer.concat([batch(0), batch(2)])
    for (let length = set.length / 2; length < set.length; length++) expect(decodeRecords(set.subarray(0, length), 0, undefined, {})).toMatchObject({ nextOffset: 2, holes: [] })
    expect(decodeRecords(set, 0, undefined, {}).nextOffset).toBe(4)
  })

  test('offsets above 2^53 - 1 are refused, not rounded', () => {
    const eight = (value: bigint): Buffer => { const target = Buffer.alloc(8); target.writeBigInt64BE(value); return target }
    expect(readInt64(eight(2n ** 53n - 1n), 0)).toBe(Number.MAX_SAFE_INTEGER)
    expect(readInt64(eight(-1n), 0)).toBe(-1)
    expect(() => readInt64(eight(2n ** 53n), 0)).toThrow(RangeError)
  })

  test.each([
    ['nanoseconds', [1_764_000_000_000_000_000]], ['nanoseconds behind milliseconds, and back', [NOW, 1_764_000_000_000_000_000, NOW + 1]], ['far behind and far ahead', [-(2 ** 62), 0, 2 ** 62 - 1_024]],
  ])('times that a number can\'t hold exactly, %s → the nearest one, and every record of the batch', (_name, times) => {
    const { bytes: batch } = new BatchEncoder().encode(times.map((at) => ({ key: null, value: String(at), timestamp: at })), 0, 4096, NOW, CODEC.none, undefined)
    const { records, nextOffset } = decodeRecords(batch, 0, undefined, {})
    expect(records.map(({ value }) => value?.toString())).toEqual(times.map(String))
    for (const [index, at] of times.entries()) expect(Math.abs((records[index]?.timestamp ?? NaN) - at)).toBeLessThanOrEqual(1_024)
    expect(nextOffset).toBe(times.length)
  })

  test('append time: one that a number can\'t hold exactly → the nearest one', () => {
    const batch = Buffer.from(new BatchEncoder().encode([{ key: null, value: 'a', timestamp: NOW }], 0, 4096, NOW, CODEC.none, undefined).bytes)
    batch.writeInt16BE(batch.readInt16BE(21) | 0x08, 21)
    batch.writeBigInt64BE(1_764_000_000_000_000_001n, 35)
    batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
    expect(decodeRecords(batch, 0, undefined, {}).records.map((record) => record.timestamp)).toEqual([1_764_000_000_000_000_000])
  })

  test('unpacking: more than the limit → LOG_CODEC', () => {
    const records = [{ key: null, value: Buffer.alloc(UNPACKED_BATCH_BYTES_MAX + 1) }]
    const { bytes: batch } = new BatchEncoder().encode(records, 0, UNPACKED_BATCH_BYTES_MAX * 2, NOW, CODEC.zstd, undefined)
    expect(batch.length).toBeLessThan(1_000_000)
    expect(() => decodeRecords(batch, 0, undefined, {})).toThrow(expect.objectContaining({ code: 'LOG_CODEC' }))
  })
})

/** A control batch as the coordinator writes it: one record, key = version and type. */
const controlBatch = (base: number, producerId: string, type: 0 | 1): Buffer => {
  const { bytes: batch } = new BatchEncoder().encode([{ key: Buffer.from([0, 0, 0, type]), value: Buffer.alloc(6) }], 0, 4096, NOW, CODEC.none, { producerId, producerEpoch: 0, firstSequence: -1 })
  batch.writeInt16BE(batch.readInt16BE(21) | 0x20, 21)
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return at(batch, base)
}

/** The log cleaner's work: a batch that keeps its range and has no records left. */
const emptied = (base: number, length: number): Buffer => {
  const batch = Buffer.from(new BatchEncoder().encode([{ key: null, value: null }], 0, 4096, NOW, CODEC.none, undefined).bytes.subarray(0, BATCH_HEADER_BYTES))
  batch.writeInt32BE(BATCH_HEADER_BYTES - 12, 8)
  batch.writeInt32BE(length - 1, 23)
  batch.writeInt32BE(0, 57)
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return at(batch, base)
}

describe('record batches: positions', () => {
  const step = fc.record({ producer: fc.integer({ min: 0, max: 3 }), what: fc.oneof({ weight: 4, arbitrary: fc.constant('data' as const) }, { weight: 1, arbitrary: fc.constantFrom('abort' as const, 'commit' as const) }), size: fc.integer({ min: 1, max: 3 }) })

  test('aborted records: any history of four producers, list in any order, read from any position → exactly the committed records, position at the end', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 40 }), fc.infiniteStream(fc.nat()), (steps, shuffle) => {
      const batches: Buffer[] = []
      const open = new Map<number, { first: number, offsets: number[] }>()
      const aborted: { producerId: string, firstOffset: number, last: number }[] = []
      const committed: number[] = []
      let end = 0
      const run = (producer: number, what: 'data' | 'abort' | 'commit', size: number): void => {
        const transaction = open.get(producer)
        if (what === 'data') {
          const offsets = Array.from({ length: size }, (_, index) => end + index)
          open.set(producer, { first: transaction?.first ?? end, offsets: [...transaction?.offsets ?? [], ...offsets] })
          batches.push(at(new BatchEncoder().encode(offsets.map((offset) => ({ key: Buffer.alloc(4), value: `${offset}` })), 0, 4096, NOW, CODEC.none, { producerId: String(producer), producerEpoch: 0, firstSequence: 0 }).bytes, end))
          end += size
        } else if (transaction) {
          batches.push(controlBatch(end, String(producer), what === 'abort' ? 0 : 1))
          if (what === 'abort') aborted.push({ producerId: String(producer), firstOffset: transaction.first, last: end })
          else committed.push(...transaction.offsets)
          open.delete(producer)
          end += 1
        }
      }
      for (const { producer, what, size } of steps) run(producer, what, size)
      for (const producer of Array.from(open.keys())) run(producer, 'abort', 1)
      const list = aborted.map((entry) => ({ entry, order: shuffle.next().value ?? 0 })).toSorted((a, b) => a.order - b.order).map(({ entry }) => entry)
      for (let from = 0; from < end; from++) {
        // The broker answers from the batch that holds the position, with the transactions that end at or after it.
        const set = Buffer.concat(batches.filter((batch) => readInt64(batch, 0) + batch.readInt32BE(23) >= from))
        const decoded = decodeRecords(set, from, new AbortedTransactions(list.filter(({ last }) => last >= from)), {})
        expect(decoded.records.map(({ offset }) => offset)).toEqual(committed.filter((offset) => offset >= from).toSorted((a, b) => a - b))
        expect(decoded).toMatchObject({ nextOffset: end, holes: [] })
        expect(decodeRecords(set, from, undefined, {}).nextOffset).toBe(end)
      }
    }), { numRuns: 60 })
  })

  test('compaction: an emptied batch moves the position and is reported as a range', () => {
    const set = Buffer.concat([at(new BatchEncoder().encode([{ key: 'a', value: '1' }], 0, 4096, NOW, CODEC.none, undefined).bytes, 0), emptied(1, 9)])
    expect(decodeRecords(set, 0, undefined, {})).toMatchObject({ nextOffset: 10, holes: [{ first: 1, last: 9 }] })
    expect(decodeRecords(emptied(1, 9), 4, undefined, {})).toMatchObject({ records: [], nextOffset: 10, holes: [{ first: 4, last: 9 }] })
  })

  test('loss: a batch that is not there is reported as a range', () => {
    const batch = (base: number): Buffer => at(new BatchEncoder().encode([{ key: 'a', value: '1' }, { key: 'b', value: '2' }], 0, 4096, NOW, CODEC.none, undefined).bytes, base)
    expect(decodeRecords(Buffer.concat([batch(0), batch(5)]), 1, undefined, {})).toMatchObject({ nextOffset: 7, holes: [{ first: 2, last: 4 }] })
    expect(decodeRecords(batch(5), 3, undefined, {})).toMatchObject({ nextOffset: 7, holes: [{ first: 3, last: 4 }] })
  })
})
