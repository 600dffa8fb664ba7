// What clients and the driver tell each other about jobs, as plain values. `proto/tidemark/v1/jobs.proto` is their form on the wire.
// Times are milliseconds since 1970, durations milliseconds, sizes bytes.
import type { LogGrowth } from '@tidemark/base'
import type { ErrorMessage, GenerationMessage, InputStatus, RecoveryTimeline, TaskPhase, TaskStatus } from './messages.ts'

export type JobState = 'submitted' | 'starting' | 'running' | 'restoring' | 'draining' | 'cancelling' | 'cancelled' | 'failed' | 'ended'

export interface SubmitRequest {
  /** The logical plan, plain JSON. */
  readonly plan: unknown
  readonly bundle: Buffer
  /** Restore from this checkpoint of the job of this name. */
  readonly fromCheckpoint?: number
  /** Names this submission, at most 100 characters: the same again while its run is the newest changes nothing. */
  readonly submissionId?: string
}
export interface SubmitAnswer {
  readonly job: string
  readonly run: number
  readonly outcome: 'created' | 'unchanged' | 'restored'
  /** What a person should know: that it starts empty, what cannot be called back. */
  readonly notes: readonly string[]
}

export interface JobSummary {
  readonly job: string
  readonly version: string
  readonly run: number
  readonly state: JobState
  /** Why it is in that state, or what it waits for. */
  readonly reason?: string
  readonly tasks: number
  readonly tasksRunning: number
  readonly tasksWaiting: number
  readonly submittedAt: number
  /** Records of source partitions between position and stable offset, summed. Absent: a task that reads one does not run, so nobody knows. */
  readonly lag?: number
  /** Newest complete checkpoint, and when it was taken. */
  readonly checkpoint?: number
  readonly checkpointAt?: number
  /** The checkpoint that a drain ended this run with: nothing was processed after it. */
  readonly finalCheckpoint?: number
}

/** What is stored of it can't be read, so that the driver leads without it; it may run. */
export interface DamagedJob {
  readonly job: string
  readonly error: ErrorMessage
}

/** The last takeover of a task, from the death (or the move) to the first commit. */
export interface TaskRecovery {
  /** Why: `executor west-1 dead: stream ended, probe refused`. */
  readonly cause: string
  readonly detectedAt: number
  readonly assignedAt: number
  /** Reported by the new owner when it runs. */
  readonly steps?: RecoveryTimeline
}

export interface TaskDescription {
  readonly stage: string
  readonly partition: number
  readonly phase: TaskPhase | 'unassigned' | 'assigned' | 'ended'
  readonly waitingFor?: string
  /** Label of the owner. */
  readonly executor?: string
  readonly executorId?: string
  readonly slot?: number
  readonly generation?: GenerationMessage
  readonly inputs: readonly InputStatus[]
  /** Absent: nobody runs it, so nobody knows. */
  readonly lag?: number
  /** Its owner has heard nothing of the log since: `lag` is of then, and at least that. */
  readonly lagAsOf?: number
  readonly batchId: number
  readonly watermark?: number
  readonly stateKeys: number
  readonly stateBytes: number
  readonly snapshot?: NonNullable<TaskStatus['snapshot']>
  readonly recovery?: TaskRecovery
  readonly tail?: NonNullable<TaskStatus['tail']>
  readonly totals: Readonly<Record<string, number>>
}

export interface CheckpointDescription {
  readonly checkpoint: number
  readonly run: number
  readonly takenAt: number
  readonly bytes: number
  readonly parts: number
}

export interface ExecutorDescription {
  readonly executor: string
  readonly label: string
  readonly state: 'alive' | 'suspected' | 'draining' | 'dead' | 'left'
  readonly slots: number
  readonly tasks: number
  readonly reason?: string
  /** Since when it is in that state. */
  readonly since: number
}

export interface JobDescription {
  readonly summary: JobSummary
  readonly tasks: readonly TaskDescription[]
  /** Newest first. */
  readonly checkpoints: readonly CheckpointDescription[]
  readonly checkpointUnderWay?: { readonly checkpoint: number, readonly startedAt: number, readonly partsNamed: number, readonly parts: number }
  readonly executors: readonly ExecutorDescription[]
  readonly warnings: readonly string[]
  /** In words: `empty`, or `checkpoint 7 of run 2`. */
  readonly startedFrom: string
  /** The checkpoint that it began from, and the run that took it; absent: it began empty. */
  readonly origin?: { readonly checkpoint: number, readonly run: number }
  readonly error?: ErrorMessage
  /** Absent: no owner has said yet. */
  readonly growth?: LogGrowth
}

/** `drain`: no more input, a last checkpoint, then the end. `now`: the open batch is taken back, and that is the end. */
export type CancelMode = 'drain' | 'now'

export interface CancelAnswer {
  readonly job: string
  readonly run: number
  readonly state: JobState
  /** Of a run that was drained, once it is cancelled. */
  readonly finalCheckpoint?: number
}

export interface WatchRequest {
  /** Absent: of all jobs and executors. */
  readonly job?: string
  /** Only events with a higher sequence. */
  readonly after: number
  readonly follow: boolean
}
export interface JobEvent {
  readonly sequence: number
  readonly at: number
  /** Stable, dotted: `executor.dead`, `task.moved`, `checkpoint.completed`. */
  readonly event: string
  readonly job?: string
  readonly executor?: string
  /** One sentence for people. */
  readonly message: string
  readonly facts: unknown
}

/** What the driver does for clients. A rejection with a TidemarkError reaches the client as that error. */
export interface JobHandlers {
  submit(request: SubmitRequest): Promise<SubmitAnswer>
  list(): Promise<readonly JobSummary[]>
  /** Those that are not in the list because they are damaged; left out: none ever is. */
  damaged?(): Promise<readonly DamagedJob[]>
  describe(job: string): Promise<JobDescription>
  cancel(job: string, mode: CancelMode): Promise<CancelAnswer>
  /** Emits until done; with `follow` until the signal is aborted. */
  watchEvents(request: WatchRequest, emit: (event: JobEvent) => void, signal: AbortSignal): Promise<void>
}

export interface JobsClient {
  /** `onSent` is told how many bytes of the bundle have gone out. */
  submit(request: SubmitRequest, onSent?: (bytes: number) => void): Promise<SubmitAnswer>
  list(): Promise<readonly JobSummary[]>
  /** Those that are not in the list because they are damaged. */
  damaged(): Promise<readonly DamagedJob[]>
  describe(job: string): Promise<JobDescription>
  /** `now` when not told otherwise. */
  cancel(job: string, mode?: CancelMode): Promise<CancelAnswer>
  /** Ends when the server has no more (or, with `follow`, never); leaving the loop cancels the call. */
  watchEvents(request: WatchRequest): AsyncIterable<JobEvent>
  close(): void
}
