// Wakes a loop that waits: by an event, or when its time is up.
import type { Clock } from '@tidemark/base'

export class Signal {
  readonly #clock: Clock
  #raised = false
  #wake: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  raise(): void {
    this.#raised = true
    this.#wake?.()
  }

  /** Resolves at once when raised since the last wait, else when raised or after `ms`. */
  async wait(ms: number): Promise<void> {
    if (!this.#raised) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.after(ms, resolve)
        this.#wake = () => {
          timer.cancel()
          resolve()
        }
      })
      this.#wake = undefined
    }
    this.#raised = false
  }
}
