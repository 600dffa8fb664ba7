// Whom the silence of a process that is watched is counted against.
import { expect, test } from '@jest/globals'
import { Silence } from './silence.ts'

test('it says nothing new while it is looked at → that is counted; a new word → from the start', () => {
  const silence = new Silence(0, 200)
  silence.look('in 7', 50)
  expect([100, 150, 200].map((at) => silence.look('in 7', at))).toEqual([50, 100, 150])
  expect(silence.look('in 8', 250)).toBe(0)
})

test('whoever looks stood still too, for an hour → it counts as one look, and goes on from there', () => {
  const silence = new Silence(0, 200)
  silence.look('in 7', 50)
  expect(silence.look('in 7', 100)).toBe(50)
  expect(silence.look('in 7', 3_600_000)).toBe(250)
  expect(silence.look('in 7', 3_600_050)).toBe(300)
})
