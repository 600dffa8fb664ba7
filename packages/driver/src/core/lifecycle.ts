// The life of a job, as one table. An illegal move throws.
//
//   submitted ──begin──────► starting ───ready──► running ──restore──► restoring ──ready──► running
//       └───────end-earlier────────────────────────────────────────────►┘
//
//   running ──drain──► draining ──cancel──► cancelling
//   submitted, starting, restoring, running, draining ──fail──► failed ──restore──► restoring
//   running, draining ──over──► ended ──restore──► restoring
//   submitted, starting, restoring, running, failed, ended ──cancel──► cancelling ──cancelled──► cancelled
//
// `cancelled` is the end of that run; the name is free, and a new submission begins a new life.
import { invariantBroken } from '@tidemark/base'
import type { JobId } from '@tidemark/base'
import type { JobState } from '@tidemark/wire'

export type LifecycleMove =
  /** A first run: make its topics. */
  | 'begin'
  /** Earlier runs are ended first (C3). */
  | 'end-earlier'
  /** Topics are there: tasks may be given out. */
  | 'ready'
  | 'restore'
  /** Its tasks take no more input; with its last checkpoint it is cancelled. */
  | 'drain'
  | 'cancel'
  | 'cancelled'
  | 'fail'
  /** Its owners found `ended` records that this driver did not write. */
  | 'over'

const TABLE: Readonly<Record<JobState, Partial<Record<LifecycleMove, JobState>>>> = {
  submitted: { begin: 'starting', 'end-earlier': 'restoring', cancel: 'cancelling', fail: 'failed' },
  starting: { ready: 'running', cancel: 'cancelling', fail: 'failed' },
  restoring: { ready: 'running', cancel: 'cancelling', fail: 'failed' },
  running: { ready: 'running', drain: 'draining', cancel: 'cancelling', fail: 'failed', restore: 'restoring', over: 'ended' },
  draining: { ready: 'draining', cancel: 'cancelling', fail: 'failed', over: 'ended' },
  ended: { cancel: 'cancelling', restore: 'restoring' },
  failed: { cancel: 'cancelling', restore: 'restoring' },
  cancelling: { cancelled: 'cancelled' },
  cancelled: {},
}

/** Its tasks have owners, or are to get some. */
export const isLive = (state: JobState): boolean => state === 'running' || state === 'draining'

/** Nothing of it runs, and nothing will by itself. */
export const isOver = (state: JobState): boolean => state === 'cancelled' || state === 'failed' || state === 'ended'

export const canMove = (from: JobState, move: LifecycleMove): boolean => TABLE[from][move] !== undefined

export const transition = (job: JobId, from: JobState, move: LifecycleMove): JobState => {
  const to = TABLE[from][move]
  if (to === undefined) throw invariantBroken('lifecycle', `job ${job} is ${from}: "${move}" is no legal move`, { job, details: { from, move } })
  return to
}
