// Which slot gets what: tasks that are given, moved and taken back, one ownership after the other; a slot that gets ready for a run before it has its tasks.
import { sameTask, taskKey } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'
import { compareGenerations } from '@tidemark/checkpoint'
import type { DriverMessage, GenerationMessage, TaskAssignment } from '@tidemark/wire'
import type { Push } from './protocol.ts'
import type { HeldAssignment, Slots, SlotState } from './slots.ts'
import type { Telling } from './telling.ts'
import { slotCommandOf } from './translate.ts'

export class Assignments {
  readonly #slots: Slots
  readonly #telling: Telling
  readonly #push: Push
  #draining = false

  constructor(slots: Slots, telling: Telling, push: Push) {
    this.#slots = slots
    this.#telling = telling
    this.#push = push
  }

  /** Nothing is taken any more. */
  drain(): void {
    this.#draining = true
  }

  get draining(): boolean {
    return this.#draining
  }

  assign(assignment: TaskAssignment): void {
    const slot = this.#slots.at(assignment.slot)
    if (slot === undefined || this.#draining) {
      this.#telling.tell({ kind: 'given-up', task: assignment.task, generation: assignment.generation, reason: slot === undefined ? `there is no slot ${assignment.slot}` : 'this executor is leaving', ended: false })
      return
    }
    const holder = this.#slots.holder(assignment.task)
    const held = holder?.tasks.get(taskKey(assignment.task))
    if (holder !== undefined && held !== undefined) {
      if (compareGenerations(held.assignment.generation, assignment.generation) >= 0) return
      // One ownership after the other: its slot lets it go first, if it was not told so already.
      held.next = assignment
      if (holder.process !== undefined) this.#push({ kind: 'slot-command', slotId: holder.process.slotId, command: { kind: 'revoke', tasks: [assignment.task], reason: 'move' } })
      return
    }
    const { job, run } = assignment.task
    const { process } = slot
    slot.wanted = undefined
    if (process === undefined) {
      slot.pending.push(assignment)
      return
    }
    if (slot.bound === undefined) {
      slot.bound = { job, run }
      this.#push({ kind: 'bind-slot', slotId: process.slotId, job, run })
    } else if (slot.bound.job !== job || slot.bound.run !== run) {
      // A slot runs one run of one job: a fresh process takes the new one, once the old one's tasks are gone.
      slot.pending.push(assignment)
      if (slot.tasks.size === 0) this.#push({ kind: 'kill-slot', slotId: process.slotId, reason: 'it gets another job' })
      return
    }
    slot.tasks.set(taskKey(assignment.task), { assignment, next: undefined, status: undefined })
    this.#push({ kind: 'slot-command', slotId: process.slotId, command: { kind: 'assign', tasks: [{ task: assignment.task, generation: assignment.generation, ...(assignment.slotDied ? { slotDied: true } : {}), ...(assignment.still ? { still: true } : {}) }] } })
  }

  /** Without a task yet. A slot that waits for a process is left alone, for the driver is told of that; one that has tasks gets ready behind them. */
  prepare({ slot: number, job, run }: Pick<DriverMessage & { kind: 'prepare' }, 'slot' | 'job' | 'run'>): void {
    const slot = this.#slots.at(number)
    if (slot?.process === undefined || this.#draining || slot.pending.length > 0) return
    if (slot.tasks.size > 0) {
      slot.wanted = { job, run }
      return
    }
    const transactionalId = slot.transactionalIds.at(-1)
    if (slot.bound === undefined) {
      slot.bound = { job, run }
      this.#push({ kind: 'bind-slot', slotId: slot.process.slotId, job, run })
    } else if (slot.bound.job !== job || slot.bound.run !== run) this.#push({ kind: 'kill-slot', slotId: slot.process.slotId, reason: 'it gets another job' })
    else if (transactionalId !== undefined) this.#telling.tell({ kind: 'session', slot: number, transactionalId })
  }

  /** It has let a task go. */
  prepareAsTold(slot: SlotState): void {
    const { number, tasks, wanted } = slot
    if (tasks.size > 0 || wanted === undefined) return
    slot.wanted = undefined
    this.prepare({ slot: number, ...wanted })
  }

  /** Commands about tasks go to the slots that have them; a revoke of a task that nobody has is answered at once. */
  passOn(message: DriverMessage): void {
    const named: readonly TaskRef[] = 'tasks' in message ? message.tasks.map((one) => ('task' in one ? one.task : one)) : 'task' in message ? [message.task] : []
    for (const slot of this.#slots.all) {
      const own = named.filter((task) => slot.tasks.has(taskKey(task)))
      if (slot.process === undefined || (own.length === 0 && message.kind !== 'snapshot-abandon')) continue
      const command = slotCommandOf(message, own)
      if (command !== undefined) this.#push({ kind: 'slot-command', slotId: slot.process.slotId, command })
    }
    if (message.kind !== 'revoke') return
    for (const task of named) {
      const held = this.#slots.holder(task)?.tasks.get(taskKey(task))
      if (held?.next !== undefined) this.#telling.tell({ kind: 'released', task, generation: held.next.generation })
      if (held !== undefined) held.next = undefined
      const waiting = this.#slots.all.find((slot) => slot.pending.some((one) => sameTask(one.task, task)))
      const generation = waiting?.pending.find((one) => sameTask(one.task, task))?.generation
      if (waiting !== undefined) waiting.pending = waiting.pending.filter((one) => !sameTask(one.task, task))
      if (this.#slots.holder(task) === undefined) this.#telling.tell({ kind: 'released', task, generation: generation ?? { epoch: 0, counter: 0 } })
    }
  }

  /** Only the ownership that is spoken of: a late word about an earlier one takes nothing from the present. */
  letGo(slot: SlotState, task: TaskRef, generation: GenerationMessage): HeldAssignment | undefined {
    const held = slot.tasks.get(taskKey(task))
    if (held === undefined || compareGenerations(held.assignment.generation, generation) !== 0) return undefined
    slot.tasks.delete(taskKey(task))
    return held
  }
}
