// A slot's life: its process is there, says signs of life, dies or is killed as stuck, and is started anew.
import { taskKey } from '@tidemark/base'
import type { SlotId } from '@tidemark/base'
import type { SlotEvent } from '@tidemark/runtime'
import type { SlotProcess } from '@tidemark/wire'
import type { Assignments } from './assignments.ts'
import type { Push } from './protocol.ts'
import type { Slots, SlotState } from './slots.ts'
import { SlotSigns } from './stuck.ts'
import type { StuckLimits } from './stuck.ts'
import type { Telling } from './telling.ts'

/** What a slot says of itself; the rest is about its tasks' ownership, and for the driver. */
export type OwnWord = Extract<SlotEvent, { readonly kind: 'log' | 'status' | 'session' }>

interface Parts {
  readonly slots: Slots
  readonly assignments: Assignments
  readonly telling: Telling
  readonly limits: StuckLimits
  readonly push: Push
}

export class SlotLife {
  readonly #with: Parts
  #lookedAt: number | undefined

  constructor(parts: Parts) {
    this.#with = parts
  }

  ready(process: SlotProcess): void {
    const { slots, assignments, telling } = this.#with
    const slot = slots.at(process.slot)
    if (slot === undefined) return
    slot.process = process
    slot.bound = undefined
    slot.wanted = undefined
    slot.waitsFor = undefined
    slot.log = undefined
    slot.transactionalIds = []
    slot.signs = new SlotSigns()
    telling.tell({ kind: 'slot-started', process })
    for (const assignment of slot.pending.splice(0)) assignments.assign(assignment)
  }

  says(slot: SlotState, word: OwnWord): void {
    switch (word.kind) {
      case 'log':
        slot.log = word
        break
      case 'status':
        slot.waitsFor = undefined
        for (const status of word.tasks) {
          const held = slot.tasks.get(taskKey(status.task))
          if (held !== undefined) held.status = status
        }
        break
      case 'session':
        slot.transactionalIds.push(word.transactionalId)
        this.#with.telling.tell({ kind: 'session', slot: slot.number, transactionalId: word.transactionalId })
        break
    }
  }

  /** Its process is gone. What it had is told; what waited for that to be let go is given out. */
  exited(slot: SlotState, slotId: SlotId, reason: string): void {
    if (slot.process?.slotId !== slotId) return
    const { assignments, telling } = this.#with
    const held = [...slot.tasks.values()]
    telling.tell({ kind: 'slot-died', slot: slot.number, slotId, reason, transactionalIds: slot.transactionalIds.slice(-1), tasks: held.map(({ assignment }) => assignment.task) })
    slot.process = undefined
    slot.bound = undefined
    slot.waitsFor = undefined
    slot.log = undefined
    slot.tasks.clear()
    for (const { next } of held) if (next !== undefined) assignments.assign(next)
  }

  /** `everyMs`: how often this is asked. */
  lookForStuck(at: number, everyMs: number): void {
    const { slots, limits, push } = this.#with
    // Who stood still itself, alone or with the whole machine, did not listen: what was said to it meanwhile it is about to hear.
    const passed = Math.min(at - (this.#lookedAt ?? at), 2 * everyMs)
    this.#lookedAt = at
    for (const { process, tasks, signs } of slots.all) {
      if (tasks.size === 0) signs.rests()
      else signs.passed(passed)
      const reason = signs.stuck(limits)
      if (process === undefined || reason === undefined) continue
      push({ kind: 'kill-slot', slotId: process.slotId, reason })
      signs.rests()
    }
  }
}
