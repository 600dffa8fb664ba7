// Checks the windowed workload's output against the input alone. Shares no code with the runtime.
import { START_TS, USERS } from '../payments.ts'

const WINDOW_MS = 10_000
const LATENESS_MS = 1_000

export interface Faults {
  /** Results that should be there and are not. */
  lost: number
  /** Results that are there more than once. */
  doubled: number
  /** Results with another count or sum, or of a window or user that should have none. */
  wrong: number
  /** The first few, in words. */
  readonly examples: string[]
}

interface Input {
  readonly count: number
  userOf(n: number): number
  amountOf(n: number): number
  partitionOf(user: number): number
}

interface Result {
  readonly key: string
  readonly window: { readonly start: number }
  readonly count: number
  readonly sum: number
}

const EXAMPLES_MAX = 5
const SEEN = 0x8000

/** Number of results, and their faults. A window is final once its partition has an event past its end and the lateness. */
export class WindowedCheck {
  readonly faults: Faults = { lost: 0, doubled: 0, wrong: 0, examples: [] }
  results = 0
  /** By window and user: events; the highest bit says that a result was seen. */
  readonly #counts: Uint16Array
  readonly #sums: Uint32Array
  readonly #input: Input
  readonly #lastTs: number[] = []

  constructor(input: Input) {
    this.#input = input
    const windows = Math.ceil(input.count / WINDOW_MS)
    this.#counts = new Uint16Array(windows * USERS)
    this.#sums = new Uint32Array(windows * USERS)
    for (let n = 0; n < input.count; n += 1) {
      const user = input.userOf(n)
      const at = Math.floor(n / WINDOW_MS) * USERS + user
      this.#counts[at] = (this.#counts[at] as number) + 1
      this.#sums[at] = (this.#sums[at] as number) + input.amountOf(n)
      this.#lastTs[input.partitionOf(user)] = n
    }
  }

  #isFinal(window: number, user: number): boolean {
    return (window + 1) * WINDOW_MS + LATENESS_MS <= (this.#lastTs[this.#input.partitionOf(user)] ?? -1)
  }

  take(text: string): void {
    const { key, window, count, sum } = JSON.parse(text) as Result
    this.results += 1
    const user = /^u\d+$/.test(key) ? Number(key.slice(1)) : -1
    const number = (window.start - START_TS) / WINDOW_MS
    const at = number * USERS + user
    const found = this.#counts[at] ?? 0
    if (user < 0 || user >= USERS || !Number.isInteger(number) || (found & ~SEEN) === 0 || !this.#isFinal(number, user)) return this.#say('wrong', `${text}: nothing should be said of it`)
    if ((found & SEEN) !== 0) return this.#say('doubled', text)
    this.#counts[at] = found | SEEN
    if (count !== found || sum !== this.#sums[at]) this.#say('wrong', `${text}: expected count ${found}, sum ${this.#sums[at]}`)
  }

  /** After the last result. */
  finish(): Faults {
    for (let at = 0; at < this.#counts.length; at += 1) {
      const found = this.#counts[at] as number
      const [window, user] = [Math.floor(at / USERS), at % USERS]
      if (found !== 0 && (found & SEEN) === 0 && this.#isFinal(window, user)) this.#say('lost', `u${user}, window ${START_TS + window * WINDOW_MS}`)
    }
    return this.faults
  }

  #say(what: 'lost' | 'doubled' | 'wrong', example: string): void {
    this.faults[what] += 1
    if (this.faults.examples.length < EXAMPLES_MAX) this.faults.examples.push(`${what}: ${example}`)
  }
}
