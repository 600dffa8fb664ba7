// An executor's core in a test: fed with what driver and slots say, asked what it tells and commands.
import { executorId, jobId, slotId, stageId } from '@tidemark/base'
import type { SlotEvent } from '@tidemark/runtime'
import type { DriverMessage, SlotProcess } from '@tidemark/wire'
import { ExecutorCore } from './executor-core.ts'
import type { ExecutorCommand, ExecutorEvent } from './protocol.ts'

export const task = { job: jobId('sales'), run: 1, stage: stageId(0), partition: 0 }
export const registered: DriverMessage = { kind: 'registered', driver: 'd', epoch: 1, heartbeatIntervalMs: 250, heartbeatTimeoutMs: 2_000 }
export const process = (slot: number, name = `p${slot}`): SlotProcess => ({ slot, slotId: slotId(name), pid: 100 + slot, pidStart: '1' })
export const generation = (counter: number) => ({ epoch: 1, counter })
export const assign = (counter: number, slot = 0): DriverMessage => ({ kind: 'assign', epoch: 1, tasks: [{ task, generation: generation(counter), slot }] })
export const prepare = (run: number): DriverMessage => ({ kind: 'prepare', epoch: 1, slot: 0, job: task.job, run })
export const revoke: DriverMessage = { kind: 'revoke', epoch: 1, tasks: [task], reason: 'move' }

export class Talk {
  readonly core = new ExecutorCore({ executor: executorId('e'), label: 'e', slots: 2, probeAddress: 'here:1', engineVersion: '0', pid: 1, pidStart: '1', slotStuckMs: 5_000, slotWorkStuckMs: 30_000 })
  #at = 0

  feed(...events: readonly ExecutorEvent[]): ExecutorCommand[] {
    return events.flatMap((event) => this.core.handle(event, (this.#at += 1)))
  }
  hear(...messages: readonly DriverMessage[]): ExecutorCommand[] {
    return this.feed(...messages.map((message) => ({ kind: 'driver-message' as const, message })))
  }
  /** One tick after the other for so long, and before each what the slot says then. */
  live(ms: number, says: readonly SlotEvent[] = [], everyMs = 250): string[] {
    const commands: ExecutorCommand[] = []
    for (const until = this.#at + ms; this.#at < until;) {
      this.#at += everyMs
      for (const event of says) this.core.handle({ kind: 'slot-event', slotId: slotId('p0'), event }, this.#at)
      commands.push(...this.core.handle({ kind: 'tick' }, this.#at))
    }
    return commands.flatMap((command) => (command.kind === 'kill-slot' ? [command.reason] : []))
  }
  from(slot: string, kind: 'released' | 'given-up', counter: number): ExecutorCommand[] {
    const word = { task, generation: generation(counter) }
    return this.feed({ kind: 'slot-event', slotId: slotId(slot), event: kind === 'released' ? { kind, ...word } : { kind, ...word, reason: 'it is late', ended: false } })
  }
  /** Connected, registered, both slots up. */
  static ready(): Talk {
    const talk = new Talk()
    talk.feed({ kind: 'driver-connected' })
    talk.hear(registered)
    talk.feed({ kind: 'slot-ready', process: process(0) }, { kind: 'slot-ready', process: process(1) })
    return talk
  }
}

export const told = (commands: readonly ExecutorCommand[], kind: string) => commands.flatMap((command) => (command.kind === 'send' && command.message.kind === kind ? [command.message] : []))
export const given = (commands: readonly ExecutorCommand[]) => commands.flatMap((command) => (command.kind === 'slot-command' ? [`${command.slotId} ${command.command.kind}`] : []))
