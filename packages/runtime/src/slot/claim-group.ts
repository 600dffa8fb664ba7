// Which of the tasks that a slot was given together claim in one transaction: those that need no snapshot to get that far.
import type { ClaimOutcome } from './claiming.ts'
import type { HeldTask } from './held-task.ts'

/** Undefined: it went wrong for all of them. */
type Outcomes = ReadonlyMap<HeldTask, ClaimOutcome> | undefined
type Claim = (helds: readonly HeldTask[]) => Promise<Outcomes>

export class ClaimGroup {
  readonly #claim: Claim
  readonly #undecided: Set<HeldTask>
  readonly #ready: HeldTask[] = []
  readonly #outcomes = Promise.withResolvers<Outcomes>()

  constructor(helds: readonly HeldTask[], claim: Claim) {
    this.#undecided = new Set(helds)
    this.#claim = claim
  }

  /** It claims by itself, or not at all: the others don't wait for it. */
  leave(held: HeldTask): void {
    if (this.#undecided.delete(held)) this.#claimWhenAllAre()
  }

  /** It is ready to claim: with the others as soon as none of them is undecided, at once and alone if it has left. */
  async claim(held: HeldTask): Promise<Outcomes> {
    if (!this.#undecided.delete(held)) return this.#claim([held])
    this.#ready.push(held)
    this.#claimWhenAllAre()
    return this.#outcomes.promise
  }

  #claimWhenAllAre(): void {
    if (this.#undecided.size === 0 && this.#ready.length > 0) this.#outcomes.resolve(this.#claim(this.#ready))
  }
}
