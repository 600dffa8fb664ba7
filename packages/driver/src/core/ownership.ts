// Who has which task: given out with a new generation, lost with a cause, moved by release, adopted from executors of the leader before.
import type { ExecutorId, SlotId, TaskRef } from '@tidemark/base'
import { compareGenerations, formatGeneration, taskName } from '@tidemark/checkpoint'
import type { ErrorMessage, GenerationMessage, RecoveryTimeline, RunningTask, TaskAssignment, TaskStatus } from '@tidemark/wire'
import type { Checkpoints } from './checkpoints.ts'
import type { ExecutorEntry, ExecutorRegistry } from './executors.ts'
import type { Generations } from './generations.ts'
import type { JobEntry, JobTable, Place, TaskEntry } from './jobs.ts'
import { isLive } from './lifecycle.ts'
import type { Out } from './out.ts'
import type { SlotRef } from './placement.ts'
import type { DriverSettings } from './protocol.ts'

/** A task that ran this long without a failure starts its pauses anew. */
const STEADY_AFTER_MS = 60_000

export interface Parts {
  readonly epoch: number
  readonly settings: DriverSettings
  readonly jobs: JobTable
  readonly executors: ExecutorRegistry
  readonly generations: Generations
  readonly checkpoints: Checkpoints
  readonly out: Out
}

export class Ownership {
  readonly #with: Parts

  constructor(parts: Parts) {
    this.#with = parts
  }

  /** The task's entry, if this executor is its present owner at this generation. */
  owned(ref: TaskRef, by: ExecutorId, generation?: GenerationMessage): { readonly job: JobEntry, readonly task: TaskEntry, readonly place: Place } | undefined {
    const found = this.#with.jobs.task(ref)
    const place = found?.task.place
    if (!found || place?.executor !== by || (generation && compareGenerations(place.generation, generation) !== 0)) return undefined
    return { ...found, place }
  }

  /** Gives tasks out, one message an executor. Each gets a generation of its own (R1). */
  give(pairs: readonly { readonly job: JobEntry, readonly task: TaskEntry, readonly to: SlotRef }[]): void {
    const { epoch, executors, generations, out } = this.#with
    for (const [id, mine] of Map.groupBy(pairs, ({ to }) => to.executor as ExecutorId)) {
      const executor = executors.get(id)
      if (executor?.connection === undefined) continue
      const tasks = mine.map(({ job, task, to }): TaskAssignment => {
        const generation = generations.next()
        const slot = executor.slots[to.slot]
        if (slot) slot.run = { job: job.id, run: job.run.record.run }
        task.known = true
        task.place = { phase: 'assigned', executor: id, slot: to.slot, slotId: slot?.process?.slotId, generation, sinceMs: out.nowMs, heardAtMs: out.nowMs }
        task.destination = undefined
        task.status = undefined
        task.recovery = { cause: task.cause, detectedAt: out.wall(task.detectedAtMs), assignedAt: out.wall() }
        out.happened({ event: 'task.assigned', job: job.id, executor: id, message: `${taskName(task.ref)} goes to ${executor.label}, slot ${to.slot}, generation ${formatGeneration(generation)}: ${task.cause}`, facts: { task: task.ref, generation, slot: to.slot } })
        return { task: task.ref, generation, slot: to.slot, ...(task.slotDied ? { slotDied: true } : {}), ...(job.state === 'draining' ? { still: true } : {}) }
      })
      out.send(executor, { kind: 'assign', epoch, tasks })
    }
  }

  /** Nobody has it now. `failed`: after the second failure in a row there is a pause, and it grows. */
  lose(task: TaskEntry, cause: string, failed = false): void {
    const { checkpoints, out, settings } = this.#with
    const ran = task.place?.phase === 'running' ? out.nowMs - task.place.sinceMs : 0
    task.place = undefined
    task.status = undefined
    task.slotDied = false
    task.cause = cause
    task.detectedAtMs = out.nowMs
    if (ran >= STEADY_AFTER_MS) task.failures = 0
    if (failed) {
      task.notBeforeMs = out.nowMs + (task.failures === 0 ? 0 : Math.min(settings.taskRetryMaxMs, settings.taskRetryMinMs * 2 ** Math.min(task.failures, 20)))
      task.failures += 1
    }
    checkpoints.ownerLost(task.ref, cause)
  }

  /** Planned moves (R7): a release record first. */
  release(moves: readonly { readonly task: TaskEntry, readonly place: Place, readonly to: SlotRef | undefined, readonly why: string }[]): void {
    const { epoch, executors, out } = this.#with
    for (const [id, mine] of Map.groupBy(moves, ({ place }) => place.executor)) {
      const executor = executors.get(id)
      if (executor?.connection === undefined) continue
      for (const { task, place, to, why } of mine) {
        place.phase = 'releasing'
        task.destination = to
        place.sinceMs = out.nowMs
        task.cause = why
        out.happened({ event: 'task.moving', job: task.ref.job, executor: id, message: `${taskName(task.ref)} leaves ${executor.label}, slot ${place.slot}: ${why}`, facts: { task: task.ref } })
      }
      out.send(executor, { kind: 'revoke', epoch, tasks: mine.map(({ task }) => task.ref), reason: 'move' })
    }
  }

  /** The run is over or failed: owners let go. */
  stopAll(job: JobEntry, reason: 'move' | 'stop'): void {
    const { epoch, executors, out } = this.#with
    const placed = [...job.tasks.values()].filter(({ place }) => place !== undefined)
    for (const [id, tasks] of Map.groupBy(placed, ({ place }) => place?.executor as ExecutorId)) {
      out.send(executors.get(id), { kind: 'revoke', epoch, tasks: tasks.map(({ ref }) => ref), reason })
      for (const task of tasks) {
        task.place = undefined
        task.status = undefined
        task.cause = `the job is ${job.state}`
      }
    }
  }

  running(ref: TaskRef, by: ExecutorEntry, generation: GenerationMessage, recovery: RecoveryTimeline): void {
    const found = this.owned(ref, by.id, generation)
    if (!found) return
    const { out } = this.#with
    const { task, place } = found
    place.heardAtMs = out.nowMs
    task.recovery = { cause: task.cause, detectedAt: out.wall(task.detectedAtMs), assignedAt: out.wall(), ...task.recovery, steps: recovery }
    this.#runs(task, place, by)
  }

  #runs(task: TaskEntry, place: Place, by: ExecutorEntry): void {
    if (place.phase !== 'assigned') return
    const { checkpoints, out } = this.#with
    const { ref, recovery } = task
    place.phase = 'running'
    place.sinceMs = out.nowMs
    checkpoints.ownerFound(ref)
    out.happened({ event: 'task.running', job: ref.job, executor: by.id, message: `${taskName(ref)} runs on ${by.label}, ${Math.round(out.nowMs - task.detectedAtMs)} ms after: ${task.cause}`, facts: { task: ref, generation: place.generation, recovery } })
  }

  released(ref: TaskRef, by: ExecutorEntry, generation: GenerationMessage): void {
    const found = this.owned(ref, by.id)
    if (found === undefined) return
    const asked = found.place.phase === 'releasing'
    // An executor that does not have it says generation 0.0. The word of an earlier ownership says nothing of this one.
    if (compareGenerations(found.place.generation, generation) !== 0 && !(asked && generation.epoch === 0)) return
    // Not asked by this driver: by the one before, from which this one has adopted the task as running.
    this.lose(found.task, asked ? found.task.cause : `${by.label} released it for a driver before this one`)
  }

  givenUp(ref: TaskRef, by: ExecutorEntry, generation: GenerationMessage, reason: string): boolean {
    const found = this.owned(ref, by.id, generation)
    if (!found) return false
    this.lose(found.task, `${by.label} gave it up: ${reason}`, true)
    this.#with.out.happened({ event: 'task.given-up', job: ref.job, executor: by.id, level: 'warn', message: `${by.label} gave up ${taskName(ref)}: ${reason}`, facts: { task: ref, generation } })
    return true
  }

  /** False: not its owner's word. */
  failed(ref: TaskRef, by: ExecutorEntry, generation: GenerationMessage, error: ErrorMessage): boolean {
    const found = this.owned(ref, by.id, generation)
    if (!found) return false
    this.lose(found.task, `it failed: ${error.code}`, true)
    this.#with.out.happened({ event: 'task.failed', job: ref.job, executor: by.id, level: 'error', message: `${taskName(ref)} failed on ${by.label}: ${error.code}: ${error.message}`, facts: { task: ref, generation, error } })
    return true
  }

  heartbeat(by: ExecutorEntry, tasks: readonly TaskStatus[]): void {
    for (const status of tasks) {
      const found = this.owned(status.task, by.id, status.generation)
      if (!found) continue
      found.task.status = status
      // Its slot has not begun with it, and waits: where that takes long the task is given out again.
      if (status.phase !== 'taking-over' || status.recovery !== undefined) found.place.heardAtMs = this.#with.out.nowMs
      // Gathered before the owner said that it runs, a status knows less of the recovery than that word did.
      const isOlder = status.phase === 'taking-over' && found.place.phase !== 'assigned'
      if (status.recovery && found.task.recovery && !isOlder) found.task.recovery = { ...found.task.recovery, steps: status.recovery }
      // The word itself may be lost, with a stream that broke.
      if (status.phase === 'running' || status.phase === 'waiting') this.#runs(found.task, found.place, by)
      if (status.snapshot !== undefined) this.#with.checkpoints.used(found.job, status.snapshot.checkpoint)
    }
  }

  /** What an executor runs when it registers: its own by the table, what nobody has by adoption, the rest it must stop. */
  adopt(executor: ExecutorEntry, running: readonly RunningTask[]): void {
    const { checkpoints, epoch, executors, jobs, out } = this.#with
    const stop: TaskRef[] = []
    const reported = new Set<TaskEntry>()
    for (const one of running) {
      if (jobs.get(one.task.job) === undefined) {
        // Its files could not be read, or are gone: no reason to stop what works. An ended run ends itself by its journal.
        out.happened({ event: 'task.unknown', executor: executor.id, level: 'warn', message: `${executor.label} runs ${taskName(one.task)} of ${one.task.job}, which this driver does not know`, facts: { task: one.task } })
        continue
      }
      const found = jobs.task(one.task)
      if (found === undefined || !isLive(found.job.state)) {
        stop.push(one.task)
        continue
      }
      const { task } = found
      const order = task.place ? compareGenerations(one.generation, task.place.generation) : 1
      if (order < 0 || (order === 0 && task.place?.executor !== executor.id)) {
        stop.push(one.task)
        continue
      }
      reported.add(task)
      if (order === 0) {
        if (task.place?.phase === 'running') checkpoints.ownerBack(one.task)
        continue
      }
      // Of two that report a task the one of the higher generation has it: the other is fenced already.
      if (task.place) out.send(executors.get(task.place.executor), { kind: 'revoke', epoch, tasks: [one.task], reason: 'stop' })
      task.known = true
      task.place = { phase: 'running', executor: executor.id, slot: one.slot, slotId: executor.slots[one.slot]?.process?.slotId, generation: one.generation, sinceMs: out.nowMs, heardAtMs: out.nowMs }
      checkpoints.ownerBack(one.task)
      out.happened({ event: 'task.adopted', job: one.task.job, executor: executor.id, message: `${taskName(one.task)} runs on ${executor.label} already, generation ${formatGeneration(one.generation)}`, facts: { task: one.task, generation: one.generation } })
    }
    if (stop.length > 0) out.send(executor, { kind: 'revoke', epoch, tasks: stop, reason: 'stop' })
    this.#resume(executor, reported)
  }

  /** What the table has on this executor and it does not run is given out anew. Never the same generation again: a process that got it may have claimed and died (R1). */
  #resume(executor: ExecutorEntry, reported: ReadonlySet<TaskEntry>): void {
    const { epoch, jobs, out } = this.#with
    const releasing: TaskRef[] = []
    const waiting: TaskRef[] = []
    for (const { task, place } of jobs.placed(executor.id)) {
      if (reported.has(task)) {
        if (place.phase === 'releasing') releasing.push(task.ref)
        continue
      }
      // It may still wait there for a process to start.
      if (place.phase === 'assigned') waiting.push(task.ref)
      this.lose(task, place.phase === 'releasing' ? task.cause : `${executor.label} came back without it`)
    }
    if (waiting.length > 0) out.send(executor, { kind: 'revoke', epoch, tasks: waiting, reason: 'move' })
    if (releasing.length > 0) out.send(executor, { kind: 'revoke', epoch, tasks: releasing, reason: 'move' })
  }

  /** The process of a slot ended: those of its tasks that it had got. */
  slotDied(executor: ExecutorEntry, slotId: SlotId, tasks: readonly TaskRef[], reason: string): number {
    let lost = 0
    for (const ref of tasks) {
      const found = this.owned(ref, executor.id)
      // A place whose process was never heard of: it was this one, for it had the task.
      if (found === undefined || (found.place.slotId ?? slotId) !== slotId) continue
      this.lose(found.task, `slot ${found.place.slot} of ${executor.label} died: ${reason}`, true)
      found.task.slotDied = true
      lost += 1
    }
    return lost
  }
}
