// What was fetched of one input partition and is not committed yet. Processing reads it; undo goes back to where the last commit was; so an
// undone batch needs no second fetch.
import { invariantBroken } from '@tidemark/base'
import type { ErrorPlace, FetchedPartition, LogRecord } from '@tidemark/base'

interface Segment {
  readonly fetched: FetchedPartition
  readonly bytes: number
}

const bytesOf = (record: LogRecord): number => (record.value?.length ?? 0) + (record.key?.length ?? 0)

export class InputQueue {
  /** The next offset to process. */
  next: number
  readonly #place: ErrorPlace
  #segments: Segment[] = []
  /** The record to be processed next: segment, and index in it. */
  #segment = 0
  #index = 0
  #committed: { readonly next: number, readonly index: number }
  /** The next offset to fetch. */
  #end: number
  #stable = 0

  constructor(next: number, place: ErrorPlace) {
    this.next = next
    this.#end = next
    this.#committed = { next, index: 0 }
    this.#place = place
  }

  get end(): number {
    return this.#end
  }

  /** Whether all that is known to be there was processed. */
  get caughtUp(): boolean {
    return this.#segment >= this.#segments.length && this.next >= this.#stable
  }

  get hasMore(): boolean {
    return this.#segment < this.#segments.length
  }

  get unreadBytes(): number {
    let bytes = 0
    for (let i = this.#segment; i < this.#segments.length; i += 1) {
      const { fetched, bytes: all } = this.#segments[i] as Segment
      bytes += i === this.#segment && fetched.records.length > 0 ? Math.ceil(all * (1 - this.#index / fetched.records.length)) : all
    }
    return bytes
  }

  /** Invariant 7: what comes continues what came before, record by record. */
  offer(fetched: FetchedPartition): void {
    const { topic, partition } = fetched
    const broken = (message: string): Error => invariantBroken('7', `${topic}/${partition}: ${message}`, { ...this.#place, topic, partition, offset: this.#end, details: { expected: this.#end, fromOffset: fetched.fromOffset, nextOffset: fetched.nextOffset } })
    if (fetched.fromOffset !== this.#end) throw broken(`what was fetched begins at ${fetched.fromOffset}, what was there ends at ${this.#end}`)
    let [at, bytes] = [fetched.fromOffset, 0]
    for (const record of fetched.records) {
      if (record.offset < at) throw broken(`record ${record.offset} came where ${at} or a later one was to come`)
      at = record.offset + 1
      bytes += bytesOf(record)
    }
    if (fetched.nextOffset < at) throw broken(`record ${at - 1} came, but reading is to go on at ${fetched.nextOffset}`)
    this.#stable = fetched.stableOffset
    if (fetched.nextOffset === fetched.fromOffset) return
    this.#segments.push({ fetched, bytes })
    this.#end = fetched.nextOffset
  }

  /** Records from here to the end of what one fetch brought; `from` is the index of the first. */
  head(): { readonly records: readonly LogRecord[], readonly from: number } | undefined {
    const segment = this.#segments[this.#segment]
    return segment === undefined ? undefined : { records: segment.fetched.records, from: this.#index }
  }

  /** Records of the head up to index `to` were processed. Answers by how many offsets the position moved. */
  advance(to: number): number {
    const { fetched } = this.#segments[this.#segment] as Segment
    const before = this.next
    if (to >= fetched.records.length) {
      this.next = fetched.nextOffset
      this.#segment += 1
      this.#index = 0
    } else {
      if (to > 0) this.next = (fetched.records[to - 1] as LogRecord).offset + 1
      this.#index = to
    }
    return this.next - before
  }

  commit(): void {
    if (this.#segment > 0) this.#segments = this.#segments.slice(this.#segment)
    this.#segment = 0
    this.#committed = { next: this.next, index: this.#index }
  }

  undo(): void {
    this.next = this.#committed.next
    this.#segment = 0
    this.#index = this.#committed.index
  }

  /** Another batch than the own moved the position; only between batches. What is queued behind it is kept. */
  seek(next: number): void {
    while (this.#segments.length > 0 && (this.#segments[0] as Segment).fetched.nextOffset <= next) {
      this.#segments.shift()
      this.#index = 0
    }
    const first = this.#segments[0]
    if (first === undefined || next < Math.max(first.fetched.fromOffset, this.#index === 0 ? 0 : this.#committed.next)) {
      this.#segments = []
      this.#index = 0
      this.#end = next
    } else this.#index = first.fetched.records.findIndex((record) => record.offset >= next)
    if (this.#index < 0) this.#index = first?.fetched.records.length ?? 0
    this.#segment = 0
    this.next = next
    this.#committed = { next, index: this.#index }
  }
}
