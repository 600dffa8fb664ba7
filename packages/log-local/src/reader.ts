// Reads record batches; waits by looking whether another connection has changed the file, and for writes of this process by being told.
import type { DatabaseSync } from 'node:sqlite'
import { TidemarkError } from '@tidemark/base'
import type { Clock, FetchedPartition, FetchOptions, FetchRequest, LogReader, LogRecord } from '@tidemark/base'
import { decodeBatch } from './batch-format.ts'
import { guarded } from './database.ts'
import type { Topics } from './topics.ts'

/** Pauses between looks, ms: short at first, for a record that is about to come. */
const LOOK_FIRST_MS = 1
const LOOK_MAX_MS = 8

/** Tells readers of this process that something was written by it. */
export interface Writes {
  version: number
}

interface BatchRow {
  readonly base: number
  readonly count: number
  readonly bytes: Uint8Array
}

export class LocalReader implements LogReader {
  readonly #path: string
  readonly #database: DatabaseSync
  readonly #topics: Topics
  readonly #clock: Clock
  readonly #writes: Writes
  readonly #select
  readonly #version
  #closed = false

  constructor(needs: { readonly path: string, readonly database: DatabaseSync, readonly topics: Topics, readonly clock: Clock, readonly writes: Writes }) {
    this.#path = needs.path
    this.#database = needs.database
    this.#topics = needs.topics
    this.#clock = needs.clock
    this.#writes = needs.writes
    // The last batch that begins at or below the offset, then on from there.
    this.#select = this.#database.prepare('SELECT base, count, bytes FROM batches WHERE partition = ? AND base >= coalesce((SELECT max(base) FROM batches WHERE partition = ? AND base <= ?), 0) ORDER BY base')
    this.#version = this.#database.prepare('PRAGMA data_version')
  }

  async fetch(requests: readonly FetchRequest[], options: FetchOptions): Promise<FetchedPartition[]> {
    const began = this.#clock.monotonic()
    for (let lookMs = LOOK_FIRST_MS; ; lookMs = Math.min(lookMs * 1.5, LOOK_MAX_MS)) {
      if (this.#closed) throw new TidemarkError('the reader is closed', { code: 'LOG_CLOSED', blame: 'bug', action: 'restart-task' })
      options.signal?.throwIfAborted()
      const seen = this.#changes()
      const fetched = guarded(this.#path, () => requests.flatMap((request) => this.#read(request) ?? []))
      if (fetched.length > 0) return fetched
      do {
        const left = options.maxWaitMs - (this.#clock.monotonic() - began)
        if (left <= 0) return []
        await this.#clock.sleep(Math.min(lookMs, left), options.signal)
        lookMs = Math.min(lookMs * 1.5, LOOK_MAX_MS)
      } while (!this.#closed && this.#changes() === seen)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #changes(): string {
    return `${this.#writes.version}/${String(this.#version.get()?.['data_version'])}`
  }

  #read({ topic, partition, offset, maxBytes }: FetchRequest): FetchedPartition | undefined {
    if (!Number.isSafeInteger(offset) || offset < 0) throw new TidemarkError(`${offset} is no offset`, { code: 'LOG_OUT_OF_RANGE', blame: 'bug', action: 'fail-job', topic, partition, details: { requested: offset } })
    const { id, start, next } = this.#topics.partition(topic, partition)
    if (offset < start || offset > next) {
      throw new TidemarkError(`offset ${offset} of ${topic}/${partition} is out of range: the log holds ${start} to ${next}`, {
        code: 'LOG_OUT_OF_RANGE', blame: 'environment', action: 'fail-job', topic, partition, offset, details: { start, end: next, requested: offset },
        hint: offset < start ? 'Retention or a trim removed these records.' : 'The topic was made anew, or the position belongs to another cluster.',
      })
    }
    if (offset === next) return undefined
    const records: LogRecord[] = []
    let bytes = 0
    let nextOffset = offset
    for (const row of this.#select.iterate(id, id, offset) as Iterable<BatchRow & Record<string, never>>) {
      if (row.base + row.count <= offset) continue
      decodeBatch(Buffer.from(row.bytes.buffer, row.bytes.byteOffset, row.bytes.byteLength), row.base, row.count, offset, records, { topic, partition })
      nextOffset = row.base + row.count
      bytes += row.bytes.byteLength
      if (bytes >= maxBytes) break
    }
    return { topic, partition, fromOffset: offset, records, nextOffset, startOffset: start, stableOffset: next }
  }
}
