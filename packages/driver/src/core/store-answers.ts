// Whether the object store answers. Asked before a planned move: the task's new owner reads a snapshot there, and while nobody answers it is
// better off where it runs.
import type { Out } from './out.ts'

/** So long an answer counts. */
const FRESH_MS = 1_000
/** Before it is asked again that did not answer. */
const PAUSE_MS = 500

export class StoreAnswers {
  readonly #out: Out
  #asking = false
  #heardMs = -Infinity
  #answers = false

  constructor(out: Out) {
    this.#out = out
  }

  /** False: not known. It is asked then, and its answer is an event. */
  lately(): boolean {
    const sinceMs = this.#out.nowMs - this.#heardMs
    if (this.#answers && sinceMs <= FRESH_MS) return true
    if (!this.#asking && (this.#answers || sinceMs >= PAUSE_MS)) {
      this.#asking = true
      this.#out.push({ kind: 'ask-store' })
    }
    return false
  }

  heard(answers: boolean): void {
    this.#asking = false
    this.#heardMs = this.#out.nowMs
    this.#answers = answers
  }
}
