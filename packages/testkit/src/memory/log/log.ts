// The Log port in memory: a client of a memory broker. Several clients may share one, each with faults of its own between.
import { crc32 } from 'node:zlib'
import type { Append, Appended, Clock, EditedOffset, Log, LogReader, PartitionOffsets, ProducerSession, TopicDescription, TopicSpec, TransactionalId } from '@tidemark/base'
import { passThrough } from '../intercept.ts'
import type { Intercept } from '../intercept.ts'
import { MemoryBroker } from './broker.ts'
import { closed } from './errors.ts'
import { MemoryReader } from './reader.ts'
import { MemorySession } from './session.ts'

export interface MemoryLogOptions {
  readonly clock: Clock
  /** Default: one of its own. */
  readonly broker?: MemoryBroker
  readonly intercept?: Intercept
}

export class MemoryLog implements Log {
  readonly name = 'memory'
  readonly hasOpenTransactions = true
  readonly broker: MemoryBroker
  readonly #intercept: Intercept
  readonly #readers = new Set<MemoryReader>()
  readonly #sessions = new Set<MemorySession>()
  #closed = false

  constructor({ clock, broker = new MemoryBroker({ clock }), intercept = passThrough }: MemoryLogOptions) {
    this.broker = broker
    this.#intercept = intercept
  }

  async check(): Promise<void> {
    await this.#call('check', '', () => {})
  }

  createTopics(specs: readonly TopicSpec[]): Promise<void> {
    return this.#call('createTopics', specs.map(({ topic }) => topic).join(' '), () => this.broker.createTopics(specs))
  }

  describeTopics(topics: readonly string[]): Promise<Map<string, TopicDescription>> {
    return this.#call('describeTopics', topics.join(' '), () => new Map(topics.flatMap((topic) => {
      const description = this.broker.describe(topic)
      return description ? [[topic, description] as const] : []
    })))
  }

  listTopics(): Promise<string[]> {
    return this.#call('listTopics', '', () => this.broker.listTopics())
  }

  deleteTopics(topics: readonly string[]): Promise<void> {
    return this.#call('deleteTopics', topics.join(' '), () => {
      for (const topic of topics) this.broker.deleteTopic(topic)
    })
  }

  offsets(topic: string, partitions?: readonly number[]): Promise<PartitionOffsets[]> {
    return this.#call('offsets', topic, () => this.broker.offsets(topic, partitions))
  }

  reader(): LogReader {
    this.#open()
    const reader = new MemoryReader(this.broker, this.#intercept, (closing) => this.#readers.delete(closing))
    this.#readers.add(reader)
    return reader
  }

  session(id: TransactionalId): ProducerSession {
    this.#open()
    const session = new MemorySession(this.broker, this.#intercept, id, (closing) => this.#sessions.delete(closing))
    this.#sessions.add(session)
    return session
  }

  async fence(id: TransactionalId): Promise<void> {
    await this.#call('fence', id, () => this.broker.initialise(id))
  }

  write(writes: readonly Append[]): Promise<Appended[]> {
    return this.#call('write', writes.map(({ topic, partition }) => `${topic}/${partition}`).join(' '), () => this.broker.write(writes))
  }

  trim(topic: string, partition: number, before: number): Promise<void> {
    return this.#call('trim', `${topic}/${partition}`, () => this.broker.trim(topic, partition, before))
  }

  partitionFor(key: Buffer, partitions: number): number {
    return crc32(key) % partitions
  }

  mirrorPositions(group: string, positions: readonly { readonly topic: string, readonly partition: number, readonly nextOffset: number }[]): Promise<readonly EditedOffset[]> {
    return this.#call('mirrorPositions', group, () => {
      for (const { topic, partition, nextOffset } of positions) this.broker.mirror(group, topic, partition, nextOffset)
      return []
    })
  }

  freeBytes(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  /** Its readers and sessions with it; what is open in the broker stays open. */
  async close(): Promise<void> {
    this.#closed = true
    for (const one of [...this.#readers, ...this.#sessions]) await one.close()
  }

  #open(): void {
    if (this.#closed) throw closed('the memory log')
  }

  async #call<T>(method: string, of: string, run: () => T): Promise<T> {
    this.#open()
    return this.#intercept({ call: `log.${method}`, of }, async () => run())
  }
}
