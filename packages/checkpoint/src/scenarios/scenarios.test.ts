// Each rule of the protocol: its promise is kept with it, and seen to break without it.
import { describe, expect, test } from '@jest/globals'
import { ALL_RULES } from '../rules.ts'
import { SCENARIOS } from './all.ts'
import { playWithout } from './scenario.ts'

describe('rules of the protocol', () => {
  test('every rule has exactly one scenario', () => {
    expect(SCENARIOS.map(({ rule }) => rule).toSorted()).toEqual(Object.keys(ALL_RULES).toSorted())
  })
  for (const scenario of SCENARIOS) {
    test(`${scenario.rule} on: the promise is kept; off: ${scenario.breaks}`, () => {
      expect(playWithout(scenario, undefined)).toBeUndefined()
      expect(playWithout(scenario, scenario.rule)).toBeDefined()
    })
  }
})
