// The Log port on one SQLite file, shared by the processes of an embedded cluster. A transaction is one SQLite transaction at commit, so
// nothing is ever open: the stable offset is the end.
import { crc32 } from 'node:zlib'
import type { DatabaseSync } from 'node:sqlite'
import type { Append, Appended, Clock, Log, LogReader, PartitionOffsets, ProducerSession, TopicDescription, TopicSpec, TransactionalId } from '@tidemark/base'
import { Appender } from './appender.ts'
import { checkSqlite, guarded, openDatabase, transaction } from './database.ts'
import type { Synchronous } from './database.ts'
import { LocalReader } from './reader.ts'
import type { Writes } from './reader.ts'
import { LocalSession, raiseEpoch } from './session.ts'
import { Topics } from './topics.ts'

export interface LocalLogOptions {
  /** The file; made with its folder when it is not there. Not on a network file system. */
  readonly path: string
  readonly clock: Clock
  /** `NORMAL` (default): any process crash is survived, power loss may take the last commits. `FULL`: they survive that too, at a disk sync each. */
  readonly synchronous?: Synchronous
}

class LocalLog implements Log {
  readonly name: string
  readonly hasOpenTransactions = false
  readonly #path: string
  readonly #clock: Clock
  readonly #database: DatabaseSync
  readonly #topics: Topics
  readonly #appender: Appender
  readonly #writes: Writes = { version: 0 }

  constructor({ path, clock, synchronous = 'NORMAL' }: LocalLogOptions) {
    this.name = `local ${path}`
    this.#path = path
    this.#clock = clock
    this.#database = openDatabase(path, synchronous)
    this.#topics = new Topics(this.#database)
    this.#appender = new Appender(this.#database, this.#topics)
  }

  async check(): Promise<void> {
    checkSqlite(process.versions['sqlite'] ?? '0')
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    guarded(this.#path, () => this.#topics.create(specs))
  }

  async describeTopics(topics: readonly string[]): Promise<Map<string, TopicDescription>> {
    return guarded(this.#path, () => this.#topics.describe(topics))
  }

  async listTopics(): Promise<string[]> {
    return guarded(this.#path, () => this.#topics.list())
  }

  async deleteTopics(topics: readonly string[]): Promise<void> {
    guarded(this.#path, () => this.#topics.delete(topics))
    this.#writes.version += 1
  }

  async offsets(topic: string, partitions?: readonly number[]): Promise<PartitionOffsets[]> {
    return guarded(this.#path, () => this.#topics.offsets(topic, partitions))
  }

  reader(): LogReader {
    return new LocalReader({ path: this.#path, database: this.#database, topics: this.#topics, clock: this.#clock, writes: this.#writes })
  }

  session(id: TransactionalId): ProducerSession {
    return new LocalSession(id, { path: this.#path, database: this.#database, appender: this.#appender, clock: this.#clock, written: () => this.#written() })
  }

  async fence(id: TransactionalId): Promise<void> {
    guarded(this.#path, () => transaction(this.#database, () => raiseEpoch(this.#database, id)))
  }

  async write(writes: readonly Append[]): Promise<Appended[]> {
    const appended = guarded(this.#path, () => {
      const prepared = this.#appender.prepare(writes, this.#clock.now())
      return transaction(this.#database, () => this.#appender.append(prepared))
    })
    this.#written()
    return appended
  }

  async trim(topic: string, partition: number, before: number): Promise<void> {
    guarded(this.#path, () => this.#topics.trim(topic, partition, before))
  }

  partitionFor(key: Buffer, partitions: number): number {
    return crc32(key) % partitions
  }

  async mirrorPositions(group: string, positions: readonly { readonly topic: string, readonly partition: number, readonly nextOffset: number }[]): Promise<void> {
    guarded(this.#path, () => transaction(this.#database, () => {
      const insert = this.#database.prepare('INSERT INTO mirrored (name, topic, partition, next) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next')
      for (const { topic, partition, nextOffset } of positions) insert.run(group, topic, partition, nextOffset)
    }))
  }

  async close(): Promise<void> {
    if (this.#database.isOpen) this.#database.close()
  }

  #written(): void {
    this.#writes.version += 1
  }
}

/** Opens (or makes) the file. `LOG_UNSUPPORTED`: this Node's SQLite is too old. */
export const openLocalLog = (options: LocalLogOptions): Log => new LocalLog(options)
