import { describe, expect, test } from '@jest/globals'
import { growthOf } from './growth.ts'

const MIB = 1024 * 1024
const MINUTE_MS = 60_000
const NOW = 100 * MINUTE_MS

describe('growth of the log', () => {
  test('growth, nobody has said anything → not known', () => {
    expect(growthOf([], NOW, 5)).toBeUndefined()
  })

  test('growth, tails of different age → each at its own rate, added up; the disk lasts for what is free at that rate', () => {
    const tails = [{ batches: 30, bytes: 10 * MIB, sinceMs: NOW - 30 * MINUTE_MS }, { batches: 10, bytes: 5 * MIB, sinceMs: NOW - 10 * MINUTE_MS }]
    expect(growthOf(tails, NOW, 1_000 * MIB)).toEqual({ batches: 40, bytes: 15 * MIB, bytesPerHour: 50 * MIB, freeBytes: 1_000 * MIB, fullInHours: 20 })
  })

  test('growth, the free space is not known, or nothing grows → no hour is said', () => {
    expect(growthOf([{ batches: 1, bytes: 600, sinceMs: NOW - MINUTE_MS }], NOW, undefined)).toEqual({ batches: 1, bytes: 600, bytesPerHour: 36_000 })
    expect(growthOf([{ batches: 0, bytes: 0, sinceMs: NOW - MINUTE_MS }], NOW, 7)).toEqual({ batches: 0, bytes: 0, bytesPerHour: 0, freeBytes: 7 })
  })

  test('growth, a full disk → 0 hours; a snapshot of this moment, or of a clock ahead of ours → a rate that is a number', () => {
    expect(growthOf([{ batches: 1, bytes: 600, sinceMs: NOW - MINUTE_MS }], NOW, 0)).toMatchObject({ fullInHours: 0 })
    expect(growthOf([{ batches: 1, bytes: 10, sinceMs: NOW + MINUTE_MS }], NOW, undefined)).toMatchObject({ bytesPerHour: 36_000 })
  })
})
