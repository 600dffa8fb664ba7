// What a benchmark prints: sentences for people while it runs, and one JSON line last.
import { loadavg } from 'node:os'

export interface Figures {
  readonly workload: string
  readonly lost: number
  readonly doubled: number
  readonly wrong: number
  readonly [figure: string]: unknown
}

export class Report {
  readonly #json: boolean
  /** Of the last minute, before anything was started: what the machine does besides. */
  readonly #loadBefore = Number((loadavg()[0] ?? NaN).toFixed(1))
  #figures: Figures | undefined

  constructor(json: boolean) {
    this.#json = json
  }

  say(sentence: string): void {
    if (!this.#json) process.stdout.write(`${sentence}\n`)
  }

  finish(figures: Figures): void {
    this.#figures = figures
  }

  /** Prints the JSON line. False: nothing was measured, or the output was not exact. */
  print(): boolean {
    if (this.#figures === undefined) return false
    process.stdout.write(`${JSON.stringify({ ...this.#figures, loadBefore: this.#loadBefore })}\n`)
    return this.#figures.lost === 0 && this.#figures.doubled === 0 && this.#figures.wrong === 0
  }
}
