// The conversation between executors and the driver, as plain values: what the cores of both sides speak. `proto/tidemark/v1/cluster.proto`
// is its form on the wire; the shells translate.
import type { EditedOffset, ExecutorId, JobId, SlotId, TaskRef } from '@tidemark/base'

/** `epoch.counter` as two numbers; the protocol's Generation. */
export interface GenerationMessage {
  readonly epoch: number
  readonly counter: number
}

export type TaskPhase = 'taking-over' | 'running' | 'waiting' | 'releasing'

/** The recovery timeline of one takeover: milliseconds since the slot was told, in order; `detectedMs` is the driver's. */
export interface RecoveryTimeline {
  readonly startedAt: number
  readonly readMs: number
  readonly fencedMs: number
  readonly claimedMs: number
  readonly loadedMs: number
  readonly tailedMs: number
  readonly firstCommitMs?: number
  /** Which snapshot was loaded: its checkpoint number and keys; absent: from the journal's start. */
  readonly snapshot?: { readonly checkpoint: number, readonly keys: number, readonly bytes: number }
  readonly tailRecords: number
  readonly tailBatches: number
  /** How many transactional ids were fenced. */
  readonly fencedIds: number
  /** What went differently, in words: "newest snapshot is corrupt, the one before was used". */
  readonly remarks: readonly string[]
}

export interface InputStatus {
  readonly input: string
  readonly topic: string
  readonly partition: number
  readonly next: number
  readonly stable: number
  /** Of a shuffle: what lies between the two, about, in bytes. */
  readonly behindBytes?: number
}

export interface TaskStatus {
  readonly task: TaskRef
  readonly generation: GenerationMessage
  readonly phase: TaskPhase
  /** Why it waits, when it does: `store unreachable`, `outbox full`, `paused: shuffle s0-n2 is 70 MiB behind`. */
  readonly waitingFor?: string
  readonly inputs: readonly InputStatus[]
  readonly batchId: number
  readonly watermark?: number
  readonly stateKeys: number
  readonly stateBytes: number
  /** `takenAt` 0: by the owner before, who knew when. */
  readonly snapshot?: { readonly checkpoint: number, readonly takenAt: number, readonly bytes: number }
  /** What it has committed behind its newest snapshot, to journal and shuffles; bytes of what others committed there as their journal holds it. */
  readonly tail?: { readonly batches: number, readonly bytes: number }
  readonly recovery?: RecoveryTimeline
  /** Running totals of the books, by their names. */
  readonly totals: Readonly<Record<string, number>>
}

/** A part of a checkpoint, as its task's owner reports it once a committed record names it. JSON of checkpoint's `SnapshotRef`; `outbox`: of its `OwedToSink`s, absent from an older engine. */
export interface SnapshotPart {
  readonly task: TaskRef
  readonly checkpoint: number
  readonly ref: unknown
  readonly upstreams: unknown
  readonly watermark?: number
  readonly outbox?: unknown
}

/** What the process of a slot hears of the log: the driver compares. */
export interface SlotLog {
  readonly slot: number
  /** It has answered this process at least once. */
  readonly heard: boolean
  /** Since its last answer, ms. */
  readonly silentMs: number
  readonly because?: string
}

export interface SlotProcess {
  readonly slot: number
  readonly slotId: SlotId
  readonly pid: number
  /** Kernel start time of the pid (clock ticks since boot), so that a reused pid is not killed. */
  readonly pidStart: string
}

/** What an executor is running when it registers (again). */
export interface RunningTask {
  readonly task: TaskRef
  readonly generation: GenerationMessage
  readonly slot: number
  readonly transactionalId: string
}

export interface ErrorMessage {
  readonly code: string
  readonly message: string
  readonly blame: string
  readonly action: string
  readonly hint?: string
}

export type ExecutorMessage =
  | { readonly kind: 'register', readonly executor: ExecutorId, readonly label: string, readonly slots: number, readonly processes: readonly SlotProcess[],
      /** `host:port` where `Identify` answers. */ readonly probeAddress: string, readonly engineVersion: string, readonly pid: number, readonly pidStart: string, readonly running: readonly RunningTask[] }
  | { readonly kind: 'heartbeat', readonly sequence: number, readonly tasks: readonly TaskStatus[], readonly logs: readonly SlotLog[] }
  /** A slot process started, or ended. */
  | { readonly kind: 'slot-started', readonly process: SlotProcess }
  | { readonly kind: 'slot-died', readonly slot: number, readonly slotId: SlotId, readonly reason: string, readonly transactionalIds: readonly string[], readonly tasks: readonly TaskRef[] }
  /** A slot took a new transactional id; the driver fences the last one at a verdict. */
  | { readonly kind: 'session', readonly slot: number, readonly transactionalId: string }
  | { readonly kind: 'running', readonly task: TaskRef, readonly generation: GenerationMessage, readonly recovery: RecoveryTimeline }
  /** Somebody else has set the offsets under which a job's positions are published. */
  | { readonly kind: 'group-edited', readonly job: JobId, readonly group: string, readonly offsets: readonly EditedOffset[] }
  /** A release record of this owner is committed. */
  | { readonly kind: 'released', readonly task: TaskRef, readonly generation: GenerationMessage }
  /** Somebody of a higher generation, or an `ended` record, was seen. */
  | { readonly kind: 'given-up', readonly task: TaskRef, readonly generation: GenerationMessage, readonly reason: string, readonly ended: boolean }
  | { readonly kind: 'failed', readonly task: TaskRef, readonly generation: GenerationMessage, readonly error: ErrorMessage }
  /** The walk is completed: this task's cut for the checkpoint. */
  | { readonly kind: 'snapshot-cut', readonly task: TaskRef, readonly checkpoint: number, readonly batchId: number }
  | { readonly kind: 'snapshot-named', readonly part: SnapshotPart }
  | { readonly kind: 'snapshot-failed', readonly task: TaskRef, readonly checkpoint: number, readonly reason: string }
  | { readonly kind: 'in-flight-stored', readonly task: TaskRef, readonly checkpoint: number, readonly objects: unknown, readonly blocks: number, readonly bytes: number }
  /** SIGTERM: this executor takes no more tasks and wants its own moved (revoke `move`) to others; when all are released it says `leaving`. */
  | { readonly kind: 'draining' }
  /** The goodbye, right before the stream ends. */
  | { readonly kind: 'leaving' }

export interface TaskAssignment {
  readonly task: TaskRef
  readonly generation: GenerationMessage
  readonly slot: number
  /** The slot that had it has died while its executor lived: the new owner counts that in its claim. */
  readonly slotDied?: boolean
  /** The run is being drained: the task is taken over, and takes no input. */
  readonly still?: boolean
}

export type DriverMessage =
  | { readonly kind: 'registered', readonly driver: string, readonly epoch: number, readonly heartbeatIntervalMs: number, readonly heartbeatTimeoutMs: number }
  | { readonly kind: 'not-leader', readonly leader?: string }
  /** In place of `registered`: this executor can't work with this driver. */
  | { readonly kind: 'refused', readonly error: ErrorMessage }
  | { readonly kind: 'assign', readonly epoch: number, readonly tasks: readonly TaskAssignment[] }
  /** A slot without tasks gets ready for a run: its bundle is loaded, its session begun (then `session` is said, also when it is ready already). Idempotent. */
  | { readonly kind: 'prepare', readonly epoch: number, readonly slot: number, readonly job: JobId, readonly run: number }
  /** `move`: release record, then `released`. `stop`: the run ends; give up without a release. */
  | { readonly kind: 'revoke', readonly epoch: number, readonly tasks: readonly TaskRef[], readonly reason: 'move' | 'stop' }
  /** Start walking for this checkpoint number. `last`, of a run that is drained: commit what is open, and take no more input. */
  | { readonly kind: 'snapshot-begin', readonly epoch: number, readonly checkpoint: number, readonly tasks: readonly TaskRef[], readonly last?: boolean }
  /** All downstream tasks have their cut: complete the walk now (C1). */
  | { readonly kind: 'snapshot-complete', readonly epoch: number, readonly checkpoint: number, readonly tasks: readonly TaskRef[] }
  /** Store the shuffle blocks from the part's position to now whose batchId is at or below their writer's cut (C2). */
  | { readonly kind: 'snapshot-in-flight', readonly epoch: number, readonly checkpoint: number, readonly task: TaskRef, readonly ref: unknown,
      readonly cuts: readonly { readonly stage: string, readonly partition: number, readonly batchId: number }[], readonly bytesMax: number }
  | { readonly kind: 'snapshot-abandon', readonly epoch: number, readonly checkpoint: number }
  /** Read no more input for so long: a reader of a shuffle that these tasks write is behind. Said again while that is so; with 0, go on. */
  | { readonly kind: 'pause', readonly epoch: number, readonly tasks: readonly TaskRef[], readonly forMs: number, readonly reason: string }
  /** Kill this slot process; a release timed out, or it makes no progress. */
  | { readonly kind: 'kill-slot', readonly epoch: number, readonly slot: number, readonly slotId: SlotId, readonly reason: string }
  | { readonly kind: 'drain', readonly epoch: number }
