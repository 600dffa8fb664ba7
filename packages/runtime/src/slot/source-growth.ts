// Partitions that are added to a source's topic while its tasks run: looked for now and then, read from then on, or the job stops where keys
// are kept by partition.
import { asTidemarkError } from '@tidemark/base'
import type { HeldTask } from './held-task.ts'
import type { SlotPorts } from './ports.ts'

/** Between two looks. What is written to a partition before it is seen waits there. */
const LOOK_INTERVAL_MS = 2_000

export class SourceGrowth {
  readonly #ports: SlotPorts
  readonly #running: () => readonly HeldTask[]
  readonly #grown: () => void
  #lookedAt: number
  #looking = false
  #partitions = new Map<string, number>()

  /** `grown` is called when a task reads more, or failed. */
  constructor(ports: SlotPorts, running: () => readonly HeldTask[], grown: () => void) {
    this.#ports = ports
    this.#running = running
    this.#grown = grown
    this.#lookedAt = ports.clock.monotonic()
  }

  /** Called in every turn, so never while a batch is under way to the log. */
  step(): void {
    this.#widen()
    const at = this.#ports.clock.monotonic()
    if (this.#looking || at - this.#lookedAt < LOOK_INTERVAL_MS) return
    this.#lookedAt = at
    this.#looking = true
    void this.#look().finally(() => { this.#looking = false })
  }

  async #look(): Promise<void> {
    const topics = [...new Set(this.#running().flatMap((held) => held.task.inputs().flatMap(({ kind, topic }) => (kind === 'topic' ? [topic] : []))))]
    if (topics.length === 0) return
    try {
      // One that is gone is told by the fetch.
      this.#partitions = new Map([...await this.#ports.log.describeTopics(topics)].map(([topic, { partitions }]) => [topic, partitions]))
      this.#grown()
    } catch (error) {
      this.#ports.logger.warn({ error: asTidemarkError(error) }, 'sources.not-described')
    }
  }

  #widen(): void {
    if (this.#partitions.size === 0) return
    const partitions = this.#partitions
    this.#partitions = new Map()
    for (const held of this.#running()) {
      const before = held.task.inputs()
      try {
        for (const { input, kind, topic } of before) if (kind === 'topic') held.task.widen(input, partitions.get(topic) ?? 0)
      } catch (error) {
        held.failure ??= asTidemarkError(error)
      }
      const added = held.task.inputs().slice(before.length).map(({ topic, partition }) => `${topic}/${partition}`)
      if (added.length > 0) this.#ports.logger.warn({ task: held.key, added }, 'source.partitions-added')
    }
  }
}
