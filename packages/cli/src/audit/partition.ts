// Reads one partition of the log between two offsets, read committed, to its very end: a transaction that is still open there is waited for.
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import type { Clock, Log, LogReader, LogRecord, PartitionOffsets } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'

const FETCH_BYTES_MAX = 8 * 1024 * 1024
const FETCH_WAIT_MS = 100
/** Longer than a transaction may stay open (10 s), ms. */
const STILL_MS_MAX = 15_000
const STABLE_POLL_MS = 10

/** Why nothing can be told of records that a topic lacks, where the log does not say whether it is compacted. */
export const SETTINGS_HIDDEN = "it may be compacted: its settings can't be read (Kafka's right DescribeConfigs is lacking)"

export interface AuditPorts {
  readonly log: Log
  readonly reader: LogReader
  readonly clock: Clock
  readonly signal: AbortSignal
}

const blocked = (topic: string, partition: number, offset: number): TidemarkError =>
  new TidemarkError(`${topic}/${partition} could not be read past ${offset} for ${STILL_MS_MAX} ms: a transaction is open there`, {
    code: 'AUDIT_BLOCKED', blame: 'environment', action: 'retry', topic, offset, hint: 'Somebody hangs in a transaction, or the log does not answer. Audit again.',
  })

/** `LOG_OUT_OF_RANGE` when what is to be read was trimmed meanwhile. */
export const readPartition = async ({ reader, clock, signal }: AuditPorts, topic: string, partition: number, from: number, to: number, take: (record: LogRecord) => void): Promise<void> => {
  const gapless = paths.parseInternalTopic(topic) !== undefined
  let movedAt = clock.monotonic()
  for (let next = from; next < to;) {
    const [fetched] = await reader.fetch([{ topic, partition, offset: next, maxBytes: FETCH_BYTES_MAX, gapless }], { isolation: 'committed', maxWaitMs: FETCH_WAIT_MS, signal })
    if (fetched === undefined || fetched.nextOffset <= next) {
      if (clock.monotonic() - movedAt >= STILL_MS_MAX) throw blocked(topic, partition, next)
      continue
    }
    movedAt = clock.monotonic()
    for (const record of fetched.records) if (record.offset < to) take(record)
    next = fetched.nextOffset
  }
}

/** What lies below the ends of now, once all of it is decided: committed or aborted. */
export const settledEnds = async ({ log, clock }: AuditPorts, topic: string): Promise<PartitionOffsets[]> => {
  const ends = await log.offsets(topic)
  const began = clock.monotonic()
  for (let now = ends; now.some(({ stable }, i) => stable < (ends[i]?.end ?? 0)); now = await log.offsets(topic)) {
    const open = now.find(({ stable }, i) => stable < (ends[i]?.end ?? 0))
    if (open !== undefined && clock.monotonic() - began >= STILL_MS_MAX) throw blocked(topic, open.partition, open.stable)
    await clock.sleep(STABLE_POLL_MS)
  }
  return ends
}

export const isTrimmed = (error: unknown): boolean => isTidemarkError(error) && error.code === 'LOG_OUT_OF_RANGE'

/** Reads from the partition's start on, again from its new start when it is trimmed meanwhile. */
export const readFromStart = async (ports: AuditPorts, topic: string, partition: number, from: number, to: number, begin: (start: number) => void, take: (record: LogRecord) => void): Promise<void> => {
  for (;;) {
    const [offsets] = await ports.log.offsets(topic, [partition])
    const start = offsets?.start ?? 0
    begin(start)
    try {
      await readPartition(ports, topic, partition, Math.max(from, start), to, take)
      return
    } catch (error) {
      if (!isTrimmed(error)) throw error
    }
  }
}
