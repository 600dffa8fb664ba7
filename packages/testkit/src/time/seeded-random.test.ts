// Seeded chance: the same from the same seed, and spread evenly.
import { expect, test } from '@jest/globals'
import { seededRandom } from './seeded-random.ts'

test('seeded random: same seed → same numbers and ids; another seed → others; even over [0, 1); ids are version 4', () => {
  const take = (seed: number) => {
    const random = seededRandom(seed)
    return Array.from({ length: 10_000 }, (_, index) => (index % 100 === 0 ? random.uuid() : random.next()))
  }
  expect(take(7)).toEqual(take(7))
  expect(take(7)).not.toEqual(take(8))
  const numbers = take(7).filter((one) => typeof one === 'number')
  const tenths = Map.groupBy(numbers, (one) => Math.floor(one * 10))
  expect([...tenths.keys()].toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  for (const [, members] of tenths) expect(Math.abs(members.length - numbers.length / 10)).toBeLessThan(150)
  const ids = take(7).filter((one) => typeof one === 'string')
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(new Set(ids).size).toBe(ids.length)
})
