// Generations are ordered, and drivers never give one twice (R1).
import { describe, expect, test } from '@jest/globals'
import { nextGeneration } from '../ownership/assign.ts'
import { ALL_RULES } from '../rules.ts'
import { stamp } from '../samples/records.ts'
import { compareGenerations, formatGeneration, sameOwner } from './generation.ts'

describe('generations', () => {
  test('order: the epoch decides, then the counter', () => {
    expect(compareGenerations({ epoch: 2, counter: 1 }, { epoch: 1, counter: 99 })).toBeGreaterThan(0)
    expect(compareGenerations({ epoch: 2, counter: 1 }, { epoch: 2, counter: 3 })).toBeLessThan(0)
    expect(compareGenerations({ epoch: 2, counter: 3 }, { epoch: 2, counter: 3 })).toBe(0)
    expect(formatGeneration({ epoch: 2, counter: 3 })).toBe('2.3')
  })
  test('owner: a slot that was started again is another, another id of the same slot is not', () => {
    expect(sameOwner(stamp('A', 1, 0).owner, stamp('A', 2, 5).owner)).toBe(true)
    expect(sameOwner(stamp('A', 1).owner, stamp('B', 1).owner)).toBe(false)
  })
  test('giving: a new driver begins above everything its predecessors gave, and a replaced one is refused', () => {
    expect(nextGeneration(1, undefined, ALL_RULES)).toEqual({ epoch: 1, counter: 1 })
    expect(nextGeneration(1, { epoch: 1, counter: 7 }, ALL_RULES)).toEqual({ epoch: 1, counter: 8 })
    expect(nextGeneration(2, { epoch: 1, counter: 7 }, ALL_RULES)).toEqual({ epoch: 2, counter: 1 })
    expect(() => nextGeneration(1, { epoch: 2, counter: 1 }, ALL_RULES)).toThrow('it has been replaced')
  })
})
