// One checkpoint on its way, as the driver sees it (design §3, "A checkpoint, step by step"): facts in, commands out.
//
//   walking ──all parts named──> collecting ──all in-flight stored──> writing ──written──> done
//      │                             │                                   │
//      └─────────────────────────────┴──> given-up <─────────────────────┘
import { invariantBroken } from '@tidemark/base'
import type { JobId } from '@tidemark/base'
import type { ManifestInFlight, ManifestOutput, ManifestPart } from '../manifest.ts'
import type { SnapshotRef } from '../records/records.ts'
import type { RunRecord } from '../run.ts'
import { ALL_RULES } from '../rules.ts'
import type { Rules } from '../rules.ts'
import { taskName, topologyOf } from './topology.ts'
import type { CheckpointTask, TaskId } from './topology.ts'

export type CheckpointFact =
  /** The walk is completed: the cut of this task. */
  | { readonly kind: 'cut', readonly task: TaskId, readonly batchId: number }
  /** A committed record names the part. */
  | { readonly kind: 'named', readonly part: ManifestPart }
  /** The part won't come any more: a failed transaction (S2), an upload that failed, a death. `owned`: the task still has an owner. */
  | { readonly kind: 'lost', readonly task: TaskId, readonly reason: string, readonly owned: boolean }
  /** The task has a (new) owner. */
  | { readonly kind: 'owned', readonly task: TaskId }
  | { readonly kind: 'in-flight-stored', readonly stored: ManifestInFlight }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'written' }
  | { readonly kind: 'write-failed', readonly reason: string }

export interface Cut extends TaskId {
  readonly batchId: number
}

export type CheckpointCommand =
  | { readonly kind: 'begin', readonly tasks: readonly TaskId[] }
  /** C1: everybody downstream of these has its cut. */
  | { readonly kind: 'complete', readonly tasks: readonly TaskId[] }
  /** Its owner loses its part each time: it is told nothing until the caller, after a pause, says `owned`. `say`: for people, before the first pause of a task. */
  | { readonly kind: 'pause', readonly task: TaskId, readonly say?: string }
  /** C2: store the blocks at or below their writers' cuts. */
  | { readonly kind: 'store-in-flight', readonly task: TaskId, readonly ref: SnapshotRef, readonly cuts: readonly Cut[] }
  | { readonly kind: 'write-manifest', readonly parts: readonly ManifestPart[], readonly inFlight: readonly ManifestInFlight[], readonly outputs: readonly ManifestOutput[] }
  /** For people and the alarm on age; the next checkpoint has the next number. */
  | { readonly kind: 'give-up', readonly reason: string }

/** So often a part that its owner has lost is asked for again at once; then this number is given up, and the next one comes in its time. The last of a run goes on, with pauses. */
const AGAIN_MAX = 2
/** Of so many tasks that are missing when the time is up it is said why their part was lost: all may have the same reason, and an event has to stay readable. */
const REASONS_MAX = 3

type Phase = 'walking' | 'collecting' | 'writing' | 'done' | 'given-up'

interface TaskState {
  readonly task: CheckpointTask
  /** Without an owner since its part was lost, or with one that loses it each time: told nothing until `owned` is said. */
  readonly away: boolean
  /** Told to complete: from here on it may have its cut, reported or not. */
  readonly told: boolean
  /** Parts that it lost while it had an owner. */
  readonly losses: number
  /** Why it lost its part last, with or without an owner. */
  readonly lostBecause?: string
  readonly cut?: number
  readonly part?: ManifestPart
  readonly stored?: ManifestInFlight
}

/** Immutable. */
export interface CheckpointProgress {
  readonly job: JobId
  readonly checkpoint: number
  readonly phase: Phase
  readonly tasks: ReadonlyMap<string, TaskState>
  readonly outputs: readonly ManifestOutput[]
  readonly rules: Rules
  /** Of a run that is drained: nothing comes after it that would make up for it. */
  readonly last: boolean
}

export interface CheckpointStep {
  readonly progress: CheckpointProgress
  readonly commands: readonly CheckpointCommand[]
}

const idOf = ({ stage, partition }: TaskId): TaskId => ({ stage, partition })

/** `outputs`: stable offset of every output partition, read before this. All tasks walk at the same time, sinks complete first. */
export const beginCheckpoint = (run: RunRecord, checkpoint: number, outputs: readonly ManifestOutput[], rules: Rules = ALL_RULES, last = false): CheckpointStep => {
  const tasks = new Map(topologyOf(run).map((task): [string, TaskState] => [taskName(task), { task, away: false, told: false, losses: 0 }]))
  const begun: CheckpointProgress = { job: run.job, checkpoint, phase: 'walking', tasks, outputs, rules, last }
  const { progress, commands } = tellComplete(begun)
  return { progress, commands: [{ kind: 'begin', tasks: [...tasks.values()].map(({ task }) => idOf(task)) }, ...commands] }
}

/**
 * A fact that comes late (done, given up, said before) changes nothing. The caller passes on no word of an owner (by its generation) whose
 * part it has said to be lost.
 */
export const advanceCheckpoint = (progress: CheckpointProgress, fact: CheckpointFact): CheckpointStep => {
  const nothing = { progress, commands: [] }
  if (progress.phase === 'done' || progress.phase === 'given-up') return nothing
  switch (fact.kind) {
    case 'cut': return progress.phase === 'walking' ? tellComplete(change(progress, fact.task, { cut: fact.batchId })) : nothing
    case 'named': return progress.phase === 'walking' ? named(progress, fact.part) : nothing
    case 'lost': return lost(progress, fact)
    case 'owned': return owned(progress, fact.task)
    case 'in-flight-stored': return progress.phase === 'collecting' ? collected(change(progress, fact.stored, { stored: fact.stored })) : nothing
    case 'timed-out': return giveUp(progress, `its time is up; missing: ${missingAndWhy(progress).join(', ')}`)
    case 'written': return progress.phase === 'writing' ? { progress: { ...progress, phase: 'done' }, commands: [] } : nothing
    case 'write-failed': return giveUp(progress, `the manifest could not be written: ${fact.reason}`)
  }
}

/** Tasks whose part, or whose in-flight, is not there yet. */
export const missing = (progress: CheckpointProgress): string[] => progress.phase === 'writing' ? ['the manifest'] : missingStates(progress).map(({ task }) => taskName(task))

const missingStates = (progress: CheckpointProgress): TaskState[] =>
  [...progress.tasks.values()].filter((state) => progress.phase === 'collecting' ? state.task.writers.length > 0 && state.stored === undefined : state.part === undefined)

/** What a task lost before it named its part says nothing of what is missing behind that. */
const missingAndWhy = (progress: CheckpointProgress): string[] => {
  if (progress.phase === 'writing') return missing(progress)
  const states = missingStates(progress)
  const told = new Set(states.filter(({ part, lostBecause }) => part === undefined && lostBecause !== undefined).slice(0, REASONS_MAX))
  return states.map((state) => `${taskName(state.task)}${told.has(state) ? ` (lost: ${state.lostBecause})` : ''}`)
}

const stateOf = (progress: CheckpointProgress, task: TaskId): TaskState => {
  const state = progress.tasks.get(taskName(task))
  if (state === undefined) throw invariantBroken('checkpoint', `checkpoint ${progress.checkpoint} has no task ${taskName(task)}`, { job: progress.job })
  return state
}

const change = (progress: CheckpointProgress, task: TaskId, to: Partial<TaskState>): CheckpointProgress =>
  ({ ...progress, tasks: new Map(progress.tasks).set(taskName(task), { ...stateOf(progress, task), ...to }) })

/** C1: a task may complete once all tasks downstream of it have their cut. */
const tellComplete = (progress: CheckpointProgress): CheckpointStep => {
  const ready = [...progress.tasks.values()].filter(({ told, away, task }) => !told && !away && (!progress.rules.C1 || task.readers.every((reader) => stateOf(progress, reader).cut !== undefined)))
  if (ready.length === 0) return { progress, commands: [] }
  return {
    progress: ready.reduce((into, { task }) => change(into, task, { told: true }), progress),
    commands: [{ kind: 'complete', tasks: ready.map(({ task }) => idOf(task)) }],
  }
}

const named = (progress: CheckpointProgress, part: ManifestPart): CheckpointStep => {
  const { told, cut } = stateOf(progress, part)
  if (part.ref.checkpoint !== progress.checkpoint) return { progress, commands: [] }
  if (!told || (cut !== undefined && cut !== part.ref.batchId)) {
    throw invariantBroken('C1', `checkpoint ${progress.checkpoint}: task ${taskName(part)} names a snapshot of batch ${part.ref.batchId}, its cut is ${cut ?? 'not allowed yet'}`, { job: progress.job, stage: part.stage, partition: part.partition })
  }
  // Blocks of the run's origin that the task has still to read are in no shuffle: they would be missing in this checkpoint.
  if (part.ref.positions.some((position) => position.inFlight !== undefined)) return giveUp(progress, `task ${taskName(part)} has not yet read all that was in flight where this run began`)
  const step = tellComplete(change(progress, part, { cut: part.ref.batchId, part }))
  if (missing(step.progress).length > 0) return step
  return collect(step.progress, step.commands)
}

const collect = (progress: CheckpointProgress, before: readonly CheckpointCommand[]): CheckpointStep => {
  const collecting: CheckpointProgress = { ...progress, phase: 'collecting' }
  if (!progress.rules.C2 || missing(collecting).length === 0) return write(collecting, before)
  return { progress: collecting, commands: [...before, ...[...progress.tasks.values()].flatMap((state) => storeInFlight(progress, state))] }
}

const storeInFlight = (progress: CheckpointProgress, { task, part }: TaskState): CheckpointCommand[] => {
  if (task.writers.length === 0 || part === undefined) return []
  return [{ kind: 'store-in-flight', task: idOf(task), ref: part.ref, cuts: task.writers.map((writer) => ({ ...writer, batchId: stateOf(progress, writer).part?.ref.batchId ?? 0 })) }]
}

const collected = (progress: CheckpointProgress): CheckpointStep => (missing(progress).length > 0 ? { progress, commands: [] } : write(progress, []))

const write = (progress: CheckpointProgress, before: readonly CheckpointCommand[]): CheckpointStep => {
  const states = [...progress.tasks.values()]
  return {
    progress: { ...progress, phase: 'writing' },
    commands: [...before, { kind: 'write-manifest', parts: states.flatMap(({ part }) => part ?? []), inFlight: states.flatMap(({ stored }) => stored ?? []), outputs: progress.outputs }],
  }
}

const lost = (progress: CheckpointProgress, { task, reason, owned: isOwned }: CheckpointFact & { kind: 'lost' }): CheckpointStep => {
  const state = stateOf(progress, task)
  if (progress.phase === 'writing') return { progress, commands: [] }
  if (progress.phase === 'collecting') return isOwned && state.stored === undefined && state.task.writers.length > 0 ? giveUp(progress, `what is in flight before task ${taskName(task)} could not be stored: ${reason}`) : { progress, commands: [] }
  // Its part is named: a committed record has it, whatever became of the owner.
  if (state.part !== undefined) return { progress, commands: [] }
  if (state.task.writers.some((writer) => stateOf(progress, writer).told)) return giveUp(progress, `the part of task ${taskName(task)} was lost (${reason}), and a task upstream of it may have its cut already`)
  const often = isOwned && state.losses >= AGAIN_MAX
  const say = `the part of task ${taskName(task)} was lost ${state.losses + 1} times, now because: ${reason}`
  if (often && !progress.last) return giveUp(progress, say)
  const { cut: _cut, ...rest } = state
  const again: CheckpointProgress = { ...progress, tasks: new Map(progress.tasks).set(taskName(task), { ...rest, told: false, away: !isOwned || often, losses: state.losses + (isOwned ? 1 : 0), lostBecause: reason }) }
  if (often) return { progress: again, commands: [{ kind: 'pause', task: idOf(task), ...(state.losses === AGAIN_MAX ? { say } : {}) }] }
  return isOwned ? owned(again, task) : { progress: again, commands: [] }
}

/** A new owner knows nothing of this checkpoint: it is told again. */
const owned = (progress: CheckpointProgress, task: TaskId): CheckpointStep => {
  const state = stateOf(progress, task)
  if (progress.phase === 'collecting') return { progress, commands: state.stored === undefined ? storeInFlight(progress, state) : [] }
  if (progress.phase !== 'walking' || state.part !== undefined || state.cut !== undefined) return { progress, commands: [] }
  const { progress: after, commands } = tellComplete(change(progress, task, { told: false, away: false }))
  return { progress: after, commands: [{ kind: 'begin', tasks: [idOf(task)] }, ...commands] }
}

/** The others still finish their parts: they serve recovery and trimming. */
const giveUp = (progress: CheckpointProgress, reason: string): CheckpointStep => {
  const rest = progress.phase === 'walking' ? [...progress.tasks.values()].filter(({ told, part }) => !told && part === undefined).map(({ task }) => idOf(task)) : []
  return {
    progress: { ...progress, phase: 'given-up' },
    commands: [{ kind: 'give-up', reason: `checkpoint ${progress.checkpoint} is given up: ${reason}` }, ...(rest.length > 0 ? [{ kind: 'complete' as const, tasks: rest }] : [])],
  }
}
