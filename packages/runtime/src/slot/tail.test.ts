import { expect, test } from '@jest/globals'
import { Tail } from './tail.ts'

const seen = ({ batches, bytes }: Tail): readonly number[] => [batches, bytes]

test('tail, batches behind a snapshot → counted from its cut on once it is named, not before', () => {
  const tail = new Tail()
  tail.grew(100)
  tail.grew(10)
  tail.cut()
  tail.grew(1)
  expect(seen(tail)).toEqual([3, 111])
  tail.named()
  expect(seen(tail)).toEqual([1, 1])
})

test('tail, a snapshot that was lost → the next one is cut further on, and what it is exact at counts', () => {
  const tail = new Tail()
  tail.grew(100)
  tail.cut()
  tail.grew(10)
  tail.cut()
  tail.grew(1)
  tail.named()
  expect(seen(tail)).toEqual([1, 1])
  tail.startOver()
  tail.named()
  expect(seen(tail)).toEqual([0, 0])
})
