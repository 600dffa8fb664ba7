// Who counts as idle among upstream tasks, by what they said and when the log says they said it.
import { describe, expect, test } from '@jest/globals'
import type { UpstreamMark } from '@tidemark/checkpoint'
import { judgeClaims, renewMs, stamped } from './idle-claims.ts'

const IDLE_AFTER_MS = 400

/** Marks of tasks as a reader has them after these blocks: [task, time, idle, watermark]. */
const after = (...blocks: readonly (readonly [task: number, at: number | undefined, idle: boolean, watermark?: number])[]): Map<number, UpstreamMark> => {
  const marks = new Map<number, UpstreamMark>()
  for (const [task, at, idle, watermark] of blocks) {
    const before = marks.get(task)
    marks.set(task, stamped({ ...before, input: 's', partition: task, idle, batchId: (before?.batchId ?? 0) + 1, ...(watermark === undefined ? {} : { watermark }) }, before, at))
  }
  return marks
}
const idle = (marks: ReadonlyMap<number, UpstreamMark>, tasks = 2): boolean[] =>
  judgeClaims(Array.from({ length: tasks }, (_, task) => ({ mark: marks.get(task), idleAfterMs: IDLE_AFTER_MS }))).map((one) => one.idle)

describe('idle claims', () => {
  test('a claim counts from the second on: only what follows a block was looked at behind it', () => {
    expect(idle(after([0, 1_000, false, 7], [1, 1_500, true]))).toEqual([false, false])
    expect(idle(after([0, 1_000, false, 7], [1, 1_500, true], [1, 1_600, true]))).toEqual([false, true])
  })

  test('never heard from: not idle, and it holds the watermark', () => {
    expect(judgeClaims([{ mark: undefined, idleAfterMs: IDLE_AFTER_MS }])).toEqual([{ watermark: -Infinity, idle: false }])
  })

  test('nobody had records, and one has them again → the others count as idle only when they looked a whole idleAfter later', () => {
    const quiet = [[0, 1_000, false, 7], [1, 1_000, false, 5], [0, 1_500, true], [1, 1_500, true], [0, 1_900, true], [1, 1_900, true]] as const
    expect(idle(after(...quiet))).toEqual([true, true])
    const woken = [...quiet, [0, 2_000, false, 90]] as const
    expect(idle(after(...woken))).toEqual([false, false])
    expect(idle(after(...woken, [1, 2_399, true]))).toEqual([false, false])
    expect(idle(after(...woken, [1, 2_399, true], [1, 2_500, true]))).toEqual([false, false])
    expect(idle(after(...woken, [1, 2_400, true], [1, 2_500, true]))).toEqual([false, true])
    // The other had records too, a moment later.
    expect(idle(after(...woken, [1, 2_100, false, 80]))).toEqual([false, false])
    // Who woke falls idle again: all are only when all have looked since.
    expect(idle(after(...woken, [0, 2_390, true], [1, 2_390, true]))).toEqual([false, false])
    expect(idle(after(...woken, [0, 2_400, true], [1, 2_400, true], [0, 2_500, true], [1, 2_500, true]))).toEqual([true, true])
  })

  test('a claim that is not renewed (its owner died) holds the watermark again, and a renewed one does not', () => {
    const both = [[0, 1_000, false, 7], [1, 1_500, true], [1, 1_600, true]] as const
    expect(idle(after(...both, [0, 2_500, false, 8]))).toEqual([false, true])
    expect(idle(after(...both, [0, 2_501, false, 8]))).toEqual([false, false])
    expect(idle(after(...both, [0, 2_501, false, 8], [1, 2_501, true]))).toEqual([false, true])
    // It slept between looking and speaking: the next one says when it looked.
    expect(idle(after(...both, [0, 9_000, false, 8], [1, 9_000, true]))).toEqual([false, false])
    expect(idle(after(...both, [0, 9_000, false, 8], [1, 9_000, true], [1, 9_100, true]))).toEqual([false, true])
  })

  test('marks of a restored run have no time or an old one: they hold until their tasks speak', () => {
    expect(idle(after([0, undefined, false, 7], [1, undefined, true]))).toEqual([false, false])
    expect(idle(after([0, 10, false, 7], [1, 500, true], [1, 600, true], [0, 50_000, false, 9]))).toEqual([false, false])
    expect(after([0, undefined, false, 7], [0, 50, false]).get(0)).toMatchObject({ at: 50, activeAt: 50 })
  })

  test('renewals are bounded: neither a flood nor too rare for a recovery to be noticed', () => {
    expect([1, 200, 1_000, 10_000, 86_400_000].map(renewMs)).toEqual([50, 50, 250, 1_000, 1_000])
  })
})
