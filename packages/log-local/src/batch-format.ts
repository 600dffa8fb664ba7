// A record batch as one blob: per record timestamp, key, value, headers, each with its length. Checked when decoded.
import { crc32 } from 'node:zlib'
import { TidemarkError } from '@tidemark/base'
import type { AppendRecord, LogRecord } from '@tidemark/base'

const VERSION = 1
/** version (1), CRC-32 of the rest (4). */
const HEADER_BYTES = 5
const NULL = 0xffffffff

const bytesOf = (value: Buffer | string | null | undefined): Buffer | null => (value === null || value === undefined ? null : typeof value === 'string' ? Buffer.from(value) : value)

interface Plain {
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [Buffer, Buffer])[]
}

/** Bytes of one record as stored. */
export const recordBytes = (record: AppendRecord): number => sizeOf(plain(record, 0))

const plain = (record: AppendRecord, now: number): Plain => ({
  timestamp: record.timestamp ?? now, key: bytesOf(record.key), value: bytesOf(record.value),
  headers: Object.entries(record.headers ?? {}).map(([name, value]) => [Buffer.from(name), bytesOf(value) ?? Buffer.alloc(0)] as const),
})
const sizeOf = ({ key, value, headers }: Plain): number => 8 + 4 + (key?.length ?? 0) + 4 + (value?.length ?? 0) + 2 + headers.reduce((sum, [name, text]) => sum + 8 + name.length + text.length, 0)

export const encodeBatch = (records: readonly AppendRecord[], now: number): Buffer => {
  const all = records.map((record) => plain(record, now))
  const blob = Buffer.allocUnsafe(HEADER_BYTES + all.reduce((sum, record) => sum + sizeOf(record), 0))
  let at = HEADER_BYTES
  const put = (bytes: Buffer | null): void => {
    at = blob.writeUInt32LE(bytes === null ? NULL : bytes.length, at)
    if (bytes !== null) at += bytes.copy(blob, at)
  }
  for (const { timestamp, key, value, headers } of all) {
    at = blob.writeDoubleLE(timestamp, at)
    put(key)
    put(value)
    at = blob.writeUInt16LE(headers.length, at)
    for (const [name, text] of headers) {
      put(name)
      put(text)
    }
  }
  blob.writeUInt8(VERSION, 0)
  blob.writeUInt32LE(crc32(blob.subarray(HEADER_BYTES)), 1)
  return blob
}

/** Records from offset `from` on; `base` is that of the first in the blob. `LOG_CODEC`: damaged. */
export const decodeBatch = (blob: Buffer, base: number, count: number, from: number, into: LogRecord[], place: { readonly topic: string, readonly partition: number }): void => {
  if (blob.readUInt8(0) !== VERSION || blob.readUInt32LE(1) !== crc32(blob.subarray(HEADER_BYTES))) {
    throw new TidemarkError(`the record batch at ${place.topic}/${place.partition}@${base} is damaged`, { code: 'LOG_CODEC', blame: 'environment', action: 'fail-job', ...place, offset: base, hint: 'The file of the embedded log was changed from outside, or its disk is failing.' })
  }
  let at = HEADER_BYTES
  const take = (): Buffer | null => {
    const length = blob.readUInt32LE(at)
    at += 4
    if (length === NULL) return null
    const bytes = blob.subarray(at, at + length)
    at += length
    return bytes
  }
  for (let i = 0; i < count; i += 1) {
    const timestamp = blob.readDoubleLE(at)
    at += 8
    const key = take()
    const value = take()
    const headerCount = blob.readUInt16LE(at)
    at += 2
    let headers: Record<string, Buffer> | undefined
    for (let h = 0; h < headerCount; h += 1) {
      const name = take()?.toString() ?? ''
      headers ??= {}
      headers[name] = take() ?? Buffer.alloc(0)
    }
    if (base + i >= from) into.push(headers === undefined ? { offset: base + i, timestamp, key, value } : { offset: base + i, timestamp, key, value, headers })
  }
}
