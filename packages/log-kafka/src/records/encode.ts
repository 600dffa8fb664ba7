// Records → one record batch (format v2), written straight into one buffer. kafkajs' own encoder allocates about ten objects per record.
import { crc32c } from '@platformatic/wasm-utils'
import type { AppendRecord, Headers } from '@tidemark/base'
import { CODEC, compress } from '../codecs.ts'

export const BATCH_HEADER_BYTES = 61
/** Largest length, attributes byte, timestamp delta, offset delta and two lengths of one record; headers come on top. */
const RECORD_OVERHEAD_BYTES = 40
const TRANSACTIONAL = 0x10

/** Who appends: undefined fields of a batch outside any transaction are -1. */
export interface BatchProducer {
  readonly producerId: string
  readonly producerEpoch: number
  readonly firstSequence: number
}

export interface EncodedBatch {
  readonly bytes: Buffer
  /** Records taken, from `from` on; 0 when not even the first fits. */
  readonly count: number
}

const byteLength = (value: Buffer | string | null): number => (value === null ? -1 : typeof value === 'string' ? Buffer.byteLength(value) : value.length)

const varintBytes = (value: number): number => {
  const raw = ((value << 1) ^ (value >> 31)) >>> 0
  return raw < 0x80 ? 1 : raw < 0x4000 ? 2 : raw < 0x200000 ? 3 : raw < 0x10000000 ? 4 : 5
}

const isInt32 = (value: number): boolean => (value | 0) === value

const zigzag64 = (value: number): bigint => { const wide = BigInt(value); return BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n)) }

const varlongBytes = (value: number): number => {
  if (isInt32(value)) return varintBytes(value)
  let bytes = 1
  for (let raw = zigzag64(value); raw >= 0x80n; raw >>= 7n) bytes++
  return bytes
}

/** Reuses one growing buffer; one batch at a time. */
export class BatchEncoder {
  #bytes = Buffer.allocUnsafe(64 * 1024)
  #at = 0

  /** Takes records from `from` on while the batch stays within `batchBytesMax`. `now` stands in for a missing timestamp. */
  encode(records: readonly AppendRecord[], from: number, batchBytesMax: number, now: number, codec: number, producer: BatchProducer | undefined): EncodedBatch {
    this.#at = BATCH_HEADER_BYTES
    const baseTimestamp = records[from]?.timestamp ?? now
    let maxTimestamp = baseTimestamp
    let count = 0
    for (let index = from; index < records.length; index++) {
      const record = records[index]!
      const timestamp = record.timestamp ?? now
      if (!this.#record(record, timestamp - baseTimestamp, count, batchBytesMax)) break
      if (timestamp > maxTimestamp) maxTimestamp = timestamp
      count++
    }
    if (count === 0) return { bytes: Buffer.alloc(0), count }
    const packed = codec === CODEC.none ? this.#bytes.subarray(BATCH_HEADER_BYTES, this.#at) : compress(codec, this.#bytes.subarray(BATCH_HEADER_BYTES, this.#at))
    const batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + packed.length)
    packed.copy(batch, BATCH_HEADER_BYTES)
    batch.writeBigInt64BE(0n, 0)
    batch.writeInt32BE(batch.length - 12, 8)
    batch.writeInt32BE(-1, 12)
    batch[16] = 2
    batch.writeInt16BE(codec | (producer ? TRANSACTIONAL : 0), 21)
    batch.writeInt32BE(count - 1, 23)
    batch.writeBigInt64BE(BigInt(baseTimestamp), 27)
    batch.writeBigInt64BE(BigInt(maxTimestamp), 35)
    batch.writeBigInt64BE(producer ? BigInt(producer.producerId) : -1n, 43)
    batch.writeInt16BE(producer ? producer.producerEpoch : -1, 51)
    batch.writeInt32BE(producer ? producer.firstSequence : -1, 53)
    batch.writeInt32BE(count, 57)
    batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
    return { bytes: batch, count }
  }

  #record(record: AppendRecord, timestampDelta: number, offsetDelta: number, batchBytesMax: number): boolean {
    const { key, value, headers } = record
    const keyBytes = byteLength(key)
    const valueBytes = byteLength(value)
    const names = headers === undefined ? undefined : Object.keys(headers)
    let body = 1 + varlongBytes(timestampDelta) + varintBytes(offsetDelta) + varintBytes(keyBytes) + Math.max(keyBytes, 0) + varintBytes(valueBytes) + Math.max(valueBytes, 0)
    body += names === undefined || headers === undefined ? 1 : headersBytes(names, headers)
    if (this.#at + varintBytes(body) + body > batchBytesMax) return false
    this.#reserve(body + RECORD_OVERHEAD_BYTES)
    this.#varint(body)
    this.#bytes[this.#at++] = 0
    this.#varlong(timestampDelta)
    this.#varint(offsetDelta)
    this.#sized(key, keyBytes)
    this.#sized(value, valueBytes)
    if (names === undefined || headers === undefined) this.#bytes[this.#at++] = 0
    else {
      this.#varint(names.length)
      for (const name of names) {
        this.#sized(name, Buffer.byteLength(name))
        this.#sized(headers[name] ?? '', byteLength(headers[name] ?? ''))
      }
    }
    return true
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + bytes))
    this.#bytes.copy(grown, 0, 0, this.#at)
    this.#bytes = grown
  }

  #sized(value: Buffer | string | null, bytes: number): void {
    this.#varint(bytes)
    if (value === null) return
    if (typeof value !== 'string') this.#bytes.set(value, this.#at)
    else if (bytes === value.length) this.#bytes.write(value, this.#at, bytes, 'latin1')
    else this.#bytes.write(value, this.#at, bytes, 'utf8')
    this.#at += bytes
  }

  #varint(value: number): void {
    let raw = ((value << 1) ^ (value >> 31)) >>> 0
    while (raw >= 0x80) {
      this.#bytes[this.#at++] = (raw & 0x7f) | 0x80
      raw >>>= 7
    }
    this.#bytes[this.#at++] = raw
  }

  #varlong(value: number): void {
    if (isInt32(value)) return this.#varint(value)
    let raw = zigzag64(value)
    while (raw >= 0x80n) {
      this.#bytes[this.#at++] = Number(raw & 0x7fn) | 0x80
      raw >>= 7n
    }
    this.#bytes[this.#at++] = Number(raw)
  }
}

const headersBytes = (names: readonly string[], headers: Headers): number => {
  let bytes = varintBytes(names.length)
  for (const name of names) {
    const nameBytes = Buffer.byteLength(name)
    const valueBytes = byteLength(headers[name] ?? '')
    bytes += varintBytes(nameBytes) + nameBytes + varintBytes(valueBytes) + valueBytes
  }
  return bytes
}
