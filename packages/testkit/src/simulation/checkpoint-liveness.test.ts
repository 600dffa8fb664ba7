// A job may go on while its checkpoints do not: seeds whose number is a multiple of four go on until one is complete that began behind the last fault.
import { describe, expect, test } from '@jest/globals'
import type { Shape } from './events.ts'
import type { Fault } from './fault-plan.ts'
import { MUTANTS } from './mutants.ts'
import { simulate } from './simulate.ts'

const SEED = 8
const LOG_AWAY_MS = 700

/** When the first checkpoint behind `afterMs` begins that nothing disturbs: it is the same up to the first fault. */
const beginsAt = async (shape: Shape, afterMs: number): Promise<number> => {
  const { trace } = await simulate({ seed: SEED, shape, plan: [] })
  const found = trace().filter((line) => line.includes('checkpoint.begun')).map(Number.parseFloat).find((at) => at > afterMs)
  if (found === undefined) throw new RangeError(`no checkpoint of ${shape} begins behind ${afterMs} ms`)
  return found
}

/** The log goes while the checkpoint is under way, so that sessions and with them snapshots are lost; a slot is replaced before it is back. */
const logAway = (begunMs: number, behindMs: number, kills: readonly number[]): Fault[] => [
  { at: begunMs + behindMs, kind: 'down', service: 'log', ms: LOG_AWAY_MS },
  ...kills.map((who): Fault => ({ at: begunMs + behindMs + 100 * (who + 1), kind: 'kill slot', who })),
]

describe('checkpoint liveness', () => {
  test.each([
    ['copartitioned', 3, [0]], ['copartitioned', 12, [0, 1]], ['copartitioned', 18, [0, 1]], ['shuffled', 3, [0]], ['shuffled', 12, [0, 1]], ['shuffled', 25, [0, 1]],
  ] as const)('checkpoint liveness, %s, the log goes %i ms after a checkpoint began and slots %j are replaced meanwhile → checkpoints complete afterwards', async (shape, behindMs, kills) => {
    const begunMs = await beginsAt(shape, 600)
    const { trace, violations } = await simulate({ seed: SEED, shape, plan: logAway(begunMs, behindMs, kills) })
    expect(violations).toEqual([])
    const lines = trace()
    const of = (pattern: RegExp): number[] => lines.flatMap((line) => (pattern.test(line) ? [Number.parseFloat(line)] : []))
    const [downMs = 0] = of(/fault +down/)
    expect(of(/checkpoint\.begun/).findLast((at) => at < downMs)).toBeGreaterThan(of(/checkpoint\.completed/).findLast((at) => at < downMs) ?? 0)
    expect(of(/slot starts/).some((at) => at > downMs)).toBe(true)
    expect(of(/checkpoint\.completed/).filter((at) => at > downMs + LOG_AWAY_MS).length).toBeGreaterThan(1)
  })

  test.each([['copartitioned', 12, 0], ['shuffled', 25, 1]] as const)('checkpoint liveness, %s, a lost part is told by nobody and no checkpoint given up → none completes any more, and that is found', async (shape, behindMs, killed) => {
    const mutation = MUTANTS.find(({ name }) => name === 'checkpoint given up')?.make
    if (mutation === undefined) throw new RangeError('there is no such mutant')
    const { violations } = await simulate({ seed: SEED, shape, plan: logAway(await beginsAt(shape, 600), behindMs, [killed]), mutation })
    expect(violations.join()).toMatch(/^progress: .*no checkpoint that began after the last fault is complete/)
  })
})
