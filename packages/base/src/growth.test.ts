import { expect, test } from '@jest/globals'
import { growthInWords } from './growth.ts'

const MIB = 1024 * 1024

test.each([
  [{ batches: 340, bytes: 12 * MIB, bytesPerHour: 340 * MIB, freeBytes: 3_400 * MIB, fullInHours: 10 }, /grown by 12.* in 340 batches, 340.* an hour; .* free for the log: full in 10\.0 hours at this rate/],
  [{ batches: 1, bytes: MIB, bytesPerHour: MIB, freeBytes: 100 * MIB, fullInHours: 100 }, /in 1 batch, .*full in 4 days/],
  [{ batches: 1, bytes: MIB, bytesPerHour: MIB, freeBytes: 0, fullInHours: 0 }, /full in 1 minute at/],
  [{ batches: 1, bytes: MIB, bytesPerHour: MIB, freeBytes: MIB, fullInHours: 0.9 }, /full in 54 minutes at/],
  [{ batches: 2, bytes: MIB, bytesPerHour: MIB }, /what is free on the disks of the log is not known$/],
  [{ batches: 0, bytes: 0, bytesPerHour: 0, freeBytes: 7 }, /are free for the log$/],
])('growth in words, %o', (growth, words) => {
  expect(growthInWords(growth)).toMatch(words)
})
