// Checks the output of the running job against the input alone: of each user the count goes up by one, the sum by that event's amount. Shares no code with the runtime.
import { USERS } from '../payments.ts'

interface Input {
  readonly count: number
  userOf(n: number): number
  amountOf(n: number): number
}

interface Result {
  readonly key: string
  readonly count: number
  readonly sum: number
}

export interface Faults {
  readonly lost: number
  readonly doubled: number
  readonly wrong: number
  readonly examples: readonly string[]
}

const EXAMPLES_MAX = 5

export class RunningCheck {
  results = 0
  #doubled = 0
  #wrong = 0
  readonly #examples: string[] = []
  readonly #users: number
  readonly #counts: Uint32Array
  readonly #sums: Float64Array

  constructor(users = USERS) {
    this.#users = users
    this.#counts = new Uint32Array(users)
    this.#sums = new Float64Array(users)
  }

  /** Results of one user in the order of their topic. */
  take(text: string): void {
    const { key, count, sum } = JSON.parse(text) as Result
    this.results += 1
    const user = Number(key.slice(1))
    const [countBefore, sumBefore] = [this.#counts[user] as number, this.#sums[user] as number]
    if (count <= countBefore) {
      this.#doubled += 1
      this.#say(`doubled: ${text} after count ${countBefore}`)
      return
    }
    if (count !== countBefore + 1 || sum - sumBefore < 1 || sum - sumBefore > 100) {
      this.#wrong += 1
      this.#say(`wrong: ${text} after count ${countBefore}, sum ${sumBefore}`)
    }
    this.#counts[user] = count
    this.#sums[user] = sum
  }

  /** After the last result: what was said last of each user is what the whole input gives. */
  finish(input: Input): Faults {
    const [counts, sums] = [new Uint32Array(this.#users), new Float64Array(this.#users)]
    for (let n = 0; n < input.count; n += 1) {
      const user = input.userOf(n)
      counts[user] = (counts[user] as number) + 1
      sums[user] = (sums[user] as number) + input.amountOf(n)
    }
    let [lost, wrong] = [0, this.#wrong]
    for (let user = 0; user < this.#users; user += 1) {
      const [count, sum] = [this.#counts[user] as number, this.#sums[user] as number]
      if (count === counts[user] && sum === sums[user]) continue
      if (count < (counts[user] as number)) lost += (counts[user] as number) - count
      else wrong += 1
      this.#say(`u${user} ends at ${count}/${sum}, expected ${counts[user]}/${sums[user]}`)
    }
    return { lost, doubled: this.#doubled, wrong, examples: this.#examples }
  }

  #say(example: string): void {
    if (this.#examples.length < EXAMPLES_MAX) this.#examples.push(example)
  }
}
