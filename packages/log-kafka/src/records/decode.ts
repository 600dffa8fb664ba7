// Record batches (format v2) → records, with the position after them. Checks each batch's CRC-32C, hides aborted and control records, and reports every offset range that no batch accounts for.
import { crc32c } from '@platformatic/wasm-utils'
import type { ErrorPlace, LogRecord } from '@tidemark/base'
import { isAbortMarker } from '../aborted.ts'
import type { AbortedTransactions } from '../aborted.ts'
import { CODEC, decompress } from '../codecs.ts'
import { codecError } from '../errors.ts'
import { Cursor, readInt64, readTime } from './cursor.ts'

// Layout: baseOffset i64, length i32, leaderEpoch i32, magic i8, crc u32, attributes i16, lastOffsetDelta i32, baseTimestamp i64, maxTimestamp i64, producerId i64, producerEpoch i16, baseSequence i32, count i32, records
const AT = { length: 8, magic: 16, crc: 17, attributes: 21, lastOffsetDelta: 23, baseTimestamp: 27, maxTimestamp: 35, producerId: 43, count: 57, records: 61 } as const
const LENGTH_FROM = 12
const CODEC_MASK = 0x07
const LOG_APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20

/** Both ends included. */
export interface OffsetRange {
  readonly first: number
  readonly last: number
}

export interface DecodedRecords {
  readonly records: LogRecord[]
  /** After the last whole batch, whatever it held; `fromOffset` when there was none. */
  readonly nextOffset: number
  /** Ranges from `fromOffset` on that no batch accounts for: compaction, or loss. */
  readonly holes: OffsetRange[]
}

/** `aborted`: undefined reads uncommitted. A batch cut off at the end by the fetch's byte limit is left for the next fetch. `LOG_CODEC`. */
export const decodeRecords = (set: Buffer, fromOffset: number, aborted: AbortedTransactions | undefined, place: ErrorPlace): DecodedRecords => {
  const records: LogRecord[] = []
  const holes: OffsetRange[] = []
  let expected = fromOffset
  for (let at = 0; at + LENGTH_FROM <= set.length;) {
    const end = at + LENGTH_FROM + set.readInt32BE(at + AT.length)
    if (end > set.length) break
    const base = readInt64(set, at)
    const here = { ...place, offset: base }
    if (set[at + AT.magic] !== 2) throw codecError(`record batch at offset ${base} has format ${set[at + AT.magic]}: only format 2 (Kafka 0.11 and newer) is read`, here)
    if (end < at + AT.records || crc32c(set.subarray(at + AT.attributes, end)) !== set.readUInt32BE(at + AT.crc)) throw codecError(`record batch at offset ${base} is damaged: its checksum does not match`, here)
    const last = base + set.readInt32BE(at + AT.lastOffsetDelta)
    if (last >= fromOffset) {
      if (base > expected) holes.push({ first: expected, last: base - 1 })
      const attributes = set.readInt16BE(at + AT.attributes)
      const producerId = (attributes & TRANSACTIONAL) === 0 ? '' : set.readBigInt64BE(at + AT.producerId).toString()
      const hidden = (attributes & TRANSACTIONAL) !== 0 && aborted?.hides(producerId, last) === true
      if ((attributes & CONTROL) !== 0) {
        if (aborted && isAbortMarker(controlKey(set, at, end))) aborted.ended(producerId)
      } else if (!hidden) {
        try {
          decodeBatch(set, at, end, base, last, attributes, fromOffset, records, holes)
        } catch (error) {
          throw codecError(`record batch at offset ${base} cannot be decoded: ${error instanceof Error ? error.message : String(error)}`, here, error)
        }
      }
      expected = last + 1
    }
    at = end
  }
  return { records, nextOffset: expected, holes }
}

/** Key of a control batch's only record; null when the log cleaner has emptied the batch. */
const controlKey = (set: Buffer, at: number, end: number): Buffer | null => {
  if (set.readInt32BE(at + AT.count) === 0) return null
  const cursor = new Cursor(set.subarray(at + AT.records, end))
  cursor.varint()
  cursor.at += 1
  cursor.varlong()
  cursor.varint()
  return cursor.sized()
}

const decodeBatch = (set: Buffer, at: number, end: number, base: number, last: number, attributes: number, fromOffset: number, records: LogRecord[], holes: OffsetRange[]): void => {
  const count = set.readInt32BE(at + AT.count)
  const baseTimestamp = readTime(set, at + AT.baseTimestamp)
  const appendTime = (attributes & LOG_APPEND_TIME) === 0 ? undefined : readTime(set, at + AT.maxTimestamp)
  const codec = attributes & CODEC_MASK
  const body = set.subarray(at + AT.records, end)
  const bytes = codec === CODEC.none || body.length === 0 ? body : decompress(codec, body)
  const cursor = new Cursor(bytes)
  let expected = Math.max(base, fromOffset)
  for (let index = 0; index < count; index++) {
    const recordEnd = cursor.varint() + cursor.at
    if (recordEnd > bytes.length) throw new RangeError(`record ${index} of ${count} ends outside the batch`)
    cursor.at += 1
    const timestampDelta = cursor.varlong()
    const offset = base + cursor.varint()
    if (offset >= fromOffset) {
      if (offset !== expected) {
        if (offset < expected || offset > last) throw new RangeError(`record ${index} has offset ${offset} where ${expected} to ${last} can be`)
        holes.push({ first: expected, last: offset - 1 })
      }
      expected = offset + 1
      const timestamp = appendTime ?? baseTimestamp + timestampDelta
      const key = cursor.sized()
      const value = cursor.sized()
      const headerCount = cursor.varint()
      if (headerCount === 0) records.push({ offset, timestamp, key, value })
      else records.push({ offset, timestamp, key, value, headers: decodeHeaders(cursor, headerCount) })
      if (cursor.at !== recordEnd) throw new RangeError(`record ${index} of ${count} has another length than its fields`)
    }
    cursor.at = recordEnd
  }
  if (expected <= last) holes.push({ first: expected, last })
}

/** A header that comes twice keeps its last value. A null header value becomes an empty one. */
const decodeHeaders = (cursor: Cursor, count: number): Record<string, Buffer> => {
  const headers: Record<string, Buffer> = Object.create(null) as Record<string, Buffer>
  for (let index = 0; index < count; index++) {
    const name = cursor.sized()
    if (name === null) throw new RangeError('a header without a name')
    headers[name.toString('utf8')] = cursor.sized() ?? Buffer.alloc(0)
  }
  return headers
}
