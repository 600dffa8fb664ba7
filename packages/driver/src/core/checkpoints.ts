// Checkpoints of all jobs: when the next begins, facts into the pure progress machine of each, its commands out to the owners.
import { describeError, howMany } from '@tidemark/base'
import type { JobId, TaskRef } from '@tidemark/base'
import { advanceCheckpoint, beginCheckpoint, missing, taskName } from '@tidemark/checkpoint'
import type { CheckpointFact, CheckpointProgress, CheckpointStep, ManifestInFlight, ManifestOutput, ManifestPart, Rules, TaskId } from '@tidemark/checkpoint'
import type { CheckpointDescription, JobDescription, SnapshotPart } from '@tidemark/wire'
import type { ExecutorRegistry } from './executors.ts'
import type { JobEntry, JobTable, TaskEntry } from './jobs.ts'
import { isLive } from './lifecycle.ts'
import type { Out } from './out.ts'

/** No bound: its tasks stand still, so that it would be the same at each further try. */
const LAST_IN_FLIGHT_BYTES_MAX = Number.MAX_SAFE_INTEGER
/**
 * Of its timeout, so many are left to a last one whose parts are all named. What is in flight would be the same at each further try, and take as long:
 * whoever stores it says so when it comes to nothing, and this is for a word that was lost.
 */
const LAST_COLLECTING_TIMEOUTS = 10
/** A last checkpoint that was given up is tried again this long after it began, and so long after it was lost a part that its owner loses each time, ms. */
const LAST_RETRY_MS = 1_000

interface Current {
  readonly number: number
  readonly run: number
  readonly startedAtMs: number
  /** Then it is given up. */
  untilMs: number
  /** Of a run that is drained: its tasks take no input any more. */
  readonly last: boolean
  /** Undefined while the outputs' offsets are read. */
  progress: CheckpointProgress | undefined
  /** Tasks that wait until they are told to begin again, and until when, by name. */
  readonly pauses: Map<string, { readonly task: TaskId, readonly untilMs: number }>
}

export class Checkpoints {
  readonly #epoch: number
  readonly #rules: Rules
  readonly #jobs: JobTable
  readonly #executors: ExecutorRegistry
  readonly #out: Out
  readonly #current = new Map<JobId, Current>()
  /** When the next one of a job begins. */
  readonly #dueAtMs = new Map<JobId, number>()

  constructor(epoch: number, rules: Rules, jobs: JobTable, executors: ExecutorRegistry, out: Out) {
    this.#epoch = epoch
    this.#rules = rules
    this.#jobs = jobs
    this.#executors = executors
    this.#out = out
  }

  tick(): void {
    const now = this.#out.nowMs
    for (const job of this.#jobs.all()) {
      const current = this.#current.get(job.id)
      if (current !== undefined && (!isLive(job.state) || current.run !== job.run.record.run)) {
        this.#current.delete(job.id)
        this.#dueAtMs.delete(job.id)
      } else if (current !== undefined && now >= current.untilMs) {
        if (current.progress) this.#advance(job, current, { kind: 'timed-out' })
        else this.#end(job, current, `checkpoint ${current.number} is given up: the offsets of its outputs could not be read in time`)
      } else if (current !== undefined && job.state === 'draining' && !current.last && (current.progress === undefined || current.progress.phase === 'walking')) {
        this.#end(job, current, `checkpoint ${current.number} is given up: the job is drained, its last one comes instead`)
      } else if (current !== undefined) this.#beginAgain(job, current)
      else if (isLive(job.state)) this.#beginWhenDue(job)
    }
  }

  /** The next one of this job is due. */
  hurry(job: JobEntry): void {
    this.#dueAtMs.set(job.id, this.#out.nowMs)
  }

  /** The first one begins an interval after the run does; each further one an interval after the last began, and never before it ended. */
  #beginWhenDue(job: JobEntry): void {
    const now = this.#out.nowMs
    const due = this.#dueAtMs.get(job.id)
    if (due === undefined) this.#dueAtMs.set(job.id, now + job.run.settings.checkpointIntervalMs)
    // A task that waits for an owner would hold it up: the checkpoint waits for the first moment when all have one.
    else if (now >= due && [...job.tasks.values()].every(({ place }) => place?.phase === 'running')) {
      job.checkpointNumber += 1
      this.#current.set(job.id, { number: job.checkpointNumber, run: job.run.record.run, startedAtMs: now, untilMs: now + job.run.settings.checkpointTimeoutMs, last: job.state === 'draining', progress: undefined, pauses: new Map() })
      this.#dueAtMs.set(job.id, now + (job.state === 'draining' ? LAST_RETRY_MS : job.run.settings.checkpointIntervalMs))
      this.#out.push({ kind: 'read-outputs', job: job.id, run: job.run.record.run, checkpoint: job.checkpointNumber })
    }
  }

  #beginAgain(job: JobEntry, current: Current): void {
    for (const [name, { task, untilMs }] of current.pauses) {
      if (this.#out.nowMs < untilMs) continue
      current.pauses.delete(name)
      this.#advance(job, current, { kind: 'owned', task })
    }
  }

  outputsRead(id: JobId, checkpoint: number, outputs: readonly ManifestOutput[]): void {
    const found = this.#at(id, checkpoint)
    if (!found || found.current.progress) return
    this.#take(found.job, found.current, beginCheckpoint(found.job.run.record, checkpoint, outputs, this.#rules, found.current.last))
    this.#out.happened({ event: 'checkpoint.begun', job: id, message: `checkpoint ${checkpoint} begins`, facts: { checkpoint } })
  }

  /** Words of a task's present owner. */
  cut(ref: TaskRef, checkpoint: number, batchId: number): void {
    this.#fact(ref, checkpoint, { kind: 'cut', task: idOf(ref), batchId })
  }

  named(part: SnapshotPart): void {
    const { task, checkpoint, ref, upstreams, watermark, outbox } = part
    // They came from the task's owner and went through the wire unread: who writes the manifest judges them.
    const known = { ...idOf(task), ref, upstreams, ...(watermark === undefined ? {} : { watermark }), ...(outbox === undefined ? {} : { outbox }) } as ManifestPart
    this.#fact(task, checkpoint, { kind: 'named', part: known })
  }

  /** A task has a snapshot of this number. A lower one can't be completed any more: a driver that has been replaced used it meanwhile. */
  used(job: JobEntry, checkpoint: number): void {
    job.checkpointNumber = Math.max(job.checkpointNumber, checkpoint)
    const current = this.#current.get(job.id)
    if (current !== undefined && current.number < checkpoint) this.#end(job, current, `checkpoint ${current.number} is given up: number ${checkpoint} is in use already`)
  }

  failed(ref: TaskRef, checkpoint: number, reason: string): void {
    this.#fact(ref, checkpoint, { kind: 'lost', task: idOf(ref), reason, owned: true })
  }

  inFlightStored(ref: TaskRef, checkpoint: number, objects: unknown, blocks: number, bytes: number): void {
    this.#fact(ref, checkpoint, { kind: 'in-flight-stored', stored: { ...idOf(ref), objects, blocks, bytes } as ManifestInFlight })
  }

  /** The task has lost its owner, or has a new one that runs. */
  ownerLost(ref: TaskRef, reason: string): void {
    const current = this.#current.get(ref.job)
    current?.pauses.delete(taskName(ref))
    if (current) this.#fact(ref, current.number, { kind: 'lost', task: idOf(ref), reason, owned: false })
  }

  ownerFound(ref: TaskRef): void {
    const current = this.#current.get(ref.job)
    current?.pauses.delete(taskName(ref))
    if (current) this.#fact(ref, current.number, { kind: 'owned', task: idOf(ref) })
  }

  /**
   * The owner's stream broke and is there again: what it was told meanwhile may be lost. Only a last checkpoint is told again, for the job waits for it,
   * and nothing is processed between a cut and another; any other would have two cuts of one number, and the next one makes up for it.
   */
  ownerBack(ref: TaskRef): void {
    if (this.#current.get(ref.job)?.last) this.ownerFound(ref)
  }

  /** True: it is the last of a run that is drained. */
  written(id: JobId, description: CheckpointDescription, retained: readonly CheckpointDescription[]): boolean {
    const found = this.#at(id, description.checkpoint)
    if (!found) return false
    found.job.checkpoints = retained
    if (found.current.progress) this.#advance(found.job, found.current, { kind: 'written' })
    this.#current.delete(id)
    const tookMs = Math.round(this.#out.nowMs - found.current.startedAtMs)
    this.#out.happened({ event: 'checkpoint.completed', job: id, message: `checkpoint ${description.checkpoint} is complete: ${howMany(description.parts, 'part')}, ${howMany(description.bytes, 'byte')}, ${tookMs} ms`, facts: { ...description, tookMs } })
    return found.current.last
  }

  writeFailed(id: JobId, checkpoint: number, reason: string): void {
    const found = this.#at(id, checkpoint)
    if (!found) return
    if (found.current.progress) this.#advance(found.job, found.current, { kind: 'write-failed', reason })
    else this.#end(found.job, found.current, `checkpoint ${checkpoint} is given up: ${reason}`)
  }

  describe(id: JobId): JobDescription['checkpointUnderWay'] {
    const current = this.#current.get(id)
    if (!current) return undefined
    const parts = this.#jobs.get(id)?.tasks.size ?? 0
    const walking = current.progress === undefined || current.progress.phase === 'walking'
    return { checkpoint: current.number, startedAt: this.#out.wall(current.startedAtMs), partsNamed: walking ? parts - (current.progress ? missing(current.progress).length : parts) : parts, parts }
  }

  #at(id: JobId, checkpoint: number): { readonly job: JobEntry, readonly current: Current } | undefined {
    const job = this.#jobs.get(id)
    const current = this.#current.get(id)
    return job && current?.number === checkpoint ? { job, current } : undefined
  }

  #fact(ref: TaskRef, checkpoint: number, fact: CheckpointFact): void {
    const found = this.#at(ref.job, checkpoint)
    if (found && found.current.run === ref.run) this.#advance(found.job, found.current, fact)
  }

  #advance(job: JobEntry, current: Current, fact: CheckpointFact): void {
    if (!current.progress) return
    try {
      this.#take(job, current, advanceCheckpoint(current.progress, fact))
    } catch (error) {
      // What an owner said contradicts the rules: this checkpoint is worth nothing, the job's tasks judge themselves.
      this.#end(job, current, describeError(error), 'error')
    }
  }

  #take(job: JobEntry, current: Current, { progress, commands }: CheckpointStep): void {
    current.progress = progress
    for (const command of commands) {
      switch (command.kind) {
        case 'begin': this.#toOwners(job, command.tasks, (tasks) => ({ kind: 'snapshot-begin', epoch: this.#epoch, checkpoint: current.number, tasks, ...(current.last ? { last: true } : {}) })); break
        case 'complete': this.#toOwners(job, command.tasks, (tasks) => ({ kind: 'snapshot-complete', epoch: this.#epoch, checkpoint: current.number, tasks })); break
        case 'pause':
          current.pauses.set(taskName(command.task), { task: command.task, untilMs: this.#out.nowMs + LAST_RETRY_MS })
          if (command.say !== undefined) this.#out.happened({ event: 'checkpoint.part-lost', job: job.id, level: 'warn', message: `checkpoint ${current.number}: ${command.say}; it is asked for again, ${LAST_RETRY_MS / 1_000} s after each loss`, facts: { checkpoint: current.number, task: { job: job.id, run: current.run, ...command.task } } })
          break
        case 'store-in-flight': {
          const { ref, cuts } = command
          if (current.last) current.untilMs = current.startedAtMs + LAST_COLLECTING_TIMEOUTS * job.run.settings.checkpointTimeoutMs
          this.#toOwners(job, [command.task], (tasks) => tasks.map((task) => ({ kind: 'snapshot-in-flight', epoch: this.#epoch, checkpoint: current.number, task, ref, cuts, bytesMax: current.last ? LAST_IN_FLIGHT_BYTES_MAX : job.run.settings.checkpointInFlightBytesMax } as const))[0])
          break
        }
        case 'write-manifest':
          if (current.last) current.untilMs = this.#out.nowMs + job.run.settings.checkpointTimeoutMs
          this.#out.push({ kind: 'write-checkpoint', last: current.last, job: job.id, run: current.run, checkpoint: current.number, parts: command.parts, inFlight: command.inFlight, outputs: command.outputs })
          break
        case 'give-up': this.#end(job, current, command.reason)
      }
    }
  }

  #end(job: JobEntry, current: Current, reason: string, level: 'warn' | 'error' = 'warn'): void {
    this.#current.delete(job.id)
    this.#out.happened({ event: 'checkpoint.given-up', job: job.id, message: reason, level, facts: { checkpoint: current.number } })
  }

  /** One message for each executor that owns some of these tasks. */
  #toOwners(job: JobEntry, ids: readonly TaskId[], message: (tasks: readonly TaskRef[]) => Parameters<Out['send']>[1] | undefined): void {
    const wanted = new Set(ids.map(taskName))
    const entries: TaskEntry[] = [...job.tasks.values()].filter(({ ref }) => wanted.has(taskName(ref)))
    for (const [owner, tasks] of Map.groupBy(entries, ({ place }) => place?.executor)) {
      const told = owner === undefined ? undefined : message(tasks.map(({ ref }) => ref))
      if (owner !== undefined && told) this.#out.send(this.#executors.get(owner), told)
    }
  }
}

const idOf = ({ stage, partition }: TaskRef): TaskId => ({ stage, partition })
