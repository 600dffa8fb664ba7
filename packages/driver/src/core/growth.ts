// How fast journals and shuffles grow while no snapshot lets them be trimmed, and when the log's disk is full at this rate. Pure.
import type { LogGrowth } from '@tidemark/base'
import type { JobEntry } from './jobs.ts'

const HOUR_MS = 3_600_000
/** What has grown for less says nothing of an hour. */
const MEASURED_MS_MIN = 1_000

export interface GrownTail {
  readonly batches: number
  readonly bytes: number
  /** When the snapshot before it was taken; wall clock, ms. */
  readonly sinceMs: number
}

/** Undefined: nobody has said yet. `freeBytes`: undefined when the log can't tell. */
export const growthOf = (tails: readonly GrownTail[], nowMs: number, freeBytes: number | undefined): LogGrowth | undefined => {
  if (tails.length === 0) return undefined
  const sum = (of: (tail: GrownTail) => number): number => tails.reduce((all, tail) => all + of(tail), 0)
  const bytesPerHour = Math.round(sum(({ bytes, sinceMs }) => bytes * HOUR_MS / Math.max(MEASURED_MS_MIN, nowMs - sinceMs)))
  return {
    batches: sum(({ batches }) => batches), bytes: sum(({ bytes }) => bytes), bytesPerHour, ...freeBytes === undefined ? {} : { freeBytes },
    ...freeBytes === undefined || bytesPerHour === 0 ? {} : { fullInHours: freeBytes / bytesPerHour },
  }
}

/** Each task's tail is as old as its own snapshot, or as the newest checkpoint where that is younger or its own is not known. */
export const growthOfJob = ({ tasks, checkpoints: [newest], run }: JobEntry, nowMs: number, freeBytes: number | undefined): LogGrowth | undefined => growthOf(
  [...tasks.values()].flatMap(({ status }) => status?.tail === undefined ? [] : [{ ...status.tail, sinceMs: Math.max(newest?.takenAt ?? run.record.createdAt, status.snapshot?.takenAt ?? 0) }]),
  nowMs, freeBytes,
)
