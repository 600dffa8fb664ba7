// Takes the tasks from slots that alone are cut off from the log. Their owners can't release them: whoever gets them fences the old id and
// claims in a higher generation, and the old owner gives up when it hears the log, or this driver, again.
import { howMany } from '@tidemark/base'
import type { ExecutorEntry, SlotEntry } from './executors.ts'
import { judgeLogs } from './log-silence.ts'
import type { Hearer } from './log-silence.ts'
import type { Ownership, Parts } from './ownership.ts'

interface Listener extends Hearer {
  readonly executor: ExecutorEntry
  readonly slot: SlotEntry
}

export class CutOffs {
  readonly #with: Parts
  readonly #ownership: Ownership

  constructor(parts: Parts, ownership: Ownership) {
    this.#with = parts
    this.#ownership = ownership
  }

  run(): void {
    const { executors, out, settings } = this.#with
    // Of who has no stream nothing is known: for it there is the other verdict.
    const all = executors.present().filter(({ connection }) => connection !== undefined).flatMap((executor) => executor.slots.map((slot): Listener => (
      { executor, slot, log: slot.log, cutOff: slot.cutOff, staying: !executor.draining && !slot.doomed && slot.process !== undefined })))
    const { cutOff, back } = judgeLogs(all, out.nowMs, settings)
    for (const one of cutOff) this.#cutOff(one)
    for (const { executor, slot } of back) {
      slot.cutOff = undefined
      out.happened({ event: 'slot.log-back', executor: executor.id, message: `slot ${slot.slot} of ${executor.label} reaches the log again: it can have tasks`, facts: { slot: slot.slot } })
    }
  }

  #cutOff({ executor, slot, log }: Listener): void {
    if (log === undefined) return
    const { epoch, jobs, out } = this.#with
    const silentMs = Math.round(log.silentMs)
    slot.cutOff = { sinceMs: log.silentSinceMs, because: log.because }
    const placed = jobs.placed(executor.id).filter(({ place }) => place.slot === slot.slot)
    for (const { task } of placed) this.#ownership.lose(task, `slot ${slot.slot} of ${executor.label} is cut off from the log: ${log.because}`)
    if (placed.length > 0) out.send(executor, { kind: 'revoke', epoch, tasks: placed.map(({ task }) => task.ref), reason: 'stop' })
    if (placed.length > 0 && slot.transactionalId !== undefined) out.push({ kind: 'fence', ids: [slot.transactionalId], because: `slot ${slot.slot} of ${executor.label} is cut off from the log` })
    out.happened({
      event: 'slot.cut-off', executor: executor.id, level: 'warn', facts: { slot: slot.slot, silentMs, because: log.because, tasks: placed.length },
      message: `the log has not answered slot ${slot.slot} of ${executor.label} for ${silentMs} ms, and answers others: ${howMany(placed.length, 'task moves', 'tasks move')}`,
    })
  }
}
