// Brings what is to where placement wants it: gives out what nobody has, moves what is elsewhere, ends moves that take too long.
import type { ExecutorId } from '@tidemark/base'
import { taskName } from '@tidemark/checkpoint'
import type { ExecutorEntry } from './executors.ts'
import type { JobEntry, Place, TaskEntry } from './jobs.ts'
import { isLive } from './lifecycle.ts'
import type { Ownership, Parts } from './ownership.ts'
import { place, slotKey } from './placement.ts'
import type { Placement, SlotRef } from './placement.ts'
import { Readiness } from './readiness.ts'
import { StoreAnswers } from './store-answers.ts'

/** Planned moves under way at one time: each pauses its task for a moment. */
const MOVES_MAX = 16

const nameOf = (job: JobEntry): string => `${job.id}/${job.run.record.run}`
const at = ({ executor, slot }: Place): SlotRef => ({ executor, slot })

export class Balance {
  readonly #with: Parts
  readonly #ownership: Ownership
  readonly #readiness: Readiness
  readonly #store: StoreAnswers
  #placed: { readonly asked: string, readonly targets: Placement['targets'] } | undefined

  constructor(parts: Parts, ownership: Ownership) {
    this.#with = parts
    this.#readiness = new Readiness(parts)
    this.#ownership = ownership
    this.#store = new StoreAnswers(parts.out)
  }

  /** False: nothing is different now. */
  storeHeard(answers: boolean): boolean {
    this.#store.heard(answers)
    return answers
  }

  run(): void {
    const jobs = this.#with.jobs.all().filter(({ state }) => isLive(state))
    const usable = this.#usableSlots()
    const targets = this.#targets(jobs, usable)
    const occupants = this.#occupants()
    this.#giveOut(jobs, targets, usable, occupants)
    this.#readiness.prepare(jobs, targets, usable)
    this.#move(jobs, targets)
  }

  /** Placement is pure: asked with the same again, as at most ticks, it would only work out the same again. */
  #targets(jobs: readonly JobEntry[], usable: readonly SlotRef[]): Placement['targets'] {
    const demands = jobs.map((job) => ({ job: nameOf(job), tasks: [...job.tasks].map(([task, entry]) => ({ task, on: this.#counted(entry, usable) })) }))
    const bound = this.#readiness.bound(jobs, usable, nameOf)
    const asked = JSON.stringify([demands, usable, [...bound]])
    if (asked !== this.#placed?.asked) this.#placed = { asked, targets: place(demands, usable, bound).targets }
    return this.#placed.targets
  }

  /**
   * Slots of executors that stay, whose process is there: a task that waits for one to start waits for a second. When none is, all. An
   * executor that is suspected keeps its place in the plan until there is a verdict, but gets nothing new. A slot that is cut off from the log
   * is none, until it has heard from it for a while; when all are, from its first answer on.
   */
  #usableSlots(): SlotRef[] {
    const staying = this.#with.executors.present().filter(({ draining }) => !draining)
      .flatMap(({ id, slots }) => slots.filter(({ doomed }) => !doomed).map(({ slot, process, cutOff, log }) => ({ executor: id, slot, process, cutOff, log })))
    const reach = staying.filter(({ cutOff }) => cutOff === undefined)
    const some = reach.length > 0 ? reach : staying.filter(({ log }) => log?.answersSinceMs !== undefined)
    const warm = some.filter(({ process }) => process !== undefined)
    return (warm.length > 0 ? warm : some).map(({ executor, slot }) => ({ executor, slot }))
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
      const ready = usable.filter((ref) => fits(ref) && this.#readiness.isReady(ref, job))
      for (const [key, task] of waiting) {
        const target = targets.get(key)
        // Where it belongs may still be another job's, or still get ready: rather a fuller slot now.
        const isBest = target !== undefined && fits(target) && (ready.length === 0 || this.#readiness.isReady(target, job))
        const to = isBest ? target : this.#emptiest(job, ready.length === 0 ? usable.filter((ref) => fits(ref) && this.#has(job, ref)) : ready, pairs)
        if (!to) continue
        occupants.set(slotKey(to), job)
        pairs.push({ job, task, to })
      }
    }
    this.#ownership.give(pairs)
  }

  #has(job: JobEntry, ref: SlotRef): boolean {
    return [...job.tasks.values()].some(({ place: where }) => where !== undefined && slotKey(at(where)) === slotKey(ref))
  }

  /** The one with fewest tasks of this job. */
  #emptiest(job: JobEntry, among: readonly SlotRef[], pairs: readonly { readonly to: SlotRef }[]): SlotRef | undefined {
    const load = new Map<string, number>()
    const count = (ref: SlotRef): void => void load.set(slotKey(ref), (load.get(slotKey(ref)) ?? 0) + 1)
    for (const { place: where } of job.tasks.values()) if (where) count(at(where))
    for (const { to } of pairs) count(to)
    return among.toSorted((a, b) => (load.get(slotKey(a)) ?? 0) - (load.get(slotKey(b)) ?? 0))[0]
  }

  /**
   * Only what runs is moved, not while the job has tasks without an owner, and not before the slot it goes to is ready and the object store
   * answers: until then it works on where it is. A leaving executor is emptied in any case, without a destination at once, else when its time
   * for that is up.
   */
  #move(jobs: readonly JobEntry[], targets: ReadonlyMap<string, SlotRef>): void {
    const { executors, jobs: table, out, settings } = this.#with
    let left = MOVES_MAX - table.placed().filter(({ place: { phase } }) => phase === 'releasing').length
    const moves: { task: TaskEntry, place: Place, to: SlotRef | undefined, why: string }[] = []
    for (const job of jobs) {
      const settled = [...job.tasks.values()].every(({ place: where }) => where !== undefined && (where.phase !== 'assigned' || executors.get(where.executor)?.draining))
      for (const [key, task] of job.tasks) {
        if (task.place === undefined || task.place.phase === 'releasing' || left === 0) continue
        const leaving = executors.get(task.place.executor)
        const target = targets.get(key)
        const ready = target !== undefined && this.#readiness.isReady(target, job)
        if (leaving?.draining) {
          if (target !== undefined && out.nowMs - leaving.sinceMs < settings.prepareTimeoutMs && !(ready && this.#store.lately())) continue
        } else if (!settled || job.state !== 'running' || task.place.phase !== 'running' || !ready || slotKey(target) === slotKey(at(task.place)) || !this.#store.lately()) continue
        moves.push({ task, place: task.place, to: target, why: leaving?.draining ? `${leaving.label} is leaving` : 'planned move to spread the load' })
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
