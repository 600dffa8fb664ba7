// The messages of cluster.proto, field by field.
import type { EditedOffset, ExecutorId, JobId, SlotId, StageId, TaskRef } from '@tidemark/base'
import type {
  DriverMessage, ErrorMessage, ExecutorMessage, GenerationMessage, InputStatus, RecoveryTimeline, RunningTask, SlotLog, SlotProcess, SnapshotPart, TaskAssignment, TaskStatus,
} from '../messages.ts'
import { bool, double, integer, json, list, message, numbers, oneOf, optional, text, variants } from './fields.ts'
import type { Field } from './fields.ts'

const taskRef = message<TaskRef>({ job: text<JobId>(), run: integer, stage: text<StageId>(), partition: integer })
export const generation = message<GenerationMessage>({ epoch: integer, counter: integer })
export const errorFacts = message<ErrorMessage>({ code: text(), message: text(), blame: text(), action: text(), hint: optional(text()) })
export const inputStatus = message<InputStatus>({ input: text(), topic: text(), partition: integer, next: integer, stable: integer, behindBytes: optional(integer) })
export const takenSnapshot = message<NonNullable<TaskStatus['snapshot']>>({ checkpoint: integer, takenAt: integer, bytes: integer })
export const tail = message<NonNullable<TaskStatus['tail']>>({ batches: integer, bytes: integer })
export const recoveryTimeline = message<RecoveryTimeline>({
  startedAt: integer, readMs: double, fencedMs: double, claimedMs: double, loadedMs: double, tailedMs: double, firstCommitMs: optional(double),
  snapshot: optional(message<NonNullable<RecoveryTimeline['snapshot']>>({ checkpoint: integer, keys: integer, bytes: integer })),
  tailRecords: integer, tailBatches: integer, fencedIds: integer, remarks: list(text()),
})
const slotProcess = message<SlotProcess>({ slot: integer, slotId: text<SlotId>(), pid: integer, pidStart: text() })
const slotLog = message<SlotLog>({ slot: integer, heard: bool, silentMs: double, because: optional(text()) })
const taskStatus = message<TaskStatus>({
  task: taskRef, generation, phase: oneOf('taking-over', 'running', 'waiting', 'releasing'), waitingFor: optional(text()), inputs: list(inputStatus), batchId: integer,
  watermark: optional(integer), stateKeys: integer, stateBytes: integer, snapshot: optional(takenSnapshot), recovery: optional(recoveryTimeline), totals: numbers, tail: optional(tail),
})
const runningTask = message<RunningTask>({ task: taskRef, generation, slot: integer, transactionalId: text() })
const taskAssignment = message<TaskAssignment>({ task: taskRef, generation, slot: integer, slotDied: optional(bool), still: optional(bool) })

type Executor<K extends ExecutorMessage['kind']> = Omit<Extract<ExecutorMessage, { readonly kind: K }>, 'kind'>
type Driver<K extends DriverMessage['kind']> = Omit<Extract<DriverMessage, { readonly kind: K }>, 'kind'>

export const executorMessage: Field<ExecutorMessage> = variants<ExecutorMessage>({
  register: message<Executor<'register'>>({
    executor: text<ExecutorId>(), label: text(), slots: integer, processes: list(slotProcess), probeAddress: text(), engineVersion: text(), pid: integer, pidStart: text(), running: list(runningTask),
  }),
  heartbeat: message<Executor<'heartbeat'>>({ sequence: integer, tasks: list(taskStatus), logs: list(slotLog) }),
  'slot-started': message<Executor<'slot-started'>>({ process: slotProcess }),
  'slot-died': message<Executor<'slot-died'>>({ slot: integer, slotId: text<SlotId>(), reason: text(), transactionalIds: list(text()), tasks: list(taskRef) }),
  session: message<Executor<'session'>>({ slot: integer, transactionalId: text() }),
  running: message<Executor<'running'>>({ task: taskRef, generation, recovery: recoveryTimeline }),
  released: message<Executor<'released'>>({ task: taskRef, generation }),
  'given-up': message<Executor<'given-up'>>({ task: taskRef, generation, reason: text(), ended: bool }),
  failed: message<Executor<'failed'>>({ task: taskRef, generation, error: errorFacts }),
  'group-edited': message<Executor<'group-edited'>>({ job: text<JobId>(), group: text(), offsets: list(message<EditedOffset>({ topic: text(), partition: integer, offset: integer })) }),
  'snapshot-cut': message<Executor<'snapshot-cut'>>({ task: taskRef, checkpoint: integer, batchId: integer }),
  'snapshot-named': message<Executor<'snapshot-named'>>({
    part: message<SnapshotPart>({ task: taskRef, checkpoint: integer, ref: json, upstreams: json, watermark: optional(integer), outbox: optional(json) }),
  }),
  'snapshot-failed': message<Executor<'snapshot-failed'>>({ task: taskRef, checkpoint: integer, reason: text() }),
  'in-flight-stored': message<Executor<'in-flight-stored'>>({ task: taskRef, checkpoint: integer, objects: json, blocks: integer, bytes: integer }),
  draining: message<Executor<'draining'>>({}),
  leaving: message<Executor<'leaving'>>({}),
})

export const driverMessage: Field<DriverMessage> = variants<DriverMessage>({
  registered: message<Driver<'registered'>>({ driver: text(), epoch: integer, heartbeatIntervalMs: double, heartbeatTimeoutMs: double }),
  'not-leader': message<Driver<'not-leader'>>({ leader: optional(text()) }),
  refused: message<Driver<'refused'>>({ error: errorFacts }),
  assign: message<Driver<'assign'>>({ epoch: integer, tasks: list(taskAssignment) }),
  prepare: message<Driver<'prepare'>>({ epoch: integer, slot: integer, job: text<JobId>(), run: integer }),
  revoke: message<Driver<'revoke'>>({ epoch: integer, tasks: list(taskRef), reason: oneOf('move', 'stop') }),
  'snapshot-begin': message<Driver<'snapshot-begin'>>({ epoch: integer, checkpoint: integer, tasks: list(taskRef), last: optional(bool) }),
  'snapshot-complete': message<Driver<'snapshot-complete'>>({ epoch: integer, checkpoint: integer, tasks: list(taskRef) }),
  'snapshot-in-flight': message<Driver<'snapshot-in-flight'>>({
    epoch: integer, checkpoint: integer, task: taskRef, ref: json, bytesMax: integer,
    cuts: list(message<Driver<'snapshot-in-flight'>['cuts'][number]>({ stage: text(), partition: integer, batchId: integer })),
  }),
  'snapshot-abandon': message<Driver<'snapshot-abandon'>>({ epoch: integer, checkpoint: integer }),
  pause: message<Driver<'pause'>>({ epoch: integer, tasks: list(taskRef), forMs: double, reason: text() }),
  'kill-slot': message<Driver<'kill-slot'>>({ epoch: integer, slot: integer, slotId: text<SlotId>(), reason: text() }),
  drain: message<Driver<'drain'>>({ epoch: integer }),
})
