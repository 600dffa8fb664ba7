// Reading whole topics, committed records only, with the reader that Tidemark itself reads with.
import type { Log, LogRecord } from '@tidemark/base'

const FETCH_BYTES_MAX = 1024 * 1024

/** Every committed record of a topic up to the stable offsets of now; all partitions in one fetch, so their records alternate. */
export const readTopic = async (log: Log, topic: string, take: (record: LogRecord, partition: number) => void): Promise<void> => {
  const left = new Map((await log.offsets(topic)).filter(({ start, stable }) => start < stable).map(({ partition, start, stable }) => [partition, { next: start, stable }]))
  const reader = log.reader()
  try {
    while (left.size > 0) {
      const requests = [...left].map(([partition, { next }]) => ({ topic, partition, offset: next, maxBytes: FETCH_BYTES_MAX }))
      for (const { partition, records, nextOffset } of await reader.fetch(requests, { isolation: 'committed', maxWaitMs: 100 })) {
        const at = left.get(partition)
        if (at === undefined) continue
        for (const record of records) if (record.offset < at.stable) take(record, partition)
        at.next = nextOffset
        if (nextOffset >= at.stable) left.delete(partition)
      }
    }
  } finally {
    await reader.close()
  }
}
