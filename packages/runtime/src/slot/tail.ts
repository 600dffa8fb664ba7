// What a task has committed behind its newest snapshot: what a takeover would replay now, and what its journal and shuffles can't be trimmed of yet.
interface Grown {
  readonly batches: number
  readonly bytes: number
}

const NONE: Grown = { batches: 0, bytes: 0 }

export class Tail {
  #behind = NONE
  /** The same as of the cut of the snapshot that is on its way. */
  #atCut: Grown | undefined

  get batches(): number {
    return this.#behind.batches
  }

  /** In its journal; what it sent into shuffles too, as far as this owner sent it. */
  get bytes(): number {
    return this.#behind.bytes
  }

  grew(bytes: number): void {
    this.#behind = { batches: this.#behind.batches + 1, bytes: this.#behind.bytes + bytes }
  }

  /** A snapshot is exact here. It may still be lost: then the next one is cut further on. */
  cut(): void {
    this.#atCut = this.#behind
  }

  /** That snapshot counts. */
  named(): void {
    const { batches, bytes } = this.#atCut ?? NONE
    this.#behind = { batches: this.#behind.batches - batches, bytes: this.#behind.bytes - bytes }
    this.#atCut = undefined
  }

  startOver(): void {
    this.#behind = NONE
    this.#atCut = undefined
  }
}
