// Which partition of a topic each key goes to, remembered: the log's own partitioner costs more than all else that is done for a small record.
import type { PartitionFor } from './sinks.ts'

/** Keys of one generation. Two are kept, so at most twice as many: some MiB for short keys. */
const KEYS_MAX = 32_768

export class Placement {
  readonly #partitions: number
  readonly #partitionFor: PartitionFor
  readonly #keysMax: number
  #young = new Map<string, number>()
  #old: ReadonlyMap<string, number> = new Map()

  constructor(partitions: number, partitionFor: PartitionFor, keysMax = KEYS_MAX) {
    this.#partitions = partitions
    this.#partitionFor = partitionFor
    this.#keysMax = keysMax
  }

  /** Where the log puts this key; asked of the log again when it was long ago. */
  of(key: string): number {
    const known = this.#young.get(key)
    if (known !== undefined) return known
    const partition = this.#old.get(key) ?? this.#partitionFor(Buffer.from(key), this.#partitions)
    if (this.#young.size >= this.#keysMax) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, partition)
    return partition
  }
}
