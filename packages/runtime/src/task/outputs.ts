// What the open batch sends: records for topics, blocks for shuffles, entries for the outbox. Kept until the batch is frozen; a batch that is
// taken back leaves nothing here.
import type { Append, AppendRecord } from '@tidemark/base'

/** One Append entry at most, so that a produce request stays within a topic's limit. */
export const APPEND_RECORDS_MAX = 1_000
export const APPEND_BYTES_MAX = 900 * 1024
/** About what the log adds to a record. */
const RECORD_OVERHEAD_BYTES = 24

/** Text takes at most three bytes a UTF-16 unit; counting them exactly is only worth it near the limit. */
const sizeOf = (part: Buffer | string | null, exact: boolean): number => part === null ? 0 : typeof part !== 'string' ? part.length : exact ? Buffer.byteLength(part) : part.length * 3

const recordBytes = (record: AppendRecord, exact: boolean): number => {
  let bytes = RECORD_OVERHEAD_BYTES + sizeOf(record.key, exact) + sizeOf(record.value, exact)
  if (record.headers !== undefined) for (const [name, value] of Object.entries(record.headers)) bytes += name.length * 3 + sizeOf(value, exact) + 4
  return bytes
}

/** Where the chunk that begins at `from` ends. */
const chunkEnd = (records: readonly AppendRecord[], from: number): number => {
  const most = Math.min(records.length, from + APPEND_RECORDS_MAX)
  for (const exact of [false, true]) {
    let bytes = 0
    let to = from
    while (to < most) {
      bytes += recordBytes(records[to] as AppendRecord, exact)
      if (bytes > APPEND_BYTES_MAX && to > from) break
      to += 1
    }
    if (to === most || exact) return to
  }
  return most
}

/** Records of one topic, by partition. */
class TopicOutput {
  readonly topic: string
  readonly partitions: AppendRecord[][]

  constructor(topic: string, partitions: number) {
    this.topic = topic
    this.partitions = Array.from({ length: partitions }, () => [])
  }
}

/** The earliest that a Date can be, ms. */
const TIME_MIN = -8.64e15
/** Half of Kafka's default bound: its clock may be behind this machine's. */
export const AHEAD_MS_MAX = 1_800_000

export class Outputs {
  /** The wall clock, ms, as the batch is worked on. */
  now = 0
  /** About what the batch sends, bytes. */
  bytes = 0
  /** Records sent to sinks and shuffles. */
  emitted = 0
  readonly #topics: TopicOutput[] = []
  readonly #outbox = new Map<string, Buffer[]>()

  /** The lists to push a topic's records to, one for each partition; they stay the same for the task's life. */
  topic(topic: string, partitions: number): AppendRecord[][] {
    const made = new TopicOutput(topic, partitions)
    this.#topics.push(made)
    return made.partitions
  }

  /**
   * A record's own time in the log, of an event time. Never far ahead of the wall clock: Kafka refuses a record that is more than
   * `message.timestamp.after.max.ms` (an hour) ahead of its own, and a window may end a day from now. Up to there it is the event time whatever the
   * clocks of the machines say, for who reads it may sort it into windows by that.
   */
  timestamp(eventTime: number): number {
    return Math.trunc(Math.max(TIME_MIN, Math.min(eventTime, this.now + AHEAD_MS_MAX)))
  }

  outbox(sink: string): Buffer[] {
    const records: Buffer[] = []
    this.#outbox.set(sink, records)
    return records
  }

  appends(): Append[] {
    const appends: Append[] = []
    for (const { topic, partitions } of this.#topics) {
      for (const [partition, records] of partitions.entries()) {
        for (let from = 0; from < records.length;) {
          const to = chunkEnd(records, from)
          appends.push({ topic, partition, records: records.slice(from, to) })
          from = to
        }
      }
    }
    return appends
  }

  /** New outbox records by sink, in order. */
  outboxRecords(): { readonly sink: string, readonly records: readonly Buffer[] }[] {
    return [...this.#outbox].filter(([, records]) => records.length > 0).map(([sink, records]) => ({ sink, records: records.slice() }))
  }

  clear(): void {
    for (const { partitions } of this.#topics) for (const records of partitions) records.length = 0
    for (const records of this.#outbox.values()) records.length = 0
    this.bytes = 0
    this.emitted = 0
  }
}
