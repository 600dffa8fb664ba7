// Brings what is to where placement wants it: gives out what nobody has, moves what is elsewhere, ends moves that take too long.
import type { ExecutorId } from '@tidemark/base'
import type { ExecutorEntry } from './executors.ts'
import type { JobEntry, Place, TaskEntry } from './jobs.ts'
import { taskName } from './out.ts'
import type { Ownership, Parts } from './ownership.ts'
import { place, slotKey } from './placement.ts'
import type { SlotRef } from './placement.ts'

/** Planned moves under way at one time: each pauses its task for a moment. */
const MOVES_MAX = 16

const at = ({ executor, slot }: Place): SlotRef => ({ executor, slot })

export class Balance {
  readonly #with: Parts
  readonly #ownership: Ownership

  constructor(parts: Parts, ownership: Ownership) {
    this.#with = parts
    this.#ownership = ownership
  }

  run(): void {
    const jobs = this.#with.jobs.all().filter(({ state }) => state === 'running')
    const usable = this.#usableSlots()
    const { targets } = place(jobs.map((job) => ({
      job: `${job.id}/${job.run.record.run}`,
      tasks: [...job.tasks].map(([task, entry]) => ({ task, on: this.#counted(entry, usable) })),
    })), usable)
    const occupants = this.#occupants()
    this.#giveOut(jobs, targets, usable, occupants)
    this.#move(jobs, targets)
  }

  /**
   * Slots of executors that stay, whose process is there: a task that waits for one to start waits for a second. When none is, all. An
   * executor that is suspected keeps its place in the plan until there is a verdict, but gets nothing new.
   */
  #usableSlots(): SlotRef[] {
    const staying = this.#with.executors.present().filter(({ draining }) => !draining)
      .flatMap(({ id, slots }) => slots.filter(({ doomed }) => !doomed).map(({ slot, process }) => ({ executor: id, slot, process })))
    const warm = staying.filter(({ process }) => process !== undefined)
    return (warm.length > 0 ? warm : staying).map(({ executor, slot }) => ({ executor, slot }))
  }

  /** Where the plan counts a task: a planned move is as good as done, so that asking again in the middle of it gives the same answer. */
  #counted({ place: where, destination }: TaskEntry, usable: readonly SlotRef[]): SlotRef | undefined {
    if (destination && usable.some((ref) => slotKey(ref) === slotKey(destination))) return destination
    return where && at(where)
  }

  /** Which run each slot works for now. */
  #occupants(): Map<string, JobEntry> {
    return new Map(this.#with.jobs.placed().map(({ job, place: where }) => [slotKey(at(where)), job]))
  }

  #giveOut(jobs: readonly JobEntry[], targets: ReadonlyMap<string, SlotRef>, usable: readonly SlotRef[], occupants: Map<string, JobEntry>): void {
    const { executors, out } = this.#with
    const pairs: { job: JobEntry, task: TaskEntry, to: SlotRef }[] = []
    for (const job of jobs) {
      const waiting = [...job.tasks].filter(([, { place: where, notBeforeMs, known }]) => where === undefined && out.nowMs >= notBeforeMs && (known || out.nowMs >= job.adoptUntilMs))
      if (waiting.length === 0) continue
      const fits = (ref: SlotRef): boolean => executors.get(ref.executor as ExecutorId)?.connection !== undefined && (occupants.get(slotKey(ref)) ?? job) === job
      for (const [key, task] of waiting) {
        const target = targets.get(key)
        // Where it belongs may still be another job's: rather a fuller slot now than none.
        const to = target && fits(target) ? target : this.#emptiest(job, usable, fits, pairs)
        if (!to) continue
        occupants.set(slotKey(to), job)
        pairs.push({ job, task, to })
      }
    }
    this.#ownership.give(pairs)
  }

  /** The slot with fewest tasks among those that this job has already. */
  #emptiest(job: JobEntry, usable: readonly SlotRef[], fits: (ref: SlotRef) => boolean, pairs: readonly { readonly to: SlotRef }[]): SlotRef | undefined {
    const load = new Map<string, number>()
    const count = (ref: SlotRef): void => void load.set(slotKey(ref), (load.get(slotKey(ref)) ?? 0) + 1)
    for (const { place: where } of job.tasks.values()) if (where) count(at(where))
    for (const { to } of pairs) count(to)
    return usable.filter((ref) => fits(ref) && load.has(slotKey(ref))).toSorted((a, b) => (load.get(slotKey(a)) ?? 0) - (load.get(slotKey(b)) ?? 0))[0]
  }

  /** Only what runs is moved, and not while the job has tasks without an owner. A leaving executor is emptied in any case. */
  #move(jobs: readonly JobEntry[], targets: ReadonlyMap<string, SlotRef>): void {
    const { executors, jobs: table } = this.#with
    let left = MOVES_MAX - table.placed().filter(({ place: { phase } }) => phase === 'releasing').length
    const moves: { task: TaskEntry, place: Place, to: SlotRef | undefined, why: string }[] = []
    for (const job of jobs) {
      const settled = [...job.tasks.values()].every(({ place: where }) => where !== undefined && (where.phase !== 'assigned' || executors.get(where.executor)?.draining))
      for (const [key, task] of job.tasks) {
        if (task.place === undefined || task.place.phase === 'releasing' || left === 0) continue
        const draining = executors.get(task.place.executor)?.draining === true
        const target = targets.get(key)
        if (!draining && (!settled || task.place.phase !== 'running' || target === undefined || slotKey(target) === slotKey(at(task.place)))) continue
        moves.push({ task, place: task.place, to: target, why: draining ? `${executors.get(task.place.executor)?.label} is leaving` : 'planned move to spread the load' })
        left -= 1
      }
    }
    this.#ownership.release(moves)
  }

  /** Releases and assignments whose time is up. */
  overdue(): void {
    const { epoch, executors, jobs, out, settings } = this.#with
    for (const { job, task, place: where } of jobs.placed()) {
      const executor = executors.get(where.executor)
      if (executor === undefined || executor.state === 'suspected') continue
      if (where.phase === 'releasing' && out.nowMs - where.sinceMs >= settings.releaseTimeoutMs) this.#killSlot(executor, where, `the release of ${taskName(task.ref)} took longer than ${settings.releaseTimeoutMs} ms`)
      else if (where.phase === 'assigned' && out.nowMs - Math.max(where.sinceMs, where.heardAtMs) >= settings.assignmentTimeoutMs) {
        out.happened({ event: 'task.assignment-lost', job: job.id, executor: executor.id, level: 'warn', message: `${executor.label} does not speak of ${taskName(task.ref)}: it is given out again`, facts: { task: task.ref } })
        out.send(executor, { kind: 'revoke', epoch, tasks: [task.ref], reason: 'move' })
        this.#ownership.lose(task, `${executor.label} did not take it in ${settings.assignmentTimeoutMs} ms`, true)
      }
    }
  }

  /** R7: a release that times out becomes a fence of that slot. All its tasks go elsewhere. */
  #killSlot(executor: ExecutorEntry, where: Place, reason: string): void {
    const { epoch, jobs, out } = this.#with
    const slot = executor.slots[where.slot]
    const slotId = where.slotId ?? slot?.process?.slotId
    if (slot && slotId !== undefined && slot.process?.slotId === slotId) {
      slot.doomed = true
      out.send(executor, { kind: 'kill-slot', epoch, slot: where.slot, slotId, reason })
      if (slot.transactionalId !== undefined) out.push({ kind: 'fence', ids: [slot.transactionalId], because: reason })
    }
    out.happened({ event: 'slot.killed', executor: executor.id, level: 'warn', message: `slot ${where.slot} of ${executor.label} is killed: ${reason}`, facts: { slot: where.slot, slotId } })
    for (const { task, place: other } of jobs.placed(executor.id)) if (other.slot === where.slot) this.#ownership.lose(task, `slot ${where.slot} of ${executor.label} was killed: ${reason}`)
  }
}
