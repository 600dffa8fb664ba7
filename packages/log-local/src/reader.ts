// Reads batches from positions of the caller's own. Nothing is ever open here: what is in the file is committed, stable offset = end.
import { invariantBroken } from '@tidemark/base'
import type { FetchedPartition, FetchOptions, FetchRequest, LogReader, LogRecord } from '@tidemark/base'
import { decodeBatch, isIntact } from './batch.ts'
import type { Changes } from './changes.ts'
import type { Database, Sql } from './database.ts'
import type { Directory } from './directory.ts'
import { closed, outOfRange, readerMisused, replaced, undecodable } from './errors.ts'

export class LocalReader implements LogReader {
  readonly #database: Database
  readonly #directory: Directory
  readonly #changes: Changes
  readonly #end = new AbortController()
  readonly #onClose: (reader: LocalReader) => void
  /** Ids of the partitions that were read. */
  readonly #ids = new Map<string, number>()
  #busy = false

  constructor(database: Database, directory: Directory, changes: Changes, onClose: (reader: LocalReader) => void) {
    this.#database = database
    this.#directory = directory
    this.#changes = changes
    this.#onClose = onClose
  }

  async fetch(requests: readonly FetchRequest[], options: FetchOptions): Promise<FetchedPartition[]> {
    this.#end.signal.throwIfAborted()
    if (this.#busy) throw readerMisused()
    this.#busy = true
    try {
      return await this.#fetch(requests, options)
    } finally {
      this.#busy = false
    }
  }

  async close(): Promise<void> {
    this.#end.abort(closed('the reader'))
    this.#onClose(this)
  }

  async #fetch(requests: readonly FetchRequest[], { maxWaitMs, signal, answerQuiet = false }: FetchOptions): Promise<FetchedPartition[]> {
    const { clock } = this.#database
    const deadline = clock.monotonic() + maxWaitMs
    await this.#database.open()
    for (;;) {
      this.#end.signal.throwIfAborted()
      signal?.throwIfAborted()
      const seen = this.#changes.version()
      const found = await this.#database.read('fetch', (sql) => requests.flatMap((request) => this.#partition(sql, request)))
      const leftMs = deadline - clock.monotonic()
      const some = found.some(({ fromOffset, nextOffset }) => nextOffset > fromOffset)
      if (some || leftMs <= 0) return answerQuiet ? found : found.filter(({ fromOffset, nextOffset }) => nextOffset > fromOffset)
      await this.#changes.newer(seen, leftMs, signal ? [this.#end.signal, signal] : [this.#end.signal])
    }
  }

  #partition(sql: Sql, { topic, partition, offset, maxBytes }: FetchRequest): FetchedPartition {
    const { id, start, end } = this.#bounds(sql, topic, partition)
    if (!Number.isSafeInteger(offset) || offset < start || offset > end) throw outOfRange(topic, partition, offset, start, end)
    if (offset === end) return { topic, partition, fromOffset: offset, records: [], nextOffset: offset, startOffset: start, stableOffset: end }
    const records: LogRecord[] = []
    let next = offset
    let bytesRead = 0
    for (const row of sql.each('SELECT base, last, bytes FROM batches WHERE partition_id = ? AND last >= ? ORDER BY last', id, offset)) {
      const [base, last, blob] = [Number(row['base']), Number(row['last']), row['bytes']]
      if (bytesRead > 0 && bytesRead + (blob instanceof Uint8Array ? blob.length : 0) > maxBytes) break
      const place = { topic, partition, offset: base }
      if (base > next) throw invariantBroken('7', `offsets ${next} to ${base - 1} of partition ${partition} of "${topic}" are not in the log`, { ...place, offset: next, details: { expected: next, found: base } })
      const bytes = blob instanceof Uint8Array ? Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength) : Buffer.alloc(0)
      if (!isIntact(bytes)) throw undecodable(`the batch at offset ${base} of partition ${partition} of "${topic}" is damaged: its checksum is another`, place)
      next = decodeBatch(bytes, base, offset, records)
      if (next !== last + 1) throw undecodable(`the batch at offset ${base} of partition ${partition} of "${topic}" ends at ${next - 1}, not at ${last}`, place)
      bytesRead += bytes.length
    }
    if (next === offset) throw invariantBroken('7', `offsets ${offset} to ${end - 1} of partition ${partition} of "${topic}" are not in the log`, { topic, partition, offset, details: { start, end } })
    return { topic, partition, fromOffset: offset, records, nextOffset: next, startOffset: start, stableOffset: end }
  }

  #sameTopic(topic: string, partition: number, id: number): void {
    const key = `${topic}/${partition}`
    const before = this.#ids.get(key)
    if (before === undefined) this.#ids.set(key, id)
    else if (before !== id) throw replaced(topic)
  }

  #bounds(sql: Sql, topic: string, partition: number): { readonly id: number, readonly start: number, readonly end: number } {
    for (let attempt = 1; ; attempt += 1) {
      const { id } = this.#directory.place(sql, topic, partition)
      const row = sql.get('SELECT "start", "end" FROM partitions WHERE id = ?', id)
      if (row) this.#sameTopic(topic, partition, id)
      if (row) return { id, start: Number(row['start']), end: Number(row['end']) }
      // Deleted, and perhaps made anew, by another process.
      this.#directory.forget(topic)
      if (attempt > 1) throw invariantBroken('7', `partition ${partition} of "${topic}" has no row ${id}`, { topic, partition })
    }
  }
}
