import { expect, test } from '@jest/globals'
import { Slices, SLICE_MS } from './slices.ts'

/** Time passes by steps only; `sleeps` are the moments at which the slot's other tasks have their turn. */
const standing = (): { readonly clock: { monotonic: () => number, sleep: () => Promise<void> }, readonly time: { at: number }, readonly sleeps: number[] } => {
  const time = { at: 0 }
  const sleeps: number[] = []
  return { time, sleeps, clock: { monotonic: () => time.at, sleep: async () => void sleeps.push(time.at) } }
}
function * steps(many: number, each: () => void): Generator<void> {
  for (let i = 0; i < many; i++) {
    each()
    yield
  }
}

test('takeover: several tasks load and apply at one time → between two turns of the others one slice of all of them, and each gets on', async () => {
  const { clock, time, sleeps } = standing()
  const slices = new Slices(clock)
  const took: string[] = []
  const task = (name: string): Promise<boolean> => slices.run(steps(20, () => {
    took.push(name)
    time.at += 1
  }))
  expect(await Promise.all([task('a'), task('b'), task('c')])).toEqual([true, true, true])
  expect(took).toHaveLength(60)
  expect(took.slice(0, 3 * SLICE_MS).join('')).toBe(['a', 'b', 'c'].map((name) => name.repeat(SLICE_MS)).join(''))
  // The last slice of each is shorter, and what follows it begins at once.
  expect(Math.max(...sleeps.map((at, i) => at - (sleeps[i - 1] ?? 0)))).toBeLessThan(2 * SLICE_MS)
  expect(sleeps.slice(0, 10).map((at) => at / SLICE_MS)).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
})

test('takeover: one reads its journal while others load → it is through after its own slices and one of each of those', async () => {
  const { clock, time } = standing()
  const slices = new Slices(clock)
  const took: string[] = []
  const stepsOf = (name: string, many: number): Generator<void> => steps(many, () => {
    took.push(name)
    time.at += 1
  })
  const loading = [slices.run(stepsOf('a', 20)), slices.run(stepsOf('b', 20))]
  await slices.runFirst(stepsOf('r', 20))
  expect(took.filter((name) => name !== 'r')).toHaveLength(2 * SLICE_MS)
  await Promise.all(loading)
  expect(took).toHaveLength(60)
})

test('takeover: what it loads is no longer wanted → no further step, and what it reads from is told', async () => {
  const { clock, time } = standing()
  let [taken, ended] = [0, false]
  function * reading(): Generator<void> {
    try {
      yield * steps(20, () => {
        taken += 1
        time.at += 1
      })
    } finally {
      ended = true
    }
  }
  expect(await new Slices(clock).run(reading(), () => taken < 3)).toBe(false)
  expect([taken, ended]).toEqual([3, true])
})

test.each(['run', 'runFirst'] as const)('takeover: a step of one fails (%s) → that one hears of it, and those that load go on', async (how) => {
  const { clock } = standing()
  const slices = new Slices(clock)
  const failing = slices[how](steps(1, () => { throw new RangeError('damaged') }))
  const next = slices.run(steps(3, () => {}))
  await expect(failing).rejects.toThrow('damaged')
  expect(await next).toBe(true)
})
