// Which partitions of an output topic hold a record behind a checkpoint.
import { isTidemarkError } from '@tidemark/base'
import type { Log } from '@tidemark/base'

const FETCH_BYTES_MAX = 64 * 1024
const FETCH_WAIT_MS = 1_000

interface Range {
  readonly partition: number
  readonly next: number
  readonly end: number
}

/** Those of one topic with a committed record in [next, end). What ends a transaction takes an offset too, and so does what was taken back: nobody reads those. What can't be read may be output. */
export const withOutput = async (log: Log, topic: string, ranges: readonly Range[]): Promise<readonly Range[]> => {
  const found = new Set<Range>()
  const open = new Map(ranges.filter(({ next, end }) => next < end).map((range) => [range, range.next]))
  if (open.size === 0) return []
  const reader = log.reader()
  const rangeOf = (partition: number | undefined): Range | undefined => [...open.keys()].find((range) => range.partition === partition)
  const tell = (range: Range): void => {
    found.add(range)
    open.delete(range)
  }
  while (open.size > 0) {
    try {
      const fetched = await reader.fetch([...open].map(([{ partition }, offset]) => ({ topic, partition, offset, maxBytes: FETCH_BYTES_MAX })), { isolation: 'committed', maxWaitMs: FETCH_WAIT_MS })
      if (fetched.length === 0) break
      for (const { partition, records, nextOffset } of fetched) {
        const range = rangeOf(partition)
        if (range === undefined) continue
        if (nextOffset <= (open.get(range) ?? nextOffset) || records.some(({ offset }) => offset < range.end)) tell(range)
        else if (nextOffset >= range.end) open.delete(range)
        else open.set(range, nextOffset)
      }
    } catch (error) {
      const range = isTidemarkError(error) ? rangeOf(error.place.partition) : undefined
      if (range === undefined) break
      tell(range)
    }
  }
  await reader.close()
  return ranges.filter((range) => found.has(range) || open.has(range))
}
