import { describe, expect, test } from '@jest/globals'
import { findMutant } from './find-mutant.ts'
import { MUTANTS } from './mutants.ts'
import { simulate } from './simulate.ts'

/** A seed that finds each, today; where the code's timing has changed it is looked for from there on. `npm run mutants` says how many it takes. */
const SEEDS: Readonly<Record<string, number>> = {
  R1: 15, R2: 27, R3: 117, R4: 36, R5: 117, R6: 15, R7: 2, R8: 36, S1: 5, S2: 141, S7: 3, S8: 1, S9: 7, C1: 5, C2: 161, C3: 1002, C4: 84,
  'invariant 1': 30, 'invariant 2': 6, 'invariant 3': 3, 'invariant 4': 1, 'invariant 5': 210, 'invariant 7': 82, 'invariant 8': 1,
  'dead letters': 2, late: 2, timers: 2, 'own old id': 100, undo: 47, 'cancel stored': 86, 'cancel cleans': 86, 'ended fenced': 161, 'checkpoint given up': 36, 'set aside': 2, 'set aside alone': 2, 'said again': 14,
}
const SEEDS_MAX = 400

describe('mutants', () => {
  test.each(MUTANTS)('mutants, without $name ($what) → the simulation finds it, and finds nothing with it', async ({ name, ...mutant }) => {
    const found = await findMutant({ name, ...mutant }, SEEDS[name] ?? 1, SEEDS_MAX)
    expect([name, found?.outcome.violations.length ?? 0]).not.toEqual([name, 0])
    const seed = found?.outcome.seed ?? 0
    expect((await simulate({ seed })).violations).toEqual([])
  }, 120_000)

  test('mutants, an older checkpoint is restored, and the run says nothing of what the one before has said behind that → found: nothing of it counts', async () => {
    const options = { seed: 4, shape: 'shuffled', plan: [{ at: 805, kind: 'restore' }] } as const
    const mutant = MUTANTS.find(({ name }) => name === 'said again')
    expect((await simulate({ ...options, mutation: () => mutant?.make() ?? {} })).violations.join()).toMatch(/^outputs: the topic, run 2: u\d+ counts \d+ after \d+: lost/)
    expect((await simulate(options)).violations).toEqual([])
  })
})
