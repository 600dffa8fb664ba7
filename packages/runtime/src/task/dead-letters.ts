// Dead letters: what user code or a codec can't handle, appended in the same transaction as the position, with everything needed to look at it
// and to send it again; of what their topic does not take, with where it stands and how large it is.
import { types } from 'node:util'
import type { AppendRecord, Headers, LogRecord } from '@tidemark/base'
import { RECORD_OVERHEAD_BYTES } from '../operators/sinks.ts'
import type { SinkTopic } from '../operators/sinks.ts'
import type { Outputs } from './outputs.ts'
import { codeOf, messageOf } from './errors.ts'
import type { FaultPlace } from './errors.ts'

/** Of an error's message in a header, characters. */
const ERROR_LENGTH_MAX = 2_000
/** What the log adds to a header at most, bytes. */
const HEADER_OVERHEAD_BYTES = 16

export class DeadLetters {
  readonly #lists: AppendRecord[][]
  readonly #outputs: Outputs
  readonly #about: Readonly<Record<string, string>>
  readonly #bytesMax: number

  constructor(outputs: Outputs, topic: string, { partitions, maxMessageBytes = Infinity }: SinkTopic, job: string, stage: string) {
    this.#outputs = outputs
    this.#lists = outputs.topic(topic, partitions)
    this.#bytesMax = maxMessageBytes
    this.#about = { 'tidemark-job': job, 'tidemark-stage': stage }
  }

  /** The record as it came: its key, value and headers, and ours. */
  record(record: LogRecord, error: unknown, place: FaultPlace): void {
    this.#append(record.key, record.value, record.timestamp, record.headers ?? {}, error, place)
  }

  /** A value that has no record of its own: one that came by a shuffle, a window's result, a timer. */
  value(value: unknown, key: string | null, timestamp: number, error: unknown, place: FaultPlace): void {
    this.#append(key, asJson(value), timestamp, {}, error, place)
  }

  #headers(error: unknown, place: FaultPlace): Record<string, string> {
    return {
      ...this.#about, 'tidemark-error': messageOf(error).slice(0, ERROR_LENGTH_MAX), 'tidemark-code': codeOf(error), 'tidemark-operator': place.operator,
      ...(place.topic === undefined ? {} : { 'tidemark-source-topic': place.topic, 'tidemark-source-partition': String(place.partition), 'tidemark-source-offset': String(place.offset) }),
    }
  }

  #append(key: Buffer | string | null, value: Buffer | string | null, time: number, headers: Headers, error: unknown, place: FaultPlace): void {
    const ours = this.#headers(error, place)
    const record: AppendRecord = { ...this.#fitting({ key, value, headers }, ours), timestamp: this.#outputs.timestamp(time) }
    const partition = place.partition ?? 0
    ;(this.#lists[partition % this.#lists.length] as AppendRecord[]).push(record)
    this.#outputs.bytes += (record.value?.length ?? 0) + (record.key?.length ?? 0) + 300
  }

  /** Without what the topic does not take: the largest of key, value and headers first, then as much as must be of the error's text. */
  #fitting(parts: Parts, ours: Record<string, string>): Parts {
    const kept = { ...parts }
    const bytes = { value: sizeOf(parts.value), key: sizeOf(parts.key), headers: headersBytes(parts.headers) }
    let excess = bytes.value + bytes.key + bytes.headers + headersBytes(ours) + RECORD_OVERHEAD_BYTES - this.#bytesMax
    for (const name of (['value', 'key', 'headers'] as const).toSorted((a, b) => bytes[b] - bytes[a])) {
      const said = { [`tidemark-${name}-bytes`]: String(bytes[name]) }
      if (excess <= 0 || bytes[name] <= headersBytes(said)) break
      if (name === 'headers') kept.headers = {}
      else kept[name] = null
      Object.assign(ours, said)
      excess += headersBytes(said) - bytes[name]
    }
    if (excess > 0) ours['tidemark-error'] = (ours['tidemark-error'] ?? '').slice(0, -excess)
    return { ...kept, headers: { ...kept.headers, ...ours } }
  }
}

interface Parts {
  key: Buffer | string | null
  value: Buffer | string | null
  headers: Headers
}

const sizeOf = (part: Buffer | string | null): number => (part === null ? 0 : Buffer.byteLength(part))
const headersBytes = (headers: Headers): number => Object.entries(headers).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + sizeOf(value) + HEADER_OVERHEAD_BYTES, 0)

/** Bytes as base64, a bigint as text. Of bytes JSON.stringify asks `toJSON` first, so they are looked at where they stand. */
const plain = function (this: Readonly<Record<string, unknown>>, name: string, inner: unknown): unknown {
  const found = this[name]
  if (types.isUint8Array(found)) return Buffer.from(found.buffer, found.byteOffset, found.byteLength).toString('base64')
  return typeof inner === 'bigint' ? String(inner) : inner
}

const asJson = (value: unknown): string => {
  try {
    return JSON.stringify(value, plain) ?? 'null'
  } catch {
    return JSON.stringify(String(value))
  }
}
