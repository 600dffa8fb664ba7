// Follows the output topic as a read_committed reader does: when something arrived in which partition, and every record to the check.
import { realClock } from '@tidemark/base'
import type { Log } from '@tidemark/base'
import { OUTPUT_TOPIC, PARTITIONS } from '../payments.ts'
import type { RunningCheck } from './check.ts'

const FETCH_BYTES_MAX = 1024 * 1024
const WAIT_MS = 100

export class Output {
  /** By partition: monotonic times at which records arrived. */
  readonly arrivals: readonly number[][] = Array.from({ length: PARTITIONS }, () => [])
  readonly #log: Log
  readonly #check: RunningCheck
  #stop = false
  #following: Promise<void> | undefined

  constructor(log: Log, check: RunningCheck) {
    this.#log = log
    this.#check = check
  }

  follow(): void {
    this.#following = this.#follow()
    // Whoever stops it is told.
    this.#following.catch(() => {})
  }

  async stop(): Promise<void> {
    this.#stop = true
    await this.#following
  }

  async #follow(): Promise<void> {
    const reader = this.#log.reader()
    const next = Array.from({ length: PARTITIONS }, () => 0)
    try {
      while (!this.#stop) {
        const requests = next.map((offset, partition) => ({ topic: OUTPUT_TOPIC, partition, offset, maxBytes: FETCH_BYTES_MAX }))
        for (const { partition, records, nextOffset } of await reader.fetch(requests, { isolation: 'committed', maxWaitMs: WAIT_MS })) {
          next[partition] = nextOffset
          if (records.length > 0) this.arrivals[partition]?.push(realClock.monotonic())
          for (const record of records) this.#check.take(record.value?.toString('utf8') ?? 'null')
        }
      }
    } finally {
      await reader.close()
    }
  }
}
