// How much of its tasks' journals a slot reads ahead of their snapshots: one budget for all of them, because they fill one memory.
import { JOURNAL_FETCH_BYTES_MAX } from '@tidemark/checkpoint'
import type { HeldTask } from './held-task.ts'

/** So much of the journals waits for snapshots, for all tasks of a slot together. The tail of an hour without a snapshot is longer than memory. */
const TAIL_WAITING_BYTES_MAX = 8 * 1024 * 1024

interface Share {
  readonly bytes: number
  /** A fetch is under way: its answer is reckoned as large as it may be. */
  readonly fetching: boolean
}

export class TailBudget {
  readonly #bytesMax: number
  readonly #shares = new Map<HeldTask, Share>()
  #changed = Promise.withResolvers<void>()

  constructor(bytesMax = TAIL_WAITING_BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  /**
   * Resolves with true once the next fetch of this task's journal fits; `keeps` has to follow it. False: its snapshot came first, and what was read can be
   * applied; a fetch needs no room then. A task that is the only one to have read anything has room for one fetch, so each goes on sooner or later.
   * `waits` is called when what was read has to be applied, or its task to end, before there is room: not when others' fetches end in a moment.
   */
  async room(held: HeldTask, loading: Promise<unknown>, waits: () => void): Promise<boolean> {
    let loaded = false
    void loading.then(() => {
      loaded = true
      this.#tell()
    })
    for (;;) {
      const bytes = (this.#shares.get(held)?.bytes ?? 0) + JOURNAL_FETCH_BYTES_MAX
      if (this.#fits(held, bytes, () => true)) {
        this.#shares.set(held, { bytes, fetching: true })
        return true
      }
      if (loaded) return false
      if (!this.#fits(held, bytes, ({ fetching }) => !fetching)) waits()
      await this.#changed.promise
    }
  }

  /** What it has read and not applied, as it stands in the journal. */
  keeps(held: HeldTask, bytes: number): void {
    if (bytes > 0) this.#shares.set(held, { bytes, fetching: false })
    else this.#shares.delete(held)
    this.#tell()
  }

  #fits(held: HeldTask, bytes: number, counts: (share: Share) => boolean): boolean {
    let others = 0
    for (const [one, share] of this.#shares) if (one !== held && counts(share)) others += share.bytes
    return others + bytes <= this.#bytesMax || (others === 0 && bytes <= JOURNAL_FETCH_BYTES_MAX)
  }

  #tell(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}
