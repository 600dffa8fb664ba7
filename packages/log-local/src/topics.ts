// Topics and partitions in the file: created, described, deleted; never by reading or writing.
import type { DatabaseSync } from 'node:sqlite'
import { TidemarkError } from '@tidemark/base'
import type { PartitionOffsets, TopicDescription, TopicSpec } from '@tidemark/base'
import { transaction } from './database.ts'

export const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588

export interface PartitionRow {
  readonly id: number
  readonly start: number
  readonly next: number
}

export const topicMissing = (topic: string, partition?: number): TidemarkError =>
  new TidemarkError(partition === undefined ? `there is no topic ${topic}` : `topic ${topic} has no partition ${partition}, or does not exist`, {
    code: 'LOG_TOPIC_MISSING', blame: 'user', action: 'fail-job', topic, ...(partition === undefined ? {} : { partition }), hint: `Create it: tidemark topics create ${topic} --partitions <n>`,
  })

export class Topics {
  readonly #database: DatabaseSync
  readonly #find
  readonly #partition

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#find = database.prepare('SELECT id, partitions, config FROM topics WHERE name = ?')
    this.#partition = database.prepare('SELECT p.id, p.start, p.next FROM partitions p JOIN topics t ON t.id = p.topic WHERE t.name = ? AND p.number = ?')
  }

  partition(topic: string, number: number): PartitionRow {
    const row = this.#partition.get(topic, number) as PartitionRow | undefined
    if (row === undefined) throw topicMissing(topic, number)
    return row
  }

  create(specs: readonly TopicSpec[]): void {
    transaction(this.#database, () => {
      for (const { topic, partitions, config } of specs) {
        const known = this.#find.get(topic) as { readonly partitions: number } | undefined
        if (known !== undefined && known.partitions !== partitions) {
          throw new TidemarkError(`topic ${topic} exists with ${known.partitions} partitions, not ${partitions}`, { code: 'LOG_TOPIC_EXISTS', blame: 'user', action: 'fail-job', topic })
        }
        if (known !== undefined) continue
        const { lastInsertRowid } = this.#database.prepare('INSERT INTO topics (name, partitions, config) VALUES (?, ?, ?)').run(topic, partitions, JSON.stringify(config ?? {}))
        const insert = this.#database.prepare('INSERT INTO partitions (topic, number) VALUES (?, ?)')
        for (let number = 0; number < partitions; number += 1) insert.run(lastInsertRowid, number)
      }
    })
  }

  describe(topics: readonly string[]): Map<string, TopicDescription> {
    const found = new Map<string, TopicDescription>()
    for (const topic of topics) {
      const row = this.#find.get(topic) as { readonly partitions: number, readonly config: string } | undefined
      if (row === undefined) continue
      const config = JSON.parse(row.config) as Record<string, string>
      found.set(topic, {
        topic, partitions: row.partitions, compacted: false, replicationFactor: 1,
        maxMessageBytes: Number(config['max.message.bytes'] ?? DEFAULT_MAX_MESSAGE_BYTES), retentionMs: Number(config['retention.ms'] ?? -1),
      })
    }
    return found
  }

  list(): string[] {
    return this.#database.prepare('SELECT name FROM topics ORDER BY name').all().map((row) => String(row['name']))
  }

  delete(topics: readonly string[]): void {
    transaction(this.#database, () => {
      for (const topic of topics) this.#database.prepare('DELETE FROM topics WHERE name = ?').run(topic)
    })
  }

  offsets(topic: string, wanted?: readonly number[]): PartitionOffsets[] {
    const row = this.#find.get(topic) as { readonly partitions: number } | undefined
    if (row === undefined) throw topicMissing(topic)
    return (wanted ?? Array.from({ length: row.partitions }, (_, number) => number)).map((partition) => {
      const { start, next } = this.partition(topic, partition)
      return { partition, start, stable: next, end: next }
    })
  }

  trim(topic: string, partition: number, before: number): void {
    transaction(this.#database, () => {
      const row = this.partition(topic, partition)
      const start = Math.min(Math.max(row.start, before), row.next)
      this.#database.prepare('UPDATE partitions SET start = ? WHERE id = ?').run(start, row.id)
      this.#database.prepare('DELETE FROM batches WHERE partition = ? AND base + count <= ?').run(row.id, start)
    })
  }
}
