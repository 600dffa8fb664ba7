// Which of the tasks that a slot was given together claim in one transaction: those that need no snapshot to get that far, and are ready when others are.
import type { Clock, Timer } from '@tidemark/base'
import type { ClaimOutcome } from './claiming.ts'
import type { HeldTask } from './held-task.ts'

/** So long those that are ready wait for one that is not, ms: its journal is not answered, or an id that it fences is not, and for nobody else is that a reason. */
const UNDECIDED_MS_MAX = 500

/** Undefined: it went wrong for all of them. */
type Outcomes = ReadonlyMap<HeldTask, ClaimOutcome> | undefined
type Claim = (helds: readonly HeldTask[]) => Promise<Outcomes>

export class ClaimGroup {
  readonly #clock: Pick<Clock, 'after'>
  readonly #claim: Claim
  readonly #undecided: Set<HeldTask>
  readonly #ready: HeldTask[] = []
  readonly #outcomes = Promise.withResolvers<Outcomes>()

  #late: Timer | undefined

  constructor(helds: readonly HeldTask[], clock: Pick<Clock, 'after'>, claim: Claim) {
    this.#undecided = new Set(helds)
    this.#clock = clock
    this.#claim = claim
  }

  /** It claims by itself, or not at all: the others don't wait for it. */
  leave(held: HeldTask): void {
    if (this.#undecided.delete(held)) this.#claimWhenAllAre()
  }

  /** It is ready to claim: with the others as soon as none of them is undecided, or has been for long; at once and alone if it has left. */
  async claim(held: HeldTask): Promise<Outcomes> {
    if (!this.#undecided.delete(held)) return this.#claim([held])
    this.#ready.push(held)
    this.#late ??= this.#clock.after(UNDECIDED_MS_MAX, () => {
      this.#undecided.clear()
      this.#claimWhenAllAre()
    })
    this.#claimWhenAllAre()
    return this.#outcomes.promise
  }

  #claimWhenAllAre(): void {
    if (this.#undecided.size > 0 || this.#ready.length === 0) return
    this.#late?.cancel()
    this.#outcomes.resolve(this.#claim(this.#ready))
  }
}
