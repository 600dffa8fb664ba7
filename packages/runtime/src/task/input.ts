// One input partition of a task: its queue, its position, its watermark; with what of it is committed.
import { crc32 } from 'node:zlib'
import type { FetchedPartition, LogRecord, TaskRef } from '@tidemark/base'
import type { SourcePosition } from '@tidemark/checkpoint'
import type { InputProgress } from '../watermarks/stage-watermark.ts'
import { InFlightQueue } from './in-flight-queue.ts'
import { InputQueue } from './queue.ts'
import type { TaskInput } from './task.ts'

/** CRC-32 of a record's key and value: tells a topic that was made anew. */
export const recordChecksum = (record: Pick<LogRecord, 'key' | 'value'>): number => crc32(record.value ?? Buffer.alloc(0), crc32(record.key ?? Buffer.alloc(0)))

interface Progress {
  readonly watermark: number | undefined
  readonly idle: boolean
  readonly last: SourcePosition['last']
}

export class InputPartition {
  readonly input: string
  readonly kind: TaskInput['kind']
  readonly topic: string
  readonly partition: number
  readonly queue: InputQueue
  readonly inFlight: InFlightQueue
  /** Sources only: highest event time less the bound, ms; -Infinity before the first record. */
  watermark = -Infinity
  idle = false
  /** Sources, while idle: up to where it holds nobody; and what the next look, and the one after it, let it pass. */
  #cleared = -Infinity
  #pending: readonly [number, number] = [-Infinity, -Infinity]
  /** Sources: for how long the log has been saying that there is nothing, ms; whether it said so since that was reckoned, and when that was. */
  quietMs = 0
  looked = false
  lookedAt: number | undefined
  /** Answers since the task was last heard by readers of its shuffles, in which the log's end was reached; of a source: which brought nothing. */
  #endsSeen = 0
  /** The last record processed, until its checksum is asked for. */
  lastRecord: LogRecord | undefined
  #last: SourcePosition['last']
  #committed: Progress = { watermark: undefined, idle: false, last: undefined }

  constructor(input: { readonly input: string, readonly kind: TaskInput['kind'], readonly topic: string, readonly partition: number, readonly next?: number, readonly inFlight?: number }, task: TaskRef) {
    this.input = input.input
    this.kind = input.kind
    this.topic = input.topic
    this.partition = input.partition
    this.queue = new InputQueue(input.next ?? 0, task)
    this.inFlight = new InFlightQueue(input.inFlight)
  }

  get isSource(): boolean {
    return this.kind !== 'shuffle'
  }

  get progress(): InputProgress {
    return { watermark: this.idle ? Math.max(this.watermark, this.#cleared) : this.watermark, idle: this.idle }
  }

  /**
   * The log says again that it has nothing. `others`: up to where the others let this one pass by what was read of them by now. That counts with the
   * second answer from here: the next may have been under way before.
   */
  clears(others: number): void {
    const [due, next] = this.#pending
    this.#cleared = Math.max(this.#cleared, due)
    this.#pending = [next, others]
  }

  wake(): void {
    this.idle = false
    this.quietMs = 0
    this.#clearsNothing()
  }

  #clearsNothing(): void {
    this.#cleared = -Infinity
    this.#pending = [-Infinity, -Infinity]
  }

  get position(): SourcePosition {
    const { lastRecord } = this
    if (lastRecord !== undefined) {
      this.#last = { offset: lastRecord.offset, checksum: recordChecksum(lastRecord) }
      this.lastRecord = undefined
    }
    return {
      input: this.input, topic: this.topic, partition: this.partition, next: this.queue.next,
      ...(this.#last === undefined ? {} : { last: this.#last }),
      ...(this.inFlight.next === undefined ? {} : { inFlight: this.inFlight.next }),
      ...(this.watermark === -Infinity ? {} : { watermark: this.watermark }),
      ...(this.isSource ? { idle: this.idle } : {}),
    }
  }

  get hasMore(): boolean {
    return this.inFlight.hasMore || (this.inFlight.next === undefined && this.queue.hasMore)
  }

  /** Whether something but the position is not what is recorded: idleness, or that there are no in-flight blocks. */
  get changed(): boolean {
    return this.idle !== this.#committed.idle || this.inFlight.changed
  }

  asInput(): TaskInput {
    return { input: this.input, kind: this.kind, topic: this.topic, partition: this.partition, next: this.queue.next, ...(this.inFlight.next === undefined ? {} : { inFlight: this.inFlight.next }) }
  }

  offer(fetched: FetchedPartition): void {
    this.queue.offer(fetched)
    const brings = fetched.nextOffset > fetched.fromOffset
    if (fetched.nextOffset < fetched.stableOffset || (brings && this.isSource)) this.#endsSeen = 0
    else this.#endsSeen += 1
    if (!brings) this.looked = true
  }

  /** That there is nothing more was seen by an answer asked for after the task was last heard: the first may have been under way before. */
  get endSeen(): boolean {
    return this.#endsSeen >= 2 && !this.hasMore
  }

  /** Blocks of the task are committed. */
  told(): void {
    this.#endsSeen = 0
  }

  commit(): void {
    this.queue.commit()
    this.inFlight.commit()
    this.#committed = { watermark: this.watermark === -Infinity ? undefined : this.watermark, idle: this.idle, last: this.position.last }
  }

  undo(): void {
    this.queue.undo()
    this.inFlight.undo()
    this.watermark = this.#committed.watermark ?? -Infinity
    this.idle = this.#committed.idle
    this.#clearsNothing()
    this.#last = this.#committed.last
    this.lastRecord = undefined
  }

  /** Goes on where a committed record, or a snapshot, says. */
  seek(position: SourcePosition): void {
    this.queue.seek(position.next)
    this.inFlight.seek(position.inFlight)
    this.watermark = position.watermark ?? -Infinity
    // Whether it still is has to be seen: records may have come while nobody read. One look is enough, unless it brings some.
    this.wake()
    this.quietMs = position.idle === true ? Infinity : 0
    this.looked = false
    this.#endsSeen = 0
    this.#last = position.last
    this.lastRecord = undefined
    this.#committed = { watermark: position.watermark, idle: this.idle, last: position.last }
  }
}
