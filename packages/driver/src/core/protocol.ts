// What the driver's core is fed with and what it asks for. The shell turns commands into calls and their answers into events.
import type { ExecutorId, JobId } from '@tidemark/base'
import type { Generation, ManifestInFlight, ManifestOutput, ManifestPart, RunRecord } from '@tidemark/checkpoint'
import type { CheckpointDescription, DriverMessage, ErrorMessage, ExecutorMessage, JobEvent, ProbeAnswer } from '@tidemark/wire'
import type { JobSettings } from 'tidemark'

/** Number that the shell gives each accepted stream. */
export type ConnectionId = number

export interface RunFacts {
  readonly record: RunRecord
  readonly settings: JobSettings
  readonly submittedAt: number
}

/** A job as the object store tells it: at the start of a leadership, or when it was just submitted. */
export interface KnownJob {
  readonly run: RunFacts
  /** `new`: its topics are not made yet (an earlier run may have to be ended first). `started`: they are, and executors may run it. */
  readonly state: 'new' | 'started' | 'cancelling' | 'cancelled' | 'failed'
  readonly error?: ErrorMessage
  /** Newest first. */
  readonly checkpoints: readonly CheckpointDescription[]
  /** The highest checkpoint number that was ever used under this name. */
  readonly checkpointNumber: number
  /** It is to be drained. */
  readonly drain?: boolean
  /** Of one that was drained and is cancelled. */
  readonly finalCheckpoint?: number
}

export type DriverEvent =
  | { readonly kind: 'message', readonly connection: ConnectionId, readonly message: ExecutorMessage }
  | { readonly kind: 'closed', readonly connection: ConnectionId, readonly goodbye: boolean, readonly reason: string }
  | { readonly kind: 'probed', readonly executor: ExecutorId, readonly answer: ProbeAnswer }
  /** Every `tickMs`. A late one says that this process was paused. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'job-known', readonly job: KnownJob }
  | { readonly kind: 'drain', readonly job: JobId }
  | { readonly kind: 'cancel', readonly job: JobId }
  | { readonly kind: 'run-ready', readonly job: JobId, readonly run: number, readonly notes: readonly string[] }
  | { readonly kind: 'run-cancelled', readonly job: JobId, readonly run: number }
  | { readonly kind: 'procedure-failed', readonly job: JobId, readonly run: number, readonly error: ErrorMessage }
  | { readonly kind: 'outputs-read', readonly job: JobId, readonly checkpoint: number, readonly outputs: readonly ManifestOutput[] }
  | { readonly kind: 'checkpoint-written', readonly job: JobId, readonly checkpoint: CheckpointDescription, readonly retained: readonly CheckpointDescription[] }
  | { readonly kind: 'checkpoint-failed', readonly job: JobId, readonly checkpoint: number, readonly reason: string }
  /** Follows each `ask-store`. */
  | { readonly kind: 'store-heard', readonly answers: boolean }

export interface ProcessId {
  readonly pid: number
  readonly pidStart: string
}

export type DriverCommand =
  | { readonly kind: 'send', readonly connection: ConnectionId, readonly message: DriverMessage }
  | { readonly kind: 'disconnect', readonly connection: ConnectionId }
  | { readonly kind: 'probe', readonly executor: ExecutorId, readonly address: string, readonly deadlineMs: number }
  /** At the verdict: frees readers of what the dead owner left open. Nobody waits for it, it does not count for R3. */
  | { readonly kind: 'fence', readonly ids: readonly string[], readonly because: string }
  /** At the verdict, where the log is a file that a stopped process could hold the lock of. */
  | { readonly kind: 'kill', readonly executor: ExecutorId, readonly processes: readonly ProcessId[] }
  | { readonly kind: 'event', readonly event: JobEvent, readonly level: 'info' | 'warn' | 'error' }
  /** Whether the object store answers now, and this driver still leads by what it says. */
  | { readonly kind: 'ask-store' }
  /** End earlier runs that still have topics (C3), then make this run's topics unless `started`, then delete the earlier runs' topics. */
  | { readonly kind: 'start-run', readonly job: JobId, readonly run: number, readonly generation: Generation, readonly started: boolean }
  | { readonly kind: 'cancel-run', readonly job: JobId, readonly run: number, readonly generation: Generation, readonly finalCheckpoint?: number }
  | { readonly kind: 'record-failure', readonly job: JobId, readonly run: number, readonly error: ErrorMessage }
  /** Stable offsets of every output partition, before the first cut. */
  | { readonly kind: 'read-outputs', readonly job: JobId, readonly run: number, readonly checkpoint: number }
  /** `last`: its tasks stand still, so that what is in its outputs now is all that the run will ever have written. */
  | { readonly kind: 'write-checkpoint', readonly last: boolean, readonly job: JobId, readonly run: number, readonly checkpoint: number, readonly parts: readonly ManifestPart[], readonly inFlight: readonly ManifestInFlight[], readonly outputs: readonly ManifestOutput[] }
  /** Another driver leads: a generation of a higher epoch was seen. */
  | { readonly kind: 'step-down', readonly reason: string }

export interface DriverSettings {
  readonly heartbeatIntervalMs: number
  /** No message for this long: dead. */
  readonly heartbeatTimeoutMs: number
  /** A slot whose log says nothing for this long, while another's answers all the time, gives its tasks up. */
  readonly logSilenceMaxMs: number
  /** After a stream ended without a goodbye: how long a reconnect or a right answer to the probe may take. */
  readonly reconnectGraceMs: number
  /** Longest pause between two attempts of an executor to reach a driver. */
  readonly reconnectPauseMaxMs: number
  readonly tickMs: number
  /** A planned release that takes longer costs that slot its process. */
  readonly releaseTimeoutMs: number
  /** An executor that leaves waits this long for the slots that its tasks go to, and for the object store; then it is emptied all the same. */
  readonly prepareTimeoutMs: number
  /** An assignment that its executor does not speak of for this long is given again. */
  readonly assignmentTimeoutMs: number
  readonly taskRetryMinMs: number
  readonly taskRetryMaxMs: number
  readonly procedureRetryMs: number
  readonly eventsMax: number
  /** Garbage is looked for once in so many checkpoints: listing costs more than what lies about meanwhile. */
  readonly garbageEvery: number
}

export const DEFAULT_SETTINGS: DriverSettings = Object.freeze({
  heartbeatIntervalMs: 250, heartbeatTimeoutMs: 2_000, logSilenceMaxMs: 5_000, reconnectGraceMs: 200, reconnectPauseMaxMs: 2_000, tickMs: 50, releaseTimeoutMs: 5_000, prepareTimeoutMs: 3_000, assignmentTimeoutMs: 15_000,
  taskRetryMinMs: 100, taskRetryMaxMs: 30_000, procedureRetryMs: 1_000, eventsMax: 2_000, garbageEvery: 20,
})

export interface DriverIdentity {
  /** UUID of this driver process. */
  readonly driver: string
  readonly epoch: number
  /** Wall clock minus monotonic clock, ms: times for people. */
  readonly wallOffsetMs: number
}
