// How records become the bytes of a batch, and back. All integers little-endian.
//
//   batch   = crc32 of what follows (u32), records
//   record  = timestamp (f64), key length (i32, -1: null), value length (i32, -1: null), number of headers (u16), key, value, headers
//   header  = name length (u16), name, length (u32), bytes
//
// The offset of a record is the batch's base plus its place in it.
import { crc32 } from 'node:zlib'
import type { AppendRecord, LogRecord } from '@tidemark/base'

/** An append is cut into batches of about this size, so that a fetch need not take more than it asked for. */
const BATCH_BYTES = 256 * 1024
const CRC_BYTES = 4
const RECORD_HEAD_BYTES = 18
const HEADER_HEAD_BYTES = 6

export interface Batch {
  readonly count: number
  readonly bytes: Buffer
}

/** A string of UTF-16 units takes at most three times as many bytes in UTF-8. */
const bytesAtMost = (data: Buffer | string | null): number => (data === null ? 0 : typeof data === 'string' ? data.length * 3 : data.length)

export class RecordTooLarge extends Error {
  readonly bytes: number

  constructor(bytes: number) {
    super(`a record of ${bytes} bytes`)
    this.bytes = bytes
  }
}

/** Keeps one buffer for all its batches; what it answers with is copied out of it. */
export class BatchEncoder {
  #scratch = Buffer.allocUnsafe(BATCH_BYTES)

  /** `recordBytesMax`: a record that takes more is a `RecordTooLarge`. `now`: the timestamp of records without one. */
  encode(records: readonly AppendRecord[], recordBytesMax: number, now: number): Batch[] {
    const batches: Batch[] = []
    let at = CRC_BYTES
    let count = 0
    const cut = (): void => {
      const bytes = Buffer.allocUnsafeSlow(at)
      this.#scratch.copy(bytes, 0, 0, at)
      bytes.writeUInt32LE(crc32(bytes.subarray(CRC_BYTES)), 0)
      batches.push({ count, bytes })
      at = CRC_BYTES
      count = 0
    }
    for (const record of records) {
      const atMost = this.#atMost(record)
      if (count > 0 && at + atMost > BATCH_BYTES) cut()
      if (at + atMost > this.#scratch.length) this.#grow(record, at + atMost, recordBytesMax)
      const end = this.#write(record, at, now)
      if (end - at > recordBytesMax) throw new RecordTooLarge(end - at)
      at = end
      count += 1
    }
    if (count > 0) cut()
    if (this.#scratch.length > BATCH_BYTES) this.#scratch = Buffer.allocUnsafe(BATCH_BYTES)
    return batches
  }

  #atMost({ key, value, headers }: AppendRecord): number {
    let bytes = RECORD_HEAD_BYTES + bytesAtMost(key) + bytesAtMost(value)
    if (headers) for (const [name, data] of Object.entries(headers)) bytes += HEADER_HEAD_BYTES + bytesAtMost(name) + bytesAtMost(data)
    return bytes
  }

  #grow({ value }: AppendRecord, bytes: number, recordBytesMax: number): void {
    const valueBytes = value === null ? 0 : Buffer.byteLength(value)
    if (valueBytes > recordBytesMax) throw new RecordTooLarge(valueBytes)
    this.#scratch = Buffer.allocUnsafe(bytes)
  }

  #write({ timestamp, key, value, headers }: AppendRecord, from: number, now: number): number {
    const into = this.#scratch
    into.writeDoubleLE(timestamp ?? now, from)
    let at = from + RECORD_HEAD_BYTES
    const keyBytes = this.#put(key, at)
    at += Math.max(0, keyBytes)
    const valueBytes = this.#put(value, at)
    at += Math.max(0, valueBytes)
    into.writeInt32LE(keyBytes, from + 8)
    into.writeInt32LE(valueBytes, from + 12)
    const entries = headers ? Object.entries(headers) : []
    into.writeUInt16LE(entries.length, from + 16)
    for (const [name, data] of entries) {
      const nameBytes = this.#put(name, at + 2)
      into.writeUInt16LE(nameBytes, at)
      at += 2 + nameBytes
      const dataBytes = this.#put(data, at + 4)
      into.writeUInt32LE(dataBytes, at)
      at += 4 + dataBytes
    }
    return at
  }

  /** Number of bytes written; -1 for null. */
  #put(data: Buffer | string | null, at: number): number {
    if (data === null) return -1
    return typeof data === 'string' ? this.#scratch.write(data, at, 'utf8') : data.copy(this.#scratch, at)
  }
}

/** Whether the bytes are those that were written. */
export const isIntact = (bytes: Buffer): boolean => bytes.length > CRC_BYTES && bytes.readUInt32LE(0) === crc32(bytes.subarray(CRC_BYTES))

/** Appends to `into` the records at and above `from`. Answers with the offset after the last one. Values are views into `bytes`. */
export const decodeBatch = (bytes: Buffer, base: number, from: number, into: LogRecord[]): number => {
  let offset = base
  for (let at = CRC_BYTES; at < bytes.length; offset += 1) {
    const keyBytes = bytes.readInt32LE(at + 8)
    const valueBytes = bytes.readInt32LE(at + 12)
    const headerCount = bytes.readUInt16LE(at + 16)
    const keyAt = at + RECORD_HEAD_BYTES
    const valueAt = keyAt + Math.max(0, keyBytes)
    const end = valueAt + Math.max(0, valueBytes)
    const timestampAt = at
    at = end
    let headers: Record<string, Buffer> | undefined
    for (let index = 0; index < headerCount; index += 1) {
      const nameEnd = at + 2 + bytes.readUInt16LE(at)
      const dataEnd = nameEnd + 4 + bytes.readUInt32LE(nameEnd)
      // A header may be called `__proto__`.
      headers ??= Object.create(null) as Record<string, Buffer>
      headers[bytes.toString('utf8', at + 2, nameEnd)] = bytes.subarray(nameEnd + 4, dataEnd)
      at = dataEnd
    }
    if (offset < from) continue
    const key = keyBytes < 0 ? null : bytes.subarray(keyAt, valueAt)
    const value = valueBytes < 0 ? null : bytes.subarray(valueAt, end)
    const timestamp = bytes.readDoubleLE(timestampAt)
    into.push(headers ? { offset, timestamp, key, value, headers } : { offset, timestamp, key, value })
  }
  return offset
}
