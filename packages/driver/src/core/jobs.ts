// The jobs that a driver leads: the present run of each, its tasks, and where every task is.
import { taskKey } from '@tidemark/base'
import type { ExecutorId, JobId, SlotId, TaskRef } from '@tidemark/base'
import type { Generation } from '@tidemark/checkpoint'
import type { CheckpointDescription, ErrorMessage, JobState, TaskRecovery, TaskStatus } from '@tidemark/wire'
import type { SlotRef } from './placement.ts'
import type { KnownJob, RunFacts } from './protocol.ts'

/** Where a task is, from the driver's side. */
export interface Place {
  /** `assigned`: told, not heard of yet. `running`: its owner said so. `releasing`: told to give it up. */
  phase: 'assigned' | 'running' | 'releasing'
  readonly executor: ExecutorId
  readonly slot: number
  /** The process that got it; undefined while the slot had none. */
  slotId: SlotId | undefined
  readonly generation: Generation
  /** Since when it is in this phase; monotonic ms. */
  sinceMs: number
  /** When the owner last spoke of it. */
  heardAtMs: number
}

export interface TaskEntry {
  readonly ref: TaskRef
  /** Undefined: nobody has it. */
  place: Place | undefined
  /** Where a planned move takes it: while it is released and until it is given out, placement counts it there. */
  destination: SlotRef | undefined
  status: TaskStatus | undefined
  /** Its last owner's slot died, alone. */
  slotDied: boolean
  /** Why it is without an owner, or was before this one. */
  cause: string
  /** When that was seen; monotonic ms. */
  detectedAtMs: number
  recovery: TaskRecovery | undefined
  /** Failures in a row, for the pause before it is given out again. */
  failures: number
  notBeforeMs: number
  /** This leadership has known an owner of it: when that one is gone, nobody unknown can still run it. */
  known: boolean
}

export interface JobEntry {
  readonly id: JobId
  run: RunFacts
  state: JobState
  /** Why it is in that state; tasks that wait are counted when it is described. */
  reason: string | undefined
  error: ErrorMessage | undefined
  tasks: ReadonlyMap<string, TaskEntry>
  /** Tasks that nobody reported are not given out before this: executors of the leader before may still run them. */
  adoptUntilMs: number
  /** The run's topics were made before this leadership. */
  startedBefore: boolean
  /** A procedure under way, and when it may be tried (again). */
  procedure: { running: boolean, notBeforeMs: number } | undefined
  checkpoints: readonly CheckpointDescription[]
  checkpointNumber: number
  /** Somebody wants this run drained: it is, as soon as it runs. */
  drain: boolean
  /** The checkpoint that it was drained with. */
  finalCheckpoint: number | undefined
  /** When the offsets under which positions are published were last found to be set by somebody else, and when that was last told; monotonic ms. */
  groupEdited: { readonly atMs: number, readonly toldAtMs: number } | undefined
}

const tasksOf = ({ record }: RunFacts, nowMs: number): ReadonlyMap<string, TaskEntry> => new Map(record.stages.flatMap(({ stage, partitions }) =>
  Array.from({ length: partitions }, (_, partition): [string, TaskEntry] => {
    const ref = { job: record.job, run: record.run, stage, partition }
    return [taskKey(ref), { ref, place: undefined, destination: undefined, status: undefined, slotDied: false, cause: 'the run starts', detectedAtMs: nowMs, recovery: undefined, failures: 0, notBeforeMs: 0, known: false }]
  })))

export const newJob = (known: KnownJob, nowMs: number, adoptUntilMs: number): JobEntry => ({
  id: known.run.record.job, run: known.run, state: 'submitted', reason: undefined, error: known.error, tasks: tasksOf(known.run, nowMs), adoptUntilMs,
  startedBefore: known.state === 'started', procedure: undefined, checkpoints: known.checkpoints, checkpointNumber: known.checkpointNumber, drain: known.drain === true, finalCheckpoint: known.finalCheckpoint, groupEdited: undefined,
})

/** The next run of the same job takes this one's place. */
export const replaceRun = (job: JobEntry, known: KnownJob, nowMs: number): void => {
  job.run = known.run
  job.tasks = tasksOf(known.run, nowMs)
  job.error = undefined
  job.reason = undefined
  job.adoptUntilMs = nowMs
  job.startedBefore = false
  job.procedure = undefined
  job.checkpoints = known.checkpoints
  job.drain = known.drain === true
  job.finalCheckpoint = known.finalCheckpoint
  job.checkpointNumber = Math.max(job.checkpointNumber, known.checkpointNumber)
}

export class JobTable {
  readonly #jobs = new Map<JobId, JobEntry>()

  add(job: JobEntry): void {
    this.#jobs.set(job.id, job)
  }

  get(id: JobId | string): JobEntry | undefined {
    return this.#jobs.get(id as JobId)
  }

  /** In the order of their submission. */
  all(): JobEntry[] {
    return [...this.#jobs.values()].toSorted((a, b) => a.run.submittedAt - b.run.submittedAt || (a.id < b.id ? -1 : 1))
  }

  /** The task's entry in the present run of its job. */
  task(ref: TaskRef): { readonly job: JobEntry, readonly task: TaskEntry } | undefined {
    const job = this.#jobs.get(ref.job)
    const task = job?.tasks.get(taskKey(ref))
    return job && task ? { job, task } : undefined
  }

  /** Every placed task. */
  placed(on?: ExecutorId): { readonly job: JobEntry, readonly task: TaskEntry, readonly place: Place }[] {
    return [...this.#jobs.values()].flatMap((job) => [...job.tasks.values()].flatMap((task) => task.place && (on === undefined || task.place.executor === on) ? [{ job, task, place: task.place }] : []))
  }
}
