// Follows an output topic as a read_committed reader does, through whatever happens to the broker: when something arrived in which partition.
import { realClock } from '@tidemark/base'
import type { Log, LogReader } from '@tidemark/base'
import { longestSilence } from '../../../bench/recovery/silence.ts'

const FETCH_BYTES_MAX = 1024 * 1024
const WAIT_MS = 100
const AGAIN_MS = 20

export class Follower {
  /** By partition: monotonic times at which records arrived. */
  readonly #arrivals: readonly number[][]
  readonly #log: Log
  readonly #topic: string
  #stop = false
  readonly #following: Promise<void>

  constructor(log: Log, topic: string, partitions: number) {
    this.#log = log
    this.#topic = topic
    this.#arrivals = Array.from({ length: partitions }, () => [])
    this.#following = this.#follow()
    this.#following.catch(() => {})
  }

  get partitions(): number[] {
    return [...this.#arrivals.keys()]
  }

  /** When this partition spoke for the first time after `at`. */
  firstAfter(partition: number, at: number): number | undefined {
    return this.#arrivals[partition]?.find((time) => time > at)
  }

  /** Its longest silence that ends after `from` and begins before `to`, ms. Undefined: it did not speak after `from`. */
  silenceMs(partition: number, from: number, to: number): number | undefined {
    const silence = longestSilence(this.#arrivals[partition] ?? [], from, to)
    return silence === undefined ? undefined : silence.to - silence.from
  }

  /** For `ms` until now, without a silence longer than `gapMs`. */
  spoke(partition: number, ms: number, gapMs: number): boolean {
    const now = realClock.monotonic()
    return now - (this.#arrivals[partition]?.at(-1) ?? -Infinity) <= gapMs && (this.silenceMs(partition, now - ms, now) ?? Infinity) <= gapMs
  }

  async stop(): Promise<void> {
    this.#stop = true
    await this.#following
  }

  async #follow(): Promise<void> {
    const next = this.partitions.map(() => 0)
    while (!this.#stop) {
      const reader = this.#log.reader()
      try {
        await this.#read(reader, next)
      } catch {
        await realClock.sleep(AGAIN_MS)
      } finally {
        await reader.close().catch(() => {})
      }
    }
  }

  async #read(reader: LogReader, next: number[]): Promise<void> {
    while (!this.#stop) {
      const requests = next.map((offset, partition) => ({ topic: this.#topic, partition, offset, maxBytes: FETCH_BYTES_MAX }))
      for (const { partition, records, nextOffset } of await reader.fetch(requests, { isolation: 'committed', maxWaitMs: WAIT_MS })) {
        next[partition] = nextOffset
        if (records.length > 0) this.#arrivals[partition]?.push(realClock.monotonic())
      }
    }
  }
}
