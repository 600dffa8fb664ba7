// Dead letters: what user code or a codec can't handle, appended in the same transaction as the position, with everything needed to look at it
// and to send it again.
import type { AppendRecord, Headers, LogRecord } from '@tidemark/base'
import type { Outputs } from './outputs.ts'
import { codeOf, messageOf } from './errors.ts'
import type { FaultPlace } from './errors.ts'

/** Of an error's message in a header, characters. */
const ERROR_LENGTH_MAX = 2_000

export class DeadLetters {
  readonly #lists: AppendRecord[][]
  readonly #outputs: Outputs
  readonly #about: Readonly<Record<string, string>>

  constructor(outputs: Outputs, topic: string, partitions: number, job: string, stage: string) {
    this.#outputs = outputs
    this.#lists = outputs.topic(topic, partitions)
    this.#about = { 'tidemark-job': job, 'tidemark-stage': stage }
  }

  /** The record as it came: its key, value and headers, and ours. */
  record(record: LogRecord, error: unknown, place: FaultPlace): void {
    this.#append({ key: record.key, value: record.value, timestamp: record.timestamp, headers: { ...record.headers, ...this.#headers(error, place) } }, place.partition ?? 0)
  }

  /** A value that has no record of its own: one that came by a shuffle, a window's result, a timer. */
  value(value: unknown, key: string | null, timestamp: number, error: unknown, place: FaultPlace): void {
    this.#append({ key, value: asJson(value), timestamp: Math.trunc(timestamp), headers: this.#headers(error, place) }, place.partition ?? 0)
  }

  #headers(error: unknown, place: FaultPlace): Headers {
    return {
      ...this.#about, 'tidemark-error': messageOf(error).slice(0, ERROR_LENGTH_MAX), 'tidemark-code': codeOf(error), 'tidemark-operator': place.operator,
      ...(place.topic === undefined ? {} : { 'tidemark-source-topic': place.topic, 'tidemark-source-partition': String(place.partition), 'tidemark-source-offset': String(place.offset) }),
    }
  }

  #append(record: AppendRecord, partition: number): void {
    ;(this.#lists[partition % this.#lists.length] as AppendRecord[]).push(record)
    this.#outputs.bytes += (record.value?.length ?? 0) + (record.key?.length ?? 0) + 300
  }
}

const asJson = (value: unknown): string => {
  try {
    return JSON.stringify(value, (_key, inner: unknown) => typeof inner === 'bigint' ? String(inner) : inner) ?? 'null'
  } catch {
    return JSON.stringify(String(value))
  }
}
