import { describe, expect, test } from '@jest/globals'
import { findMutant } from './find-mutant.ts'
import { MUTANTS } from './mutants.ts'
import { simulate } from './simulate.ts'

/** A seed that finds each, today; where the code's timing has changed it is looked for from there on. `npm run mutants` says how many it takes. */
const SEEDS: Readonly<Record<string, number>> = {}
const SEEDS_MAX = 400

describe('mutants', () => {
  test.each(MUTANTS)('mutants, without $name ($what) → the simulation finds it, and finds nothing with it', async ({ name, ...mutant }) => {
    const found = await findMutant({ name, ...mutant }, SEEDS[name] ?? 1, SEEDS_MAX)
    expect([name, found?.outcome.violations.length ?? 0]).not.toEqual([name, 0])
    const seed = found?.outcome.seed ?? 0
    expect((await simulate({ seed })).violations).toEqual([])
  }, 120_000)
})
