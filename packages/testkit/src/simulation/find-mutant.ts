// Simulates seed after seed of a mutant until one fails.
import type { Mutant } from './mutants.ts'
import { simulate } from './simulate.ts'
import type { Outcome } from './simulate.ts'

export interface FoundMutant {
  /** As it failed. */
  readonly outcome: Outcome
  /** How many it took. */
  readonly seeds: number
}

export const findMutant = async ({ make }: Mutant, firstSeed: number, seedsMax: number): Promise<FoundMutant | undefined> => {
  for (let i = 0; i < seedsMax; i += 1) {
    const outcome = await simulate({ seed: firstSeed + i, mutation: make })
    if (outcome.violations.length > 0) return { outcome, seeds: i + 1 }
  }
  return undefined
}
