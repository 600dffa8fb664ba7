// How far this slot's tasks are behind in the shuffles that they read, in bytes: their upstream is paused by that.
import { asTidemarkError } from '@tidemark/base'
import type { HeldTask } from './held-task.ts'
import type { SlotPorts } from './ports.ts'

/** Between two looks at where shuffles end. */
const LOOK_INTERVAL_MS = 500
/** What was fetched longer ago than so many offsets says less of how large a block is. */
const OFFSETS_REMEMBERED = 1_000

/** Bytes of a shuffle partition by its offsets, as its reader fetches it. */
export class BytesPerOffset {
  #bytes = 0
  #offsets = 0
  /** Of the last fetch: a burst of large blocks behind many small ones, of which it stops fetching. */
  #latest = 0

  fetched(bytes: number, offsets: number): void {
    if (this.#offsets > OFFSETS_REMEMBERED) {
      this.#bytes /= 2
      this.#offsets /= 2
    }
    this.#bytes += bytes
    this.#offsets += offsets
    if (offsets > 0) this.#latest = bytes / offsets
  }

  /** Undefined: nothing was fetched yet. */
  of(offsets: number): number | undefined {
    if (offsets === 0) return 0
    return this.#offsets === 0 ? undefined : Math.round(offsets * Math.max(this.#bytes / this.#offsets, this.#latest))
  }
}

/** Of what was read of a shuffle partition: so many bytes in so many offsets. */
export const measure = ({ sizes }: HeldTask, { topic, partition }: { readonly topic: string, readonly partition: number }, bytes: number, offsets: number): void => {
  const key = `${topic}/${partition}`
  const size = sizes.get(key) ?? new BytesPerOffset()
  sizes.set(key, size)
  size.fetched(bytes, offsets)
}

/** A task whose queue is full, that is paused itself or is still at its origin's blocks fetches nothing, and so learns nothing of what is written behind: it is looked up for it. */
export class ShuffleEnds {
  readonly #ports: Pick<SlotPorts, 'clock' | 'log' | 'logger'>
  readonly #running: () => readonly HeldTask[]
  #lookedAt: number
  #looking = false

  constructor(ports: Pick<SlotPorts, 'clock' | 'log' | 'logger'>, running: () => readonly HeldTask[]) {
    this.#ports = ports
    this.#running = running
    this.#lookedAt = ports.clock.monotonic()
  }

  step(): void {
    const at = this.#ports.clock.monotonic()
    if (this.#looking || at - this.#lookedAt < LOOK_INTERVAL_MS) return
    this.#lookedAt = at
    const quiet = this.#running().filter((held) => !held.fetches || held.task.inputs().some(({ inFlight }) => inFlight !== undefined))
    if (quiet.length === 0) return
    this.#looking = true
    void this.#look(quiet).finally(() => { this.#looking = false })
  }

  async #look(quiet: readonly HeldTask[]): Promise<void> {
    try {
      for (const held of quiet) {
        for (const { kind, topic, partition } of held.task.inputs()) {
          if (kind !== 'shuffle') continue
          const [offsets] = await this.#ports.log.offsets(topic, [partition])
          const key = `${topic}/${partition}`
          if (offsets !== undefined) held.stable.set(key, Math.max(held.stable.get(key) ?? 0, offsets.stable))
        }
      }
    } catch (error) {
      this.#ports.logger.info({ error: asTidemarkError(error) }, 'shuffles.ends-unknown')
    }
  }
}
