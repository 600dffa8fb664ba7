// Slots that were cut off from the log are back while nobody can read a snapshot: what runs goes on where it runs, and is spread once its new owner can.
import { expect, test } from '@jest/globals'
import { simulate } from './simulate.ts'

/** The slots have given their tasks up by then, and others have them; they count again before it is back. */
const STORE_DOWN_AT_MS = 1_300
const STORE_BACK_AT_MS = 2_300

test('planned move: slots are back while the object store is away → nothing moves there before it answers, and then it does', async () => {
  const { trace, violations } = await simulate({ seed: 3, shape: 'shuffled', plan: [
    { at: 300, kind: 'cut', who: 0, to: 'log', way: 'both', ms: 1_100 },
    { at: STORE_DOWN_AT_MS, kind: 'down', service: 'store', ms: STORE_BACK_AT_MS - STORE_DOWN_AT_MS },
    // Goes on for so long.
    { at: 3_600, kind: 'join' },
  ] })
  expect(violations).toEqual([])
  const of = (event: string): number[] => trace().flatMap((line) => (line.includes(` ${event} `) ? [Number.parseFloat(line)] : []))
  const isMeanwhile = (at: number): boolean => at > STORE_DOWN_AT_MS && at < STORE_BACK_AT_MS
  expect(of('slot.log-back').filter(isMeanwhile)).toHaveLength(2)
  const moves = of('task.moving')
  expect(moves.filter(isMeanwhile)).toEqual([])
  expect(moves.filter((at) => at < 3_600)).not.toEqual([])
})
