import { expect, test } from '@jest/globals'
import { howMany } from './how-many.ts'

test('how many, none, one and more → what is counted agrees with its number', () => {
  expect([0, 1, 2, 1_000].map((count) => howMany(count, 'slot'))).toEqual(['0 slots', '1 slot', '2 slots', '1000 slots'])
  expect([1, 2].map((count) => howMany(count, 'task moves', 'tasks move'))).toEqual(['1 task moves', '2 tasks move'])
})
