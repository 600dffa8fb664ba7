// An executor as a state machine: events in, commands out; it reads no clock and touches no process. Routes each event to what it concerns: the slots'
// lives, the assignments, the driver; and leaves once it is to and nothing is left.
import type { SlotId } from '@tidemark/base'
import type { SlotEvent } from '@tidemark/runtime'
import type { DriverMessage, ExecutorMessage } from '@tidemark/wire'
import { Assignments } from './assignments.ts'
import { FIRST_HEARTBEAT_MS } from './protocol.ts'
import type { ExecutorCommand, ExecutorEvent, ExecutorFacts } from './protocol.ts'
import { SlotLife } from './slot-life.ts'
import { Slots } from './slots.ts'
import { Telling } from './telling.ts'
import { driverMessageOf } from './translate.ts'

export class ExecutorCore {
  readonly #facts: ExecutorFacts
  readonly #slots: Slots
  readonly #telling: Telling
  readonly #assignments: Assignments
  readonly #life: SlotLife
  #epoch = 0
  #heartbeatMs = FIRST_HEARTBEAT_MS
  #out: ExecutorCommand[] = []

  constructor(facts: ExecutorFacts) {
    const push = (command: ExecutorCommand): void => void this.#out.push(command)
    this.#facts = facts
    this.#slots = new Slots(facts.slots)
    this.#telling = new Telling(push)
    this.#assignments = new Assignments(this.#slots, this.#telling, push)
    this.#life = new SlotLife({ slots: this.#slots, assignments: this.#assignments, telling: this.#telling, limits: facts, push })
  }

  start(): ExecutorCommand[] {
    return this.#slots.all.map((slot) => ({ kind: 'start-slot', slot: slot.number }))
  }

  /** It has tasks, or is to get some. */
  get busy(): boolean {
    return this.#slots.busy
  }

  /** `at`: monotonic ms. */
  handle(event: ExecutorEvent, at: number): ExecutorCommand[] {
    this.#out = []
    switch (event.kind) {
      case 'driver-connected':
        this.#telling.connected(this.#registration())
        break
      case 'driver-lost':
        this.#telling.lost()
        break
      case 'driver-message':
        this.#driverSays(event.message, at)
        break
      case 'slot-ready':
        this.#life.ready(event.process)
        break
      case 'slot-event':
        this.#slotSays(event.slotId, event.event)
        break
      case 'slot-exited':
        this.#slotExited(event.slotId, event.slot, event.reason)
        break
      case 'tick':
        this.#tick(at)
        break
      case 'drain':
        this.#assignments.drain()
        if (this.busy) this.#telling.tell({ kind: 'draining' })
        else this.#leave()
        break
    }
    return this.#out
  }

  #driverSays(message: DriverMessage, at: number): void {
    if ('epoch' in message) {
      // A driver that has been replaced commands nobody.
      if (message.epoch < this.#epoch) return
      this.#epoch = message.epoch
    }
    switch (message.kind) {
      case 'registered':
        this.#heartbeatMs = message.heartbeatIntervalMs
        this.#out.push({ kind: 'heartbeat-interval', ms: message.heartbeatIntervalMs })
        this.#telling.registered()
        if (this.#assignments.draining) this.#telling.tell({ kind: 'draining' })
        this.#tick(at)
        break
      case 'not-leader':
        this.#out.push({ kind: 'other-driver', address: message.leader })
        break
      case 'assign':
        for (const assignment of message.tasks) this.#assignments.assign(assignment)
        break
      case 'prepare':
        this.#assignments.prepare(message)
        break
      case 'kill-slot':
        if (this.#slots.of(message.slotId) !== undefined) this.#out.push({ kind: 'kill-slot', slotId: message.slotId, reason: message.reason })
        break
      case 'drain':
        this.#assignments.drain()
        break
      default:
        this.#assignments.passOn(message)
        if (message.kind === 'revoke') this.#leaveIfEmpty()
    }
  }

  #slotSays(slotId: SlotId, event: SlotEvent): void {
    const slot = this.#slots.of(slotId)
    if (slot === undefined) return
    if (event.kind === 'waits') {
      slot.waitsFor = event.waitingFor
      return slot.signs.rests()
    }
    if (event.kind === 'log') slot.signs.lives()
    else slot.signs.works()
    if (event.kind === 'log' || event.kind === 'status' || event.kind === 'session') return this.#life.says(slot, event)
    const left = event.kind === 'released' || event.kind === 'given-up' || event.kind === 'failed' ? this.#assignments.letGo(slot, event.task, event.generation) : undefined
    this.#telling.tell(driverMessageOf(event))
    if (left?.next !== undefined) this.#assignments.assign(left.next)
    if (slot.tasks.size === 0 && slot.pending.length > 0 && slot.process !== undefined) this.#out.push({ kind: 'kill-slot', slotId: slot.process.slotId, reason: 'it gets another job' })
    this.#assignments.prepareAsTold(slot)
    this.#leaveIfEmpty()
  }

  #slotExited(slotId: SlotId, number: number, reason: string): void {
    const slot = this.#slots.at(number)
    if (slot === undefined) return
    this.#life.exited(slot, slotId, reason)
    if (!this.#leaveIfEmpty()) this.#out.push({ kind: 'start-slot', slot: number })
  }

  #tick(at: number): void {
    this.#life.lookForStuck(at, this.#heartbeatMs)
    this.#telling.beat({ tasks: this.#slots.statuses(), logs: this.#slots.logs() })
  }

  /** True: it was to leave, and has nothing left to hand over. */
  #leaveIfEmpty(): boolean {
    if (!this.#assignments.draining || this.busy) return false
    this.#leave()
    return true
  }

  #leave(): void {
    this.#out.push({ kind: 'send', message: { kind: 'leaving' } }, { kind: 'exit' })
  }

  #registration(): ExecutorMessage {
    const { executor, label, slots, probeAddress, engineVersion, pid, pidStart } = this.#facts
    return { kind: 'register', executor, label, slots, probeAddress, engineVersion, pid, pidStart, processes: this.#slots.processes(), running: this.#slots.running() }
  }
}
