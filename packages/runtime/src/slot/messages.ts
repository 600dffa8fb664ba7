// What a slot is told and what it tells. The executor passes these on between the driver and its slot processes.
import type { EditedOffset, JobId, TaskRef, TidemarkError } from '@tidemark/base'
import type { Generation, ObjectRef, OwedToSink, SnapshotRef, UpstreamMark } from '@tidemark/checkpoint'
import type { TaskPhase } from './held-task.ts'
import type { LogWord } from './log-watch.ts'

export type SlotCommand =
  | { readonly kind: 'assign', readonly tasks: readonly { readonly task: TaskRef, readonly generation: Generation, /** The slot that had it has died, alone. */ readonly slotDied?: boolean, /** Takes no input: its run is drained. */ readonly still?: boolean }[] }
  /** `move`: commit, release record, `released`. `stop`: drop what is not committed; the run ends. */
  | { readonly kind: 'revoke', readonly tasks: readonly TaskRef[], readonly reason: 'move' | 'stop' }
  /** `last`: from now on these tasks take no input. */
  | { readonly kind: 'snapshot-begin', readonly checkpoint: number, readonly tasks: readonly TaskRef[], readonly last?: boolean }
  | { readonly kind: 'snapshot-complete', readonly checkpoint: number, readonly tasks: readonly TaskRef[] }
  | { readonly kind: 'snapshot-in-flight', readonly checkpoint: number, readonly task: TaskRef, readonly ref: SnapshotRef, readonly cuts: readonly WriterCut[], readonly bytesMax: number }
  | { readonly kind: 'snapshot-abandon', readonly checkpoint: number }
  /** Read nothing more for so long, unless this is said again; with 0, go on. */
  | { readonly kind: 'pause', readonly tasks: readonly TaskRef[], readonly forMs: number, readonly reason: string }

/** Blocks of this upstream task up to and including `batchId` belong to the checkpoint (C2). */
export interface WriterCut {
  readonly stage: string
  readonly partition: number
  readonly batchId: number
}

/** Milliseconds since the slot was told; see `wire`'s RecoveryTimeline for the form people see. */
export interface TakeoverTimeline {
  readonly startedAt: number
  readonly readMs: number
  readonly fencedMs: number
  readonly claimedMs: number
  readonly loadedMs: number
  readonly tailedMs: number
  readonly firstCommitMs?: number
  readonly snapshot?: { readonly checkpoint: number, readonly keys: number, readonly bytes: number }
  readonly tailRecords: number
  readonly tailBatches: number
  readonly fencedIds: number
  readonly remarks: readonly string[]
}

export interface SlotTaskStatus {
  readonly task: TaskRef
  readonly generation: Generation
  readonly phase: TaskPhase
  readonly waitingFor?: string
  readonly inputs: readonly { readonly input: string, readonly topic: string, readonly partition: number, readonly next: number, readonly stable: number, readonly behindBytes?: number }[]
  readonly batchId: number
  readonly watermark?: number
  readonly stateKeys: number
  readonly stateBytes: number
  readonly snapshot?: { readonly checkpoint: number, readonly takenAt: number, readonly bytes: number }
  /** Behind its newest snapshot. */
  readonly tail: { readonly batches: number, readonly bytes: number }
  readonly recovery?: TakeoverTimeline
  readonly totals: Readonly<Record<string, number>>
}

export type SlotEvent =
  | LogWord
  /** It can't begin before the object store has answered: said again and again, with what for, as people are told it; and once more when it has, for the bundle's own code runs then. */
  | { readonly kind: 'waits', readonly waitingFor: string }
  /** Somebody else has set the offsets under which positions are published. */
  | { readonly kind: 'group-edited', readonly job: JobId, readonly group: string, readonly offsets: readonly EditedOffset[] }
  | { readonly kind: 'session', readonly transactionalId: string }
  | { readonly kind: 'status', readonly tasks: readonly SlotTaskStatus[] }
  | { readonly kind: 'running', readonly task: TaskRef, readonly generation: Generation, readonly recovery: TakeoverTimeline }
  | { readonly kind: 'released', readonly task: TaskRef, readonly generation: Generation }
  | { readonly kind: 'given-up', readonly task: TaskRef, readonly generation: Generation, readonly reason: string, readonly ended: boolean }
  | { readonly kind: 'failed', readonly task: TaskRef, readonly generation: Generation, readonly error: TidemarkError }
  | { readonly kind: 'snapshot-cut', readonly task: TaskRef, readonly checkpoint: number, readonly batchId: number }
  | { readonly kind: 'snapshot-named', readonly task: TaskRef, readonly checkpoint: number, readonly ref: SnapshotRef, readonly upstreams: readonly UpstreamMark[], readonly watermark?: number, readonly outbox: readonly OwedToSink[] }
  | { readonly kind: 'snapshot-failed', readonly task: TaskRef, readonly checkpoint: number, readonly reason: string }
  | { readonly kind: 'in-flight-stored', readonly task: TaskRef, readonly checkpoint: number, readonly objects: readonly ObjectRef[], readonly blocks: number, readonly bytes: number }
