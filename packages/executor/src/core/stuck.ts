// When is a slot process stuck? Two signs, told apart by what it says: that its thread comes back (a word of its log several times a second, beside
// all work), and that its work goes round. Awaiting a log or a store stops neither; a stopped process or user code that never returns stops both.

export interface StuckLimits {
  /** A process that says nothing at all for so long is killed, ms. */
  readonly slotStuckMs: number
  /** A process that lives, but whose work does not go round or has not begun for so long, is killed, ms: no less than the other. */
  readonly slotWorkStuckMs: number
}

export class SlotSigns {
  #silentMs = 0
  #idleMs = 0
  #atWork = false

  /** Its thread comes back. */
  lives(): void {
    this.#silentMs = 0
  }

  /** Its work goes round. */
  works(): void {
    this.#silentMs = 0
    this.#idleMs = 0
    this.#atWork = true
  }

  /** It has nothing to do, or can't begin to: whatever it does not do counts for nothing. */
  rests(): void {
    this.#silentMs = 0
    this.#idleMs = 0
  }

  /** So much time has passed in which it could have been heard, ms. */
  passed(ms: number): void {
    this.#silentMs += ms
    this.#idleMs += ms
  }

  /** Why it is to be killed, if it is. Code of a bundle runs in one go when that is loaded, before there is any work: it may take as long as work may. */
  stuck({ slotStuckMs, slotWorkStuckMs }: StuckLimits): string | undefined {
    if (this.#silentMs > (this.#atWork ? slotStuckMs : slotWorkStuckMs)) return `stuck: it said nothing for ${Math.round(this.#silentMs)} ms, so it was stopped or its code does not return`
    if (this.#idleMs > slotWorkStuckMs) return `stuck: it lives, but its work did not go round for ${Math.round(this.#idleMs)} ms`
    return undefined
  }
}
