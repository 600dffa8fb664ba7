// What all clients of one memory log share: topics, producers and their transactions, with Kafka's semantics. Every call is done when it returns.
import type { Append, Appended, Clock, FetchedPartition, FetchOptions, FetchRequest, PartitionOffsets, Timer, TopicDescription, TopicSpec, TransactionalId } from '@tidemark/base'
import { fenced, missing, outOfRange, tooLarge, topicExists, topicInvalid } from './errors.ts'
import { MemoryPartition, recordBytes } from './partition.ts'
import type { Transaction } from './partition.ts'

/** Kafka's default of `max.message.bytes`. */
const MESSAGE_BYTES_MAX = 1_048_588
const TOPIC_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/

interface Topic {
  readonly description: TopicDescription
  readonly partitions: readonly MemoryPartition[]
}

interface Producer {
  /** Grows with every initialisation and fence of this id; the session that holds the newest may append and commit. */
  epoch: number
  open: Transaction | undefined
  timer: Timer | undefined
}

export interface MemoryBrokerOptions {
  readonly clock: Clock
  /** A transaction open for longer is aborted and its id fenced. Default: never. */
  readonly transactionTimeoutMs?: number
}

export class MemoryBroker {
  readonly clock: Clock
  readonly #transactionTimeoutMs: number | undefined
  readonly #topics = new Map<string, Topic>()
  readonly #producers = new Map<TransactionalId, Producer>()
  readonly #mirrored = new Map<string, Map<string, number>>()

  constructor({ clock, transactionTimeoutMs }: MemoryBrokerOptions) {
    this.clock = clock
    this.#transactionTimeoutMs = transactionTimeoutMs
  }

  createTopics(specs: readonly TopicSpec[]): void {
    for (const { topic, partitions, config = {} } of specs) {
      if (!TOPIC_NAME.test(topic)) throw topicInvalid(topic, 'letters, digits, ".", "_" and "-", at most 249 of them')
      if (!Number.isSafeInteger(partitions) || partitions < 1) throw topicInvalid(topic, `${partitions} partitions`)
      const found = this.#topics.get(topic)
      if (found && found.description.partitions !== partitions) throw topicExists(topic, found.description.partitions, partitions)
      if (found) continue
      const description: TopicDescription = {
        topic, partitions, replicationFactor: 1,
        compacted: (config['cleanup.policy'] ?? '').split(',').includes('compact'),
        maxMessageBytes: Number(config['max.message.bytes'] ?? MESSAGE_BYTES_MAX),
        retentionMs: Number(config['retention.ms'] ?? -1),
      }
      this.#topics.set(topic, { description, partitions: Array.from({ length: partitions }, () => new MemoryPartition()) })
    }
  }

  describe(topic: string): TopicDescription | undefined {
    return this.#topics.get(topic)?.description
  }

  listTopics(): string[] {
    return [...this.#topics.keys()].toSorted()
  }

  deleteTopic(topic: string): void {
    const found = this.#topics.get(topic)
    this.#topics.delete(topic)
    for (const partition of found?.partitions ?? []) partition.deleted()
  }

  partition(topic: string, partition: number): MemoryPartition {
    const found = this.#topics.get(topic)
    if (!found) throw missing(topic)
    const one = found.partitions[partition]
    if (!one) throw missing(topic, partition)
    return one
  }

  offsets(topic: string, partitions?: readonly number[]): PartitionOffsets[] {
    const all = this.#topics.get(topic)
    if (!all) throw missing(topic)
    return (partitions ?? all.partitions.keys().toArray()).map((partition) => {
      const { start, stable, end } = this.partition(topic, partition)
      return { partition, start, stable, end }
    }).toSorted((a, b) => a.partition - b.partition)
  }

  /** Aborts what the id left open; answers with the epoch that its session now holds. A fence is the same, its answer thrown away. */
  initialise(id: TransactionalId): number {
    const producer: Producer = this.#producers.get(id) ?? { epoch: -1, open: undefined, timer: undefined }
    this.#producers.set(id, producer)
    this.#end(producer, 'aborted')
    producer.epoch += 1
    return producer.epoch
  }

  /** All of it or, where an error is thrown, nothing. A call that arrives late joins the transaction that its epoch has open by then. */
  append(id: TransactionalId, epoch: number, writes: readonly Append[]): Appended[] {
    const producer = this.#held(id, epoch)
    this.#check(writes)
    const transaction: Transaction = producer.open ?? { state: 'open', touched: new Set() }
    if (!producer.open && this.#transactionTimeoutMs !== undefined) producer.timer = this.clock.after(this.#transactionTimeoutMs, () => this.initialise(id))
    producer.open = transaction
    return this.#append(writes, transaction)
  }

  commit(id: TransactionalId, epoch: number): void {
    const producer = this.#held(id, epoch)
    if (!producer.open) throw fenced(id)
    this.#end(producer, 'committed')
  }

  write(writes: readonly Append[]): Appended[] {
    this.#check(writes)
    return this.#append(writes, undefined)
  }

  read({ topic, partition, offset, maxBytes }: FetchRequest, isolation: FetchOptions['isolation']): FetchedPartition | undefined {
    const held = this.partition(topic, partition)
    if (!Number.isSafeInteger(offset) || offset < held.start || offset > held.end) throw outOfRange(topic, partition, offset, held.start, held.end)
    const found = held.read(offset, maxBytes, isolation)
    return found && { topic, partition, fromOffset: offset, ...found, startOffset: held.start, stableOffset: held.stable }
  }

  /** The answer that there is nothing, not even in an open transaction; undefined when there is. */
  quiet({ topic, partition, offset }: FetchRequest): FetchedPartition | undefined {
    const held = this.partition(topic, partition)
    return offset === held.end ? { topic, partition, fromOffset: offset, records: [], nextOffset: offset, startOffset: held.start, stableOffset: held.stable } : undefined
  }

  trim(topic: string, partition: number, before: number): void {
    const held = this.partition(topic, partition)
    if (!Number.isSafeInteger(before) || before < 0 || before > held.end) throw outOfRange(topic, partition, before, held.start, held.end)
    held.trim(before)
  }

  /** Takes one record as compaction would: its offset stays, and holds nothing. */
  compactAway(topic: string, partition: number, offset: number): void {
    this.partition(topic, partition).compactAway(offset)
  }

  mirror(group: string, topic: string, partition: number, nextOffset: number): void {
    const positions = this.#mirrored.get(group) ?? new Map<string, number>()
    this.#mirrored.set(group, positions.set(`${topic}/${partition}`, nextOffset))
  }

  /** What was published for a group, by `topic/partition`. */
  mirrored(group: string): ReadonlyMap<string, number> {
    return this.#mirrored.get(group) ?? new Map()
  }

  #held(id: TransactionalId, epoch: number): Producer {
    const producer = this.#producers.get(id)
    if (producer?.epoch !== epoch) throw fenced(id)
    return producer
  }

  #end(producer: Producer, state: 'committed' | 'aborted'): void {
    const transaction = producer.open
    producer.open = undefined
    producer.timer?.cancel()
    if (!transaction) return
    transaction.state = state
    for (const partition of transaction.touched) partition.ended(transaction)
  }

  #check(writes: readonly Append[]): void {
    for (const { topic, partition, records } of writes) {
      this.partition(topic, partition)
      if (records.length === 0) throw new RangeError(`an append to partition ${partition} of "${topic}" has no records`)
      const bytesMax = this.#topics.get(topic)?.description.maxMessageBytes ?? MESSAGE_BYTES_MAX
      for (const record of records) if (recordBytes(record) > bytesMax) throw tooLarge({ topic, partition }, recordBytes(record), bytesMax)
    }
  }

  #append(writes: readonly Append[], transaction: Transaction | undefined): Appended[] {
    return writes.map(({ topic, partition, records }) => ({ topic, partition, baseOffset: this.partition(topic, partition).append(records, this.clock.now(), transaction) }))
  }
}
