// Simulates seed after seed of a mutant until one fails, and shrinks that.
import type { Mutant } from './mutants.ts'
import { shrink } from './shrink.ts'
import { simulate } from './simulate.ts'
import type { Outcome } from './simulate.ts'

export interface FoundMutant {
  /** How many it took. */
  readonly seeds: number
  readonly shrunk: Outcome
}

export const findMutant = async ({ make }: Mutant, firstSeed: number, seedsMax: number): Promise<FoundMutant | undefined> => {
  for (let i = 0; i < seedsMax; i += 1) {
    const outcome = await simulate({ seed: firstSeed + i, mutation: make })
    if (outcome.violations.length > 0) return { seeds: i + 1, shrunk: await shrink(outcome, { mutation: make }) }
  }
  return undefined
}
