// For how long a process that is watched has said nothing new. Time in which the watcher stood still too, alone or with the whole machine, is nobody's fault.

export class Silence {
  readonly #lookMsMax: number
  #said = ''
  #lookedAt: number
  #silentMs = 0

  /** `lookMsMax`: one look counts at most so much. */
  constructor(nowMs: number, lookMsMax: number) {
    this.#lookedAt = nowMs
    this.#lookMsMax = lookMsMax
  }

  /** `said`: its last word. */
  look(said: string, nowMs: number): number {
    this.#silentMs = said === this.#said ? this.#silentMs + Math.min(nowMs - this.#lookedAt, this.#lookMsMax) : 0
    this.#said = said
    this.#lookedAt = nowMs
    return this.#silentMs
  }
}
