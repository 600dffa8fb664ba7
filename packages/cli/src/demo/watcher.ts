// Reads the demo's results as a user would, read committed, while they come: counts them and notes when each partition said something.
import type { Clock, FetchRequest, Log } from '@tidemark/base'
import { PARTITIONS, TOPICS } from './orders.ts'

const FETCH_BYTES_MAX = 1024 * 1024
const FETCH_WAIT_MS = 100

export interface Silence {
  /** Longest time without a result, ms. */
  readonly ms: number
  readonly partition: number
}

export class Watcher {
  counted = 0
  readonly #log: Log
  readonly #clock: Clock
  /** By partition of the totals: when something came, wall clock ms, ascending. */
  readonly #arrivals: number[][] = Array.from({ length: PARTITIONS }, () => [])

  constructor(log: Log, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  async watch(signal: AbortSignal): Promise<void> {
    const reader = this.#log.reader()
    const next = new Map<string, FetchRequest>([TOPICS.totals, TOPICS.sales].flatMap((topic) => Array.from({ length: PARTITIONS }, (_, partition) => [`${topic}/${partition}`, { topic, partition, offset: 0, maxBytes: FETCH_BYTES_MAX }] as const)))
    try {
      while (!signal.aborted) {
        const answers = await reader.fetch([...next.values()], { isolation: 'committed', maxWaitMs: FETCH_WAIT_MS })
        const now = this.#clock.now()
        for (const { topic, partition, records, nextOffset } of answers) {
          next.set(`${topic}/${partition}`, { topic, partition, offset: nextOffset, maxBytes: FETCH_BYTES_MAX })
          this.counted += records.length
          if (topic === TOPICS.totals && records.length > 0) this.#arrivals[partition]?.push(now)
        }
      }
    } finally {
      await reader.close()
    }
  }

  /** The longest silence of any of these partitions that touches the time between `from` and `to`. */
  silence(partitions: readonly number[], from: number, to: number): Silence | undefined {
    return partitions.flatMap((partition) => {
      const arrivals = this.#arrivals[partition] ?? []
      return arrivals.slice(1).flatMap((at, index): Silence[] => {
        const before = arrivals[index] ?? at
        return at >= from && before <= to ? [{ ms: at - before, partition }] : []
      })
    }).reduce<Silence | undefined>((longest, one) => longest === undefined || one.ms > longest.ms ? one : longest, undefined)
  }
}

/** All values of a topic from its start to its stable end, read committed, by a reader of its own. */
export const readAll = async (log: Log, topic: string): Promise<string[]> => {
  const reader = log.reader()
  try {
    const values: string[] = []
    for (const { partition, start, stable } of await log.offsets(topic)) {
      for (let offset = start; offset < stable;) {
        const [answer] = await reader.fetch([{ topic, partition, offset, maxBytes: FETCH_BYTES_MAX }], { isolation: 'committed', maxWaitMs: FETCH_WAIT_MS })
        if (answer === undefined) continue
        values.push(...answer.records.map(({ value }) => value?.toString('utf8') ?? 'null'))
        offset = answer.nextOffset
      }
    }
    return values
  } finally {
    await reader.close()
  }
}
