// The messages of jobs.proto, field by field.
import type { LogGrowth } from '@tidemark/base'
import type { CancelAnswer, CancelMode, CheckpointDescription, DamagedJob, ExecutorDescription, JobDescription, JobEvent, JobSummary, SubmitAnswer, TaskDescription, TaskRecovery, WatchRequest } from '../jobs.ts'
import { errorFacts, generation, inputStatus, recoveryTimeline, tail, takenSnapshot } from './cluster.ts'
import type { Field } from './fields.ts'
import { bool, double, integer, json, list, message, numbers, oneOf, optional, text } from './fields.ts'

const state = oneOf('submitted', 'starting', 'running', 'restoring', 'draining', 'cancelling', 'cancelled', 'failed', 'ended')

export interface SubmitHeader {
  readonly plan: unknown
  readonly bundleBytes: number
  readonly bundleSha256: string
  readonly fromCheckpoint?: number
  readonly submissionId?: string
}
export const submitHeader = message<SubmitHeader>({ plan: json, bundleBytes: integer, bundleSha256: text(), fromCheckpoint: optional(integer), submissionId: optional(text()) })
export const submitAnswer = message<SubmitAnswer>({ job: text(), run: integer, outcome: oneOf('created', 'unchanged', 'restored'), notes: list(text()) })

const jobSummary = message<JobSummary>({
  job: text(), version: text(), run: integer, state, reason: optional(text()), tasks: integer, tasksRunning: integer, tasksWaiting: integer,
  submittedAt: integer, lag: optional(integer), checkpoint: optional(integer), checkpointAt: optional(integer), finalCheckpoint: optional(integer),
})
export const nothing = message<object>({})
const damagedJob = message<DamagedJob>({ job: text(), error: errorFacts })
export const jobList = message<{ readonly jobs: readonly JobSummary[], readonly damaged: readonly DamagedJob[] }>({ jobs: list(jobSummary), damaged: list(damagedJob) })
export const jobName = message<{ readonly job: string }>({ job: text() })

const taskDescription = message<TaskDescription>({
  stage: text(), partition: integer, phase: oneOf('unassigned', 'assigned', 'taking-over', 'running', 'waiting', 'releasing', 'ended'), waitingFor: optional(text()),
  executor: optional(text()), executorId: optional(text()), slot: optional(integer), generation: optional(generation), inputs: list(inputStatus), lag: optional(integer), lagAsOf: optional(integer),
  batchId: integer, watermark: optional(integer), stateKeys: integer, stateBytes: integer, snapshot: optional(takenSnapshot),
  recovery: optional(message<TaskRecovery>({ cause: text(), detectedAt: integer, assignedAt: integer, steps: optional(recoveryTimeline) })), totals: numbers, tail: optional(tail),
})
const jobDescription = message<JobDescription>({
  summary: jobSummary, tasks: list(taskDescription),
  checkpoints: list(message<CheckpointDescription>({ checkpoint: integer, run: integer, takenAt: integer, bytes: integer, parts: integer })),
  checkpointUnderWay: optional(message<NonNullable<JobDescription['checkpointUnderWay']>>({ checkpoint: integer, startedAt: integer, partsNamed: integer, parts: integer })),
  executors: list(message<ExecutorDescription>({
    executor: text(), label: text(), state: oneOf('alive', 'suspected', 'draining', 'dead', 'left'), slots: integer, tasks: integer, reason: optional(text()), since: integer,
  })),
  warnings: list(text()), startedFrom: text(), origin: optional(message<NonNullable<JobDescription['origin']>>({ checkpoint: integer, run: integer })), error: optional(errorFacts),
  growth: optional(message<LogGrowth>({ batches: integer, bytes: integer, bytesPerHour: double, freeBytes: optional(integer), fullInHours: optional(double) })),
})
export const describeAnswer = message<{ readonly job: JobDescription }>({ job: jobDescription })
export const cancelAnswer = message<CancelAnswer>({ job: text(), run: integer, state, finalCheckpoint: optional(integer) })

const MODES = { drain: 'CANCEL_MODE_DRAIN', now: 'CANCEL_MODE_NOW' } as const satisfies Record<CancelMode, string>
/** A client that says nothing of it means `now`. */
const cancelMode: Field<CancelMode> = {
  toWire: (mode) => MODES[mode],
  fromWire: (raw, path) => (raw === MODES.drain ? 'drain' : raw === 'CANCEL_MODE_UNSPECIFIED' ? 'now' : (oneOf(MODES.now).fromWire(raw, path), 'now')),
}
export const cancelRequest = message<{ readonly job: string, readonly mode: CancelMode }>({ job: text(), mode: cancelMode })

export const watchRequest = message<WatchRequest>({ job: optional(text()), after: integer, follow: bool })
export const jobEvent = message<JobEvent>({ sequence: integer, at: integer, event: text(), job: optional(text()), executor: optional(text()), message: text(), facts: json })
