// Writes record batches, inside a transaction that its caller opened.
import type { DatabaseSync } from 'node:sqlite'
import { TidemarkError } from '@tidemark/base'
import type { Append, Appended } from '@tidemark/base'
import { encodeBatch, recordBytes } from './batch-format.ts'
import { topicMissing } from './topics.ts'
import type { Topics } from './topics.ts'

export interface PreparedAppend {
  readonly topic: string
  readonly partition: number
  readonly count: number
  readonly blob: Buffer
}

export class Appender {
  readonly #topics: Topics
  readonly #insert
  readonly #advance

  constructor(database: DatabaseSync, topics: Topics) {
    this.#topics = topics
    this.#insert = database.prepare('INSERT INTO batches (partition, base, count, bytes) VALUES (?, ?, ?, ?)')
    this.#advance = database.prepare('UPDATE partitions SET next = ? WHERE id = ?')
  }

  /** Encodes before any transaction begins, so that it is short. `LOG_TOPIC_MISSING`, `LOG_RECORD_TOO_LARGE`. */
  prepare(writes: readonly Append[], now: number): PreparedAppend[] {
    const described = this.#topics.describe([...new Set(writes.map((write) => write.topic))])
    return writes.map(({ topic, partition, records }) => {
      const limit = described.get(topic)?.maxMessageBytes
      if (limit === undefined) throw topicMissing(topic)
      for (const record of records) {
        const size = recordBytes(record)
        if (size > limit) {
          throw new TidemarkError(`a record of ${size} bytes is larger than topic ${topic} takes (${limit})`, { code: 'LOG_RECORD_TOO_LARGE', blame: 'user', action: 'fail-job', topic, partition, hint: 'Write smaller records, or raise max.message.bytes of the topic.' })
        }
      }
      return { topic, partition, count: records.length, blob: encodeBatch(records, now) }
    })
  }

  append(prepared: readonly PreparedAppend[]): Appended[] {
    return prepared.map(({ topic, partition, count, blob }) => {
      const { id, next } = this.#topics.partition(topic, partition)
      if (count > 0) {
        this.#insert.run(id, next, count, blob)
        this.#advance.run(next + count, id)
      }
      return { topic, partition, baseOffset: next }
    })
  }
}
