// What one append call sends: writes gathered by partition, cut into batches that each topic takes, base offsets handed back to the writes they belong to.
import type { Append, AppendRecord, Appended } from '@tidemark/base'
import { codecFor } from './codecs.ts'
import { tooLargeError } from './errors.ts'
import type { BatchEncoder, BatchProducer } from './records/encode.ts'
import type { TopicConfig } from './topics/configs.ts'
import type { ProduceBatch } from './wire/produce.ts'

/** Soft bound of one produce request; one batch is always sent. Kafka's `socket.request.max.bytes` is 100 MiB. */
const REQUEST_BYTES_MAX = 8 * 1024 * 1024

/** All records of one append call for one partition, in order. */
export interface Outgoing {
  readonly topic: string
  readonly partition: number
  readonly records: readonly AppendRecord[]
  /** The writes in it: index in the append call, and of their first record here. */
  readonly writes: readonly { readonly index: number, readonly firstRecord: number }[]
  /** Records already in the log. */
  sent: number
}

export const gather = (writes: readonly Append[]): Outgoing[] => {
  const found = new Map<string, { topic: string, partition: number, parts: (readonly AppendRecord[])[], writes: { index: number, firstRecord: number }[], count: number }>()
  for (const [index, { topic, partition, records }] of writes.entries()) {
    if (records.length === 0) throw new RangeError(`append ${index} to partition ${partition} of "${topic}" has no records`)
    const key = `${topic}/${partition}`
    const at = found.get(key) ?? { topic, partition, parts: [], writes: [], count: 0 }
    found.set(key, at)
    at.parts.push(records)
    at.writes.push({ index, firstRecord: at.count })
    at.count += records.length
  }
  return [...found.values()].map(({ topic, partition, parts, writes: ofPartition }) => ({ topic, partition, records: parts.length === 1 ? parts[0]! : parts.flat(), writes: ofPartition, sent: 0 }))
}

interface CutBatch extends ProduceBatch {
  readonly from: number
  readonly count: number
  readonly outgoing: Outgoing
}

/** The next batch of each partition that has records left, within `REQUEST_BYTES_MAX` together. `LOG_RECORD_TOO_LARGE` names the record. */
export const cutRequest = (outgoing: readonly Outgoing[], configs: ReadonlyMap<string, TopicConfig>, encoder: BatchEncoder, now: number, producerOf: (outgoing: Outgoing) => BatchProducer | undefined): CutBatch[] => {
  const batches: CutBatch[] = []
  let total = 0
  for (const item of outgoing) {
    if (item.sent >= item.records.length) continue
    if (total >= REQUEST_BYTES_MAX) break
    const { topic, partition, records, sent } = item
    const config = configs.get(topic)
    const bytesMax = config?.maxMessageBytes ?? 0
    const { bytes, count } = encoder.encode(records, sent, bytesMax, now, codecFor(config?.compressionType), producerOf(item))
    if (count === 0) {
      throw tooLargeError(`record ${sent} of an append to partition ${partition} of "${topic}" is larger than the topic takes (${bytesMax} bytes)`, { topic, partition }, { maxMessageBytes: bytesMax, valueBytes: records[sent]?.value?.length ?? 0 })
    }
    batches.push({ topic, partition, bytes, from: sent, count, outgoing: item })
    total += bytes.length
  }
  return batches
}

/** Marks `batch` as appended at `base` and notes the base offsets of the writes that begin in it. */
export const settle = (batch: CutBatch, base: number, appended: (Appended | undefined)[]): void => {
  const { outgoing, from, count, topic, partition } = batch
  for (const { index, firstRecord } of outgoing.writes) if (firstRecord >= from && firstRecord < from + count) appended[index] = { topic, partition, baseOffset: base + firstRecord - from }
  outgoing.sent = from + count
}
