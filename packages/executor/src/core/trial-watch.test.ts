// When a throw-away process is ended by whoever watches it.
import { expect, test } from '@jest/globals'
import type { TrialWord } from '@tidemark/runtime'
import { LOOK_MS, TrialWatch } from './trial-watch.ts'
import type { KilledFor } from './trial-watch.ts'

const at = (offset: number): TrialWord => ({ kind: 'in', subject: { name: `n0 in/0@${offset}`, node: 'n0' }, memoryUsed: 0 })

/** What the looks up to `untilMs` say, one every `LOOK_MS`: the first that kills, and when. */
const first = (word: (nowMs: number) => TrialWord | undefined, untilMs: number): { readonly ms: number, readonly killed: KilledFor } | undefined => {
  const watch = new TrialWatch({ stuckMs: 1_000, memoryBytesMax: 100 }, 0)
  for (let ms = LOOK_MS; ms <= untilMs; ms += LOOK_MS) {
    const killed = watch.look(word(ms), 0, ms)
    if (killed !== undefined) return { ms, killed }
  }
  return undefined
}

test('it stays in one record for longer than a slot may → ended for the time', () => {
  expect(first(() => at(7), 60_000)).toEqual({ ms: LOOK_MS + 1_000 + LOOK_MS, killed: { limit: 'time', because: 'it did not come back for 1000 ms' } })
})

test('it stays between two records for longer than that → so too', () => {
  expect(first(() => ({ kind: 'between', steps: 3, memoryUsed: 0 }), 60_000)).toMatchObject({ ms: LOOK_MS + 1_000 + LOOK_MS, killed: { limit: 'time' } })
})

test('each record takes a little less than that → never', () => {
  expect(first((ms) => at(Math.floor(ms / 1_000)), 600_000)).toBeUndefined()
})

test('it restores, or has not said anything yet → two minutes', () => {
  expect(first(() => ({ kind: 'preparing' }), 120_050)).toBeUndefined()
  expect(first(() => ({ kind: 'preparing' }), 600_000)).toEqual({ ms: 120_100, killed: { limit: 'time', because: 'it did not come back for 120000 ms' } })
  expect(first(() => undefined, 600_000)).toMatchObject({ ms: 120_050, killed: { limit: 'time' } })
})

test('whoever watches stood still too → one look counts as four at most', () => {
  const watch = new TrialWatch({ stuckMs: 1_000, memoryBytesMax: 100 }, 0)
  watch.look(at(7), 0, LOOK_MS)
  expect([1, 2, 3, 4, 5].map((hours) => watch.look(at(7), 0, hours * 3_600_000))).toEqual([undefined, undefined, undefined, undefined, undefined])
  expect(watch.look(at(7), 0, 6 * 3_600_000)).toMatchObject({ limit: 'time' })
})

test('it takes more memory than it may → ended for the memory, with both figures; as much as it may → not', () => {
  const watch = new TrialWatch({ stuckMs: 1_000, memoryBytesMax: 100 }, 0)
  expect(watch.look(at(7), 100, LOOK_MS)).toBeUndefined()
  expect(watch.look(at(8), 101, 2 * LOOK_MS)).toEqual({ limit: 'memory', because: 'it took 101 bytes of memory, 100 are allowed' })
})
