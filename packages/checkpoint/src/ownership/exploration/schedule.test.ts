// Random interleavings of slots, drivers and faults over the real ownership decisions; a failure prints its seed.
import { describe, expect, test } from '@jest/globals'
import { realRandom } from '@tidemark/base'
import { ALL_RULES } from '../../rules.ts'
import type { RuleName } from '../../rules.ts'
import { ALL_TROUBLES, runSchedule } from './schedule.ts'
import type { Troubles } from './schedule.ts'

const SCHEDULES = 5_000
/** `TIDEMARK_SEED=<n>` repeats a run. */
const base = Number(process.env['TIDEMARK_SEED'] ?? Math.floor(realRandom.next() * 2 ** 31))

/** Random schedules until a promise is broken; the seed that did it. */
const firstViolation = (off: RuleName, from: number, schedules: number, troubles: Troubles = ALL_TROUBLES): { readonly seed: number, readonly violation: string } | undefined => {
  for (let seed = from; seed < from + schedules; seed += 1) {
    const { violation } = runSchedule(seed, { ...ALL_RULES, [off]: false }, troubles)
    if (violation !== undefined) return { seed, violation }
  }
  return undefined
}

describe('ownership, random interleavings', () => {
  test(`one committer, a dense chain, nothing stolen, in ${SCHEDULES} schedules from seed ${base}`, () => {
    let [takeovers, batches] = [0, 0]
    for (let seed = base; seed < base + SCHEDULES; seed += 1) {
      const outcome = runSchedule(seed, ALL_RULES)
      if (outcome.violation !== undefined) throw new Error(`seed ${seed}: ${outcome.violation}\n  ${outcome.steps.join('\n  ')}`)
      if (outcome.takeovers > 1) takeovers += 1
      batches += outcome.batches
    }
    // Not vacuous: tasks change owners and commit.
    expect(takeovers).toBeGreaterThan(SCHEDULES / 10)
    expect(batches).toBeGreaterThan(SCHEDULES)
  })
  test.each<RuleName>(['R3', 'R4', 'R5', 'R6'])('without %s a promise is broken', (off) => {
    const found = firstViolation(off, 1, 200_000)
    expect(found?.violation).toMatch(/can both commit|must follow|below|came back|two owners|has applied/)
  })
})
