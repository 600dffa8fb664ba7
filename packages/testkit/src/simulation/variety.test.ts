// What varies the input: each kind comes, in its share, and without any the input is what it was.
import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../time/seeded-random.ts'
import { isCounted, isSetAside, makeEvents, STRAGGLER_AMOUNT } from './events.ts'
import type { Shape } from './events.ts'
import { varietyOf, vary } from './variety.ts'
import type { Variety } from './variety.ts'

const T0 = 1_700_000_000_000
const SEEDS = Array.from({ length: 400 }, (_, seed) => seed)
const partitionOf = (user: string): number => Number(user.slice(1)) % 3
const varied = (seed: number, shape: Shape, variety: Variety) => {
  const events = makeEvents(seededRandom(seed), 60, ['u0', 'u1', 'u2', 'u3', 'u4', 'u5'], T0)
  return { events, all: vary(seededRandom(seed ^ 1), events, { shape, variety, partitions: 3, partitionOf }) }
}

describe('variety', () => {
  test('variety, none → the events as they are; the same seed → the same', () => {
    for (const seed of SEEDS.slice(0, 20)) {
      const { events, all } = varied(seed, 'shuffled', {})
      expect(all).toEqual(events)
      const much = { onError: 'skip', timers: true, bursts: true, fractions: true } as const
      expect(varied(seed, 'shuffled', much).all).toEqual(varied(seed, 'shuffled', much).all)
    }
  })

  test.each(['copartitioned', 'shuffled', 'generated'] as const)('variety, %s → a good half of the seeds have none, each kind that it can have is in some', (shape) => {
    const all = SEEDS.map((seed) => varietyOf(seededRandom(seed), shape))
    const plain = all.filter((variety) => Object.keys(variety).length === 0).length
    expect(plain).toBeGreaterThan(SEEDS.length * 0.45)
    expect(plain).toBeLessThan(SEEDS.length * 0.75)
    const kinds = { copartitioned: ['buffers', 'emit', 'folds', 'fractions', 'lateness', 'onError', 'timers'], shuffled: ['buffers', 'bursts', 'emit', 'folds', 'fractions', 'onError', 'timers'], generated: ['buffers', 'fractions', 'onError'] }
    expect([...new Set(all.flatMap((variety) => Object.keys(variety)))].toSorted()).toEqual(kinds[shape])
    for (const kind of kinds[shape]) expect(all.filter((variety) => kind in variety).length).toBeGreaterThan(SEEDS.length / 10)
    expect(new Set(all.map(({ onError }) => onError))).toEqual(new Set([undefined, 'skip', 'dead-letter']))
  })

  test('variety, records that throw → about one in ten, at every place', () => {
    const all = SEEDS.slice(0, 100).flatMap((seed) => varied(seed, 'shuffled', { onError: 'dead-letter', timers: true }).all)
    expect(new Set(all.map(({ fails }) => fails))).toEqual(new Set([undefined, 'decode', 'time', 'key', 'seen', 'running', 'window', 'timer', 'result']))
    const odd = all.filter(({ fails }) => fails !== undefined)
    expect(odd.length / all.length).toBeCloseTo(0.1, 1)
    for (const event of odd) expect([isSetAside(event), isCounted(event)]).toEqual(event.fails === 'timer' || event.fails === 'result' ? [false, true] : [true, false])
    const parts = odd.filter(({ fails }) => fails === 'result').map(({ amount }) => amount)
    expect(parts.every((amount) => amount > 0 && amount < 1)).toBe(true)
  })

  test('variety, records that come late → each is told by its amount, and is in no result but windows', () => {
    for (const seed of SEEDS.slice(0, 20)) {
      const { all } = varied(seed, 'copartitioned', { lateness: 0 })
      const late = all.filter(({ straggles }) => straggles !== undefined)
      expect(late.length).toBeLessThan(13)
      expect(late.map(({ amount }) => amount)).toEqual(late.map((_, i) => STRAGGLER_AMOUNT * 2 ** i))
      expect(late.some(isCounted)).toBe(false)
      expect(all.filter(isCounted).reduce((sum, { amount }) => sum + amount, 0)).toBeLessThan(STRAGGLER_AMOUNT)
    }
  })

  test('variety, bursts and fractions → times go up, each partition is without records for a third of it', () => {
    const { all } = varied(7, 'shuffled', { bursts: true, fractions: true })
    expect(all.map(({ ts }) => ts)).toEqual(all.map(({ ts }) => ts).toSorted((a, b) => a - b))
    expect(all.some(({ ts }) => ts % 1 !== 0)).toBe(true)
    for (const partition of [0, 1, 2]) expect(all.slice(partition * 20, partition * 20 + 20).every(({ user }) => partitionOf(user) !== partition)).toBe(true)
  })
})
