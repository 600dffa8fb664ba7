// Appends: records become batches outside the transaction, and rows with offsets inside it.
import { TidemarkError } from '@tidemark/base'
import type { Append, Appended } from '@tidemark/base'
import { BatchEncoder, RecordTooLarge } from './batch.ts'
import type { Batch } from './batch.ts'
import type { Sql } from './database.ts'
import type { Directory } from './directory.ts'
import { missing, tooLarge } from './errors.ts'

/** One write of an append call, ready for the file. */
export interface Prepared {
  readonly topic: string
  readonly partition: number
  readonly count: number
  readonly batches: readonly Batch[]
}

const encoder = new BatchEncoder()

/** `LOG_TOPIC_MISSING`, `LOG_RECORD_TOO_LARGE`. */
export const prepare = (sql: Sql, directory: Directory, writes: readonly Append[], now: number): Prepared[] => writes.map(({ topic, partition, records }) => {
  if (records.length === 0) throw new RangeError(`an append to partition ${partition} of "${topic}" has no records`)
  const { maxMessageBytes } = directory.place(sql, topic, partition)
  try {
    return { topic, partition, count: records.length, batches: encoder.encode(records, maxMessageBytes, now) }
  } catch (error) {
    throw error instanceof RecordTooLarge ? tooLarge({ topic, partition }, error.bytes, maxMessageBytes) : error
  }
})

export const insert = (sql: Sql, directory: Directory, prepared: readonly Prepared[]): Appended[] => prepared.map(({ topic, partition, count, batches }) => {
  const { id, end } = advance(sql, directory, topic, partition, count)
  const baseOffset = end - count
  let base = baseOffset
  for (const batch of batches) {
    sql.run('INSERT INTO batches (partition_id, base, last, bytes) VALUES (?, ?, ?, ?)', id, base, base + batch.count - 1, batch.bytes)
    base += batch.count
  }
  return { topic, partition, baseOffset }
})

const ADVANCE = 'UPDATE partitions SET "end" = "end" + ? WHERE id = ? AND "end" <= 9007199254740991 - ? RETURNING "end"'

const advance = (sql: Sql, directory: Directory, topic: string, partition: number, count: number): { readonly id: number, readonly end: number } => {
  for (const attempt of ['as remembered', 'looked up'] as const) {
    if (attempt === 'looked up') directory.forget(topic)
    const { id } = directory.place(sql, topic, partition)
    const row = sql.get(ADVANCE, count, id, count)
    if (row) return { id, end: Number(row['end']) }
    if (sql.get('SELECT 1 FROM partitions WHERE id = ?', id)) throw new TidemarkError(`partition ${partition} of "${topic}" has no offsets left: no number above 2^53 - 1 is exact`, { code: 'LOG_OFFSETS_EXHAUSTED', blame: 'environment', action: 'fail-job', hint: 'Write to another topic.', topic, partition })
  }
  throw missing(topic, partition)
}
