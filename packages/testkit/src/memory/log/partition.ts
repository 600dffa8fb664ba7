// One partition of the memory log: records and control records by offset, who may see them, who waits for more.
import type { AppendRecord, FetchOptions, LogRecord } from '@tidemark/base'

export interface Transaction {
  state: 'open' | 'committed' | 'aborted'
  readonly touched: Set<MemoryPartition>
}

/** What one offset holds. A hole is a record that compaction took. */
type Entry =
  | { readonly kind: 'record', readonly record: LogRecord, readonly bytes: number, readonly transaction: Transaction | undefined }
  | { readonly kind: 'control' }
  | { readonly kind: 'hole' }

/** About what Kafka adds to a batch of one record, bytes. */
const RECORD_OVERHEAD_BYTES = 70

const bufferOf = (data: Buffer | string | null): Buffer | null => (data === null ? null : typeof data === 'string' ? Buffer.from(data) : Buffer.copyBytesFrom(data))

export const recordBytes = ({ key, value, headers = {} }: AppendRecord): number => {
  let bytes = RECORD_OVERHEAD_BYTES + (key === null ? 0 : Buffer.byteLength(key)) + (value === null ? 0 : Buffer.byteLength(value))
  for (const [name, header] of Object.entries(headers)) bytes += Buffer.byteLength(name) + Buffer.byteLength(header)
  return bytes
}

export class MemoryPartition {
  #start = 0
  /** By offset, from `#start` on. */
  readonly #entries: Entry[] = []
  /** First offset by open transaction. */
  readonly #open = new Map<Transaction, number>()
  readonly #waiting = new Set<() => void>()

  get start(): number {
    return this.#start
  }

  get end(): number {
    return this.#start + this.#entries.length
  }

  get stable(): number {
    return Math.max(this.#start, Math.min(this.end, ...this.#open.values()))
  }

  /** Answers with the offset of the first one. */
  append(records: readonly AppendRecord[], now: number, transaction: Transaction | undefined): number {
    const base = this.end
    if (transaction && !this.#open.has(transaction)) {
      this.#open.set(transaction, base)
      transaction.touched.add(this)
    }
    for (const item of records) {
      const headers = item.headers && Object.fromEntries(Object.entries(item.headers).map(([name, data]) => [name, Buffer.from(data)]))
      const record: LogRecord = { offset: this.end, timestamp: item.timestamp ?? now, key: bufferOf(item.key), value: bufferOf(item.value), ...(headers && Object.keys(headers).length > 0 ? { headers } : {}) }
      this.#entries.push({ kind: 'record', record, bytes: recordBytes(item), transaction })
    }
    this.#wake()
    return base
  }

  /** Called once the transaction's state is set: its control record takes one offset. */
  ended(transaction: Transaction): void {
    this.#open.delete(transaction)
    this.#entries.push({ kind: 'control' })
    this.#wake()
  }

  trim(before: number): void {
    if (before > this.#start) this.#entries.splice(0, before - this.#start)
    this.#start = Math.max(this.#start, before)
    this.#wake()
  }

  compactAway(offset: number): void {
    if (offset < this.#start || offset >= this.end) throw new RangeError(`no record ${offset}`)
    this.#entries[offset - this.#start] = { kind: 'hole' }
  }

  /** From an offset that the log holds, or its end. Undefined: nothing to read yet. */
  read(offset: number, maxBytes: number, isolation: FetchOptions['isolation']): { readonly records: LogRecord[], readonly nextOffset: number } | undefined {
    const limit = isolation === 'committed' ? this.stable : this.end
    const records: LogRecord[] = []
    let nextOffset = offset
    for (let bytes = 0; nextOffset < limit && (bytes < maxBytes || nextOffset === offset); nextOffset += 1) {
      const entry = this.#entries[nextOffset - this.#start]
      if (entry?.kind !== 'record') continue
      bytes += entry.bytes
      if (isolation === 'uncommitted' || entry.transaction === undefined || entry.transaction.state === 'committed') records.push(entry.record)
    }
    return nextOffset === offset ? undefined : { records, nextOffset }
  }

  /** Calls `wake` at every change until the answer is called. */
  watch(wake: () => void): () => void {
    this.#waiting.add(wake)
    return () => this.#waiting.delete(wake)
  }

  /** The topic is gone. */
  deleted(): void {
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
  }
}
