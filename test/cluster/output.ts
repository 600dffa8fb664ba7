// Reads a topic to its stable offset, read-committed, in partition and offset order.
import type { Log } from '@tidemark/base'

export interface OutputRecord<T> {
  readonly partition: number
  readonly offset: number
  readonly key: string | undefined
  readonly value: T
}

const FETCH_BYTES_MAX = 8 * 1024 * 1024

/** Reads on from where it stopped each time it is asked. */
export class Output<T> {
  readonly records: OutputRecord<T>[] = []
  readonly #log: Log
  readonly #topic: string
  readonly #next = new Map<number, number>()

  constructor(log: Log, topic: string) {
    this.#log = log
    this.#topic = topic
  }

  async read(): Promise<readonly OutputRecord<T>[]> {
    const reader = this.#log.reader()
    try {
      for (const { partition, start, stable } of await this.#log.offsets(this.#topic)) {
        for (let next = this.#next.get(partition) ?? start; next < stable;) {
          const [fetched] = await reader.fetch([{ topic: this.#topic, partition, offset: next, maxBytes: FETCH_BYTES_MAX }], { isolation: 'committed', maxWaitMs: 100 })
          if (fetched === undefined) break
          for (const { offset, key, value } of fetched.records) this.records.push({ partition, offset, key: key?.toString(), value: JSON.parse(value?.toString() ?? 'null') as T })
          next = fetched.nextOffset
          this.#next.set(partition, next)
        }
      }
    } finally {
      await reader.close()
    }
    return this.records
  }

  values(): T[] {
    return this.records.map((record) => record.value)
  }
}
