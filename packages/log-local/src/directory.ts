// Topics and partitions of the file, and what this process remembers of them.
import type { PartitionOffsets, TopicDescription, TopicSpec } from '@tidemark/base'
import type { Database, Sql } from './database.ts'
import { missing, outOfRange, topicExists, topicInvalid } from './errors.ts'

/** Kafka's default of `max.message.bytes`. */
const MESSAGE_BYTES_MAX = 1_048_588
const PARTITIONS_MAX = 10_000
const TOPIC_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/
/** Deleted in one transaction: about 60 MB of full batches, 20-40 ms. */
const DELETE_ROWS = 256
/** Free pages (of 4 KiB) that stay for later use; above it the file shrinks, a little with each trim. */
const FREE_PAGES_KEPT = 4_096
const VACUUM_PAGES = 1_024

export interface Place {
  /** Of the row in `partitions`. */
  readonly id: number
  readonly maxMessageBytes: number
}

export class Directory {
  readonly #database: Database
  /** By topic, by partition. A topic deleted by another process may still stand here: its id then finds no row. */
  readonly #known = new Map<string, readonly Place[]>()

  constructor(database: Database) {
    this.#database = database
  }

  /** `LOG_TOPIC_MISSING`. What is remembered counts; `forget` first, where its id found nothing. */
  place(sql: Sql, topic: string, partition: number): Place {
    const found = this.#known.get(topic)?.[partition] ?? this.#look(sql, topic)[partition]
    if (!found) throw missing(topic, partition)
    return found
  }

  forget(topic: string): void {
    this.#known.delete(topic)
  }

  create(specs: readonly TopicSpec[]): Promise<void> {
    for (const { topic, partitions } of specs) {
      if (!TOPIC_NAME.test(topic)) throw topicInvalid(topic, 'letters, digits, ".", "_" and "-", at most 249 of them')
      if (!Number.isSafeInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX) throw topicInvalid(topic, `${partitions} partitions; 1 to ${PARTITIONS_MAX} are possible`)
    }
    return this.#database.write('create topics', (sql) => {
      for (const { topic, partitions, config = {} } of specs) {
        const found = sql.get('SELECT partitions FROM topics WHERE name = ?', topic)
        if (found && Number(found['partitions']) !== partitions) throw topicExists(topic, Number(found['partitions']), partitions)
        if (found) continue
        sql.run('INSERT INTO topics VALUES (?, ?, ?)', topic, partitions, Number(config['max.message.bytes'] ?? MESSAGE_BYTES_MAX))
        for (let partition = 0; partition < partitions; partition += 1) sql.run('INSERT INTO partitions (topic, partition) VALUES (?, ?)', topic, partition)
      }
    })
  }

  describe(topics: readonly string[]): Promise<Map<string, TopicDescription>> {
    return this.#database.read('describe topics', (sql) => new Map(topics.flatMap((topic) => {
      const row = sql.get('SELECT partitions, max_message_bytes FROM topics WHERE name = ?', topic)
      if (!row) return []
      return [[topic, { topic, partitions: Number(row['partitions']), compacted: false, maxMessageBytes: Number(row['max_message_bytes']), retentionMs: -1 }] as const]
    })))
  }

  list(): Promise<string[]> {
    return this.#database.read('list topics', (sql) => sql.all('SELECT name FROM topics ORDER BY name').map((row) => String(row['name'])))
  }

  /** First they are gone for everybody, then their records are deleted in small steps; steps that a dead process left are taken too. */
  async delete(topics: readonly string[]): Promise<void> {
    await this.#database.write('delete topics', (sql) => {
      for (const topic of topics) {
        sql.run('INSERT INTO garbage SELECT id FROM partitions WHERE topic = ?', topic)
        sql.run('DELETE FROM partitions WHERE topic = ?', topic)
        sql.run('DELETE FROM topics WHERE name = ?', topic)
      }
    })
    for (const topic of topics) this.forget(topic)
    const step = (sql: Sql): boolean => {
      const row = sql.get('SELECT partition_id FROM garbage LIMIT 1')
      if (!row) return false
      const id = Number(row['partition_id'])
      if (deleteBelow(sql, id, Number.MAX_SAFE_INTEGER) < DELETE_ROWS) sql.run('DELETE FROM garbage WHERE partition_id = ?', id)
      return true
    }
    while (await this.#database.write('delete records of deleted topics', step));
  }

  offsets(topic: string, partitions?: readonly number[]): Promise<PartitionOffsets[]> {
    return this.#database.read(`ask for offsets of "${topic}"`, (sql) => {
      const rows = sql.all('SELECT partition, "start", "end" FROM partitions WHERE topic = ? ORDER BY partition', topic)
      if (rows.length === 0) throw missing(topic)
      const all = rows.map((row) => ({ partition: Number(row['partition']), start: Number(row['start']), stable: Number(row['end']), end: Number(row['end']) }))
      return partitions === undefined ? all : partitions.toSorted((a, b) => a - b).map((partition) => {
        const found = all[partition]
        if (!found) throw missing(topic, partition)
        return found
      })
    })
  }

  async trim(topic: string, partition: number, before: number): Promise<void> {
    const doing = `delete records of partition ${partition} of "${topic}" below ${before}`
    const id = await this.#database.write(doing, (sql) => {
      this.forget(topic)
      const place = this.place(sql, topic, partition)
      const row = sql.get('SELECT "start", "end" FROM partitions WHERE id = ?', place.id)
      const [start, end] = [Number(row?.['start']), Number(row?.['end'])]
      if (!Number.isSafeInteger(before) || before < 0 || before > end) throw outOfRange(topic, partition, before, start, end)
      sql.run('UPDATE partitions SET "start" = max("start", ?) WHERE id = ?', before, place.id)
      return place.id
    })
    while (await this.#database.write(doing, (sql) => deleteBelow(sql, id, before)) === DELETE_ROWS);
  }

  #look(sql: Sql, topic: string): readonly Place[] {
    const rows = sql.all('SELECT id, max_message_bytes FROM partitions JOIN topics ON name = topic WHERE topic = ? ORDER BY partition', topic)
    if (rows.length === 0) throw missing(topic)
    const places = rows.map((row) => ({ id: Number(row['id']), maxMessageBytes: Number(row['max_message_bytes']) }))
    this.#known.set(topic, places)
    return places
  }
}

/** Whole batches only, at most `DELETE_ROWS` of them; answers with their number. */
const deleteBelow = (sql: Sql, id: number, before: number): number => {
  const deleted = sql.run(`DELETE FROM batches WHERE rowid IN (SELECT rowid FROM batches WHERE partition_id = ? AND last < ? LIMIT ${DELETE_ROWS})`, id, before)
  const free = deleted === 0 ? 0 : Number(sql.get('PRAGMA freelist_count')?.['freelist_count'])
  // Each row is a page that was given back to the file system.
  if (free > FREE_PAGES_KEPT) sql.all(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`)
  return deleted
}
