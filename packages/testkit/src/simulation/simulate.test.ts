import { describe, expect, test } from '@jest/globals'
import { realClock, realRandom } from '@tidemark/base'
import { describeOutcome } from './report.ts'
import { shrink } from './shrink.ts'
import { simulate } from './simulate.ts'
import type { Outcome } from './simulate.ts'

const wrong = async (outcome: Outcome): Promise<string> => (outcome.violations.length === 0 ? '' : describeOutcome(outcome, await shrink(outcome)))

describe('simulation', () => {
  test.each(['copartitioned', 'shuffled'] as const)('simulation, %s, nothing goes wrong → everything is said, once', async (shape) => {
    expect(await wrong(await simulate({ seed: 4, shape, plan: [] }))).toBe('')
  })

  test('simulation, an executor is killed → its tasks move, nothing is lost, nothing doubled', async () => {
    const outcome = await simulate({ seed: 4, shape: 'copartitioned', plan: [{ at: 500, kind: 'kill machine', who: 0 }] })
    expect(await wrong(outcome)).toBe('')
    expect(outcome.trace().join('\n')).toMatch(/executor e1 is dead: .*; 1 tasks move[^]*e2\.0 +takeover\.running/)
  })

  test.each([0, 1, 2, 3])('simulation, seed %i twice → the same trace', async (seed) => {
    const [once, again] = [await simulate({ seed }), await simulate({ seed })]
    expect(again.trace()).toEqual(once.trace())
  })

  const SECONDS = 8
  const first = Math.floor(realRandom.next() * 2 ** 31)
  test(`simulation, fresh seeds from ${first} for ${SECONDS} s → every one is exact`, async () => {
    for (const began = realClock.monotonic(), seeds = { next: first }; realClock.monotonic() - began < SECONDS * 1_000; seeds.next += 1) {
      expect(await wrong(await simulate({ seed: seeds.next }))).toBe('')
    }
  }, 60_000)
})
