// The slots of an executor: which process each has, what that works for and holds, and the questions that are asked of all of them.
import { taskKey } from '@tidemark/base'
import type { JobId, SlotId, TaskRef } from '@tidemark/base'
import type { LogWord } from '@tidemark/runtime'
import type { RunningTask, SlotLog, SlotProcess, TaskAssignment, TaskStatus } from '@tidemark/wire'
import { SlotSigns } from './stuck.ts'

export interface HeldAssignment {
  readonly assignment: TaskAssignment
  /** The task was given here again before its slot had let it go. */
  next: TaskAssignment | undefined
  status: TaskStatus | undefined
}

export interface SlotState {
  readonly number: number
  process: SlotProcess | undefined
  bound: { readonly job: JobId, readonly run: number } | undefined
  transactionalIds: string[]
  readonly tasks: Map<string, HeldAssignment>
  /** Waiting for a fresh process of this slot. */
  pending: TaskAssignment[]
  /** What it was told to get ready for while it still had tasks: once these are gone. */
  wanted: { readonly job: JobId, readonly run: number } | undefined
  signs: SlotSigns
  /** What its process waits for before it can begin with any task; undefined: it has begun, or has not said. */
  waitsFor: string | undefined
  /** Of its process. */
  log: LogWord | undefined
}

const logOf = (slot: number, { heard, silentMs, because }: LogWord): SlotLog => ({ slot, heard, silentMs, ...(because === undefined ? {} : { because }) })

/** Of a task that its slot has not begun with: why. */
const waiting = ({ assignment: { task, generation }, next }: HeldAssignment, waitingFor: string): TaskStatus =>
  ({ task, generation: next?.generation ?? generation, phase: 'taking-over', waitingFor, inputs: [], batchId: 0, stateKeys: 0, stateBytes: 0, totals: {} })

export class Slots {
  readonly all: readonly SlotState[]

  constructor(count: number) {
    this.all = Array.from({ length: count }, (_, number) => ({ number, process: undefined, bound: undefined, transactionalIds: [], tasks: new Map(), pending: [], wanted: undefined, signs: new SlotSigns(), waitsFor: undefined, log: undefined }))
  }

  at(number: number): SlotState | undefined {
    return this.all[number]
  }

  /** The one whose present process that is. */
  of(slotId: SlotId): SlotState | undefined {
    return this.all.find((one) => one.process?.slotId === slotId)
  }

  holder(task: TaskRef): SlotState | undefined {
    return this.all.find((slot) => slot.tasks.has(taskKey(task)))
  }

  /** Some have tasks, or are to get some. */
  get busy(): boolean {
    return this.all.some((slot) => slot.tasks.size > 0 || slot.pending.length > 0)
  }

  processes(): SlotProcess[] {
    return this.all.flatMap((slot) => slot.process ?? [])
  }

  running(): RunningTask[] {
    return this.all.flatMap((slot) => [...slot.tasks.values()].map(({ assignment: { task, generation } }) => ({ task, generation, slot: slot.number, transactionalId: slot.transactionalIds.at(-1) ?? '' })))
  }

  statuses(): TaskStatus[] {
    return this.all.flatMap((slot) => [...slot.tasks.values()].flatMap((held) => held.status ?? (slot.waitsFor === undefined ? [] : waiting(held, slot.waitsFor))))
  }

  logs(): SlotLog[] {
    return this.all.flatMap(({ number, log }) => (log === undefined ? [] : [logOf(number, log)]))
  }
}
