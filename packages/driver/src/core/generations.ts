// R1: the numbers that this driver gives, none of them twice. It also knows when it has been replaced.
import { compareGenerations, nextGeneration } from '@tidemark/checkpoint'
import type { Generation, Rules } from '@tidemark/checkpoint'

export class Generations {
  readonly #epoch: number
  readonly #rules: Rules
  #newest: Generation | undefined

  constructor(epoch: number, rules: Rules) {
    this.#epoch = epoch
    this.#rules = rules
  }

  next(): Generation {
    this.#newest = nextGeneration(this.#epoch, this.#newest, this.#rules)
    return this.#newest
  }

  /** A generation that an executor runs at. False: it is of a later driver, this one has been replaced. */
  seen(generation: Generation): boolean {
    if (generation.epoch > this.#epoch) return false
    if (this.#newest === undefined || compareGenerations(generation, this.#newest) > 0) this.#newest = generation
    return true
  }
}
