// What a benchmark prints: sentences for people while it runs, and one JSON line last.

export interface Figures {
  readonly workload: string
  readonly lost: number
  readonly doubled: number
  readonly wrong: number
  readonly [figure: string]: unknown
}

export class Report {
  readonly #json: boolean
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
    process.stdout.write(`${JSON.stringify(this.#figures)}\n`)
    return this.#figures.lost === 0 && this.#figures.doubled === 0 && this.#figures.wrong === 0
  }
}
