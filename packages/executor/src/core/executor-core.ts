// What an executor decides: which slot process gets what, what the driver is told, when a slot is started anew. A state machine: events in,
// commands out; it reads no clock and touches no process.
import { sameTask, taskKey } from '@tidemark/base'
import type { ExecutorId, JobId, SlotId, TaskRef } from '@tidemark/base'
import { compareGenerations } from '@tidemark/checkpoint'
import type { LogWord, SlotCommand, SlotEvent } from '@tidemark/runtime'
import type { DriverMessage, ExecutorMessage, GenerationMessage, SlotLog, SlotProcess, TaskAssignment, TaskStatus } from '@tidemark/wire'
import { SlotSigns } from './stuck.ts'
import type { StuckLimits } from './stuck.ts'
import { driverMessageOf, slotCommandOf } from './translate.ts'

/** Messages kept for the driver while there is none; older ones go first. Their facts are found again by the journal. */
const UNSENT_MAX = 1_000
/** Until the driver says how often it wants to be told, ms. */
export const FIRST_HEARTBEAT_MS = 250

export interface ExecutorFacts extends StuckLimits {
  readonly executor: ExecutorId
  readonly label: string
  readonly slots: number
  readonly probeAddress: string
  readonly engineVersion: string
  readonly pid: number
  readonly pidStart: string
}

export type ExecutorEvent =
  | { readonly kind: 'driver-connected' }
  | { readonly kind: 'driver-lost' }
  | { readonly kind: 'driver-message', readonly message: DriverMessage }
  | { readonly kind: 'slot-ready', readonly process: SlotProcess }
  | { readonly kind: 'slot-event', readonly slotId: SlotId, readonly event: SlotEvent }
  | { readonly kind: 'slot-exited', readonly slotId: SlotId, readonly slot: number, readonly reason: string }
  /** Every heartbeat interval. */
  | { readonly kind: 'tick' }
  /** SIGTERM: hand everything over, then go. */
  | { readonly kind: 'drain' }

export type ExecutorCommand =
  | { readonly kind: 'send', readonly message: ExecutorMessage }
  | { readonly kind: 'start-slot', readonly slot: number }
  | { readonly kind: 'bind-slot', readonly slotId: SlotId, readonly job: JobId, readonly run: number }
  | { readonly kind: 'slot-command', readonly slotId: SlotId, readonly command: SlotCommand }
  | { readonly kind: 'kill-slot', readonly slotId: SlotId, readonly reason: string }
  | { readonly kind: 'heartbeat-interval', readonly ms: number }
  | { readonly kind: 'other-driver', readonly address: string | undefined }
  | { readonly kind: 'exit' }

interface HeldAssignment {
  readonly assignment: TaskAssignment
  /** The task was given here again before its slot had let it go. */
  next: TaskAssignment | undefined
  status: TaskStatus | undefined
}

interface SlotState {
  readonly number: number
  process: SlotProcess | undefined
  bound: { readonly job: JobId, readonly run: number } | undefined
  transactionalIds: string[]
  readonly tasks: Map<string, HeldAssignment>
  /** Waiting for a fresh process of this slot. */
  pending: TaskAssignment[]
  signs: SlotSigns
  /** Of its process. */
  log: LogWord | undefined
}

export class ExecutorCore {
  readonly #facts: ExecutorFacts
  readonly #slots: SlotState[]
  #registered = false
  #connected = false
  #epoch = 0
  #sequence = 0
  #heartbeatMs = FIRST_HEARTBEAT_MS
  #tickedAt: number | undefined
  #draining = false
  #unsent: ExecutorMessage[] = []
  #out: ExecutorCommand[] = []

  constructor(facts: ExecutorFacts) {
    this.#facts = facts
    this.#slots = Array.from({ length: facts.slots }, (_, number) => ({ number, process: undefined, bound: undefined, transactionalIds: [], tasks: new Map(), pending: [], signs: new SlotSigns(), log: undefined }))
  }

  start(): ExecutorCommand[] {
    return this.#slots.map((slot) => ({ kind: 'start-slot', slot: slot.number }))
  }

  /** It has tasks, or is to get some. */
  get busy(): boolean {
    return this.#busy()
  }

  /** `at`: monotonic ms. */
  handle(event: ExecutorEvent, at: number): ExecutorCommand[] {
    this.#out = []
    switch (event.kind) {
      case 'driver-connected':
        this.#connected = true
        // The registration names processes and ids as they are now.
        this.#unsent = this.#unsent.filter(({ kind }) => kind !== 'slot-started' && kind !== 'session')
        this.#out.push({ kind: 'send', message: this.#registration() })
        break
      case 'driver-lost':
        this.#connected = false
        this.#registered = false
        break
      case 'driver-message':
        this.#driverSays(event.message, at)
        break
      case 'slot-ready':
        this.#slotReady(event.process)
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
        this.#draining = true
        if (this.#busy()) this.#tell({ kind: 'draining' })
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
        this.#registered = true
        this.#heartbeatMs = message.heartbeatIntervalMs
        this.#out.push({ kind: 'heartbeat-interval', ms: message.heartbeatIntervalMs })
        for (const unsent of this.#unsent.splice(0)) this.#out.push({ kind: 'send', message: unsent })
        if (this.#draining) this.#tell({ kind: 'draining' })
        this.#tick(at)
        break
      case 'not-leader':
        this.#out.push({ kind: 'other-driver', address: message.leader })
        break
      case 'assign':
        for (const assignment of message.tasks) this.#assign(assignment)
        break
      case 'prepare':
        this.#prepare(message)
        break
      case 'kill-slot': {
        const slot = this.#slots.find((one) => one.process?.slotId === message.slotId)
        if (slot?.process !== undefined) this.#out.push({ kind: 'kill-slot', slotId: slot.process.slotId, reason: message.reason })
        break
      }
      case 'drain':
        this.#draining = true
        break
      default:
        this.#passOn(message)
    }
  }

  /** Commands about tasks go to the slots that have them; a revoke of a task that nobody has is answered at once. */
  #passOn(message: DriverMessage): void {
    const named: readonly TaskRef[] = 'tasks' in message ? message.tasks.map((one) => ('task' in one ? one.task : one)) : 'task' in message ? [message.task] : []
    for (const slot of this.#slots) {
      const own = named.filter((task) => slot.tasks.has(taskKey(task)))
      if (slot.process === undefined || (own.length === 0 && message.kind !== 'snapshot-abandon')) continue
      const command = slotCommandOf(message, own)
      if (command !== undefined) this.#out.push({ kind: 'slot-command', slotId: slot.process.slotId, command })
    }
    if (message.kind !== 'revoke') return
    for (const task of named) {
      const held = this.#holder(task)?.tasks.get(taskKey(task))
      if (held?.next !== undefined) this.#tell({ kind: 'released', task, generation: held.next.generation })
      if (held !== undefined) held.next = undefined
      const waiting = this.#slots.find((slot) => slot.pending.some((one) => sameTask(one.task, task)))
      const generation = waiting?.pending.find((one) => sameTask(one.task, task))?.generation
      if (waiting !== undefined) waiting.pending = waiting.pending.filter((one) => !sameTask(one.task, task))
      if (!this.#slots.some((slot) => slot.tasks.has(taskKey(task)))) this.#tell({ kind: 'released', task, generation: generation ?? { epoch: 0, counter: 0 } })
    }
    if (this.#draining && !this.#busy()) this.#leave()
  }

  #assign(assignment: TaskAssignment): void {
    const slot = this.#slots[assignment.slot]
    if (slot === undefined || this.#draining) {
      this.#tell({ kind: 'given-up', task: assignment.task, generation: assignment.generation, reason: slot === undefined ? `there is no slot ${assignment.slot}` : 'this executor is leaving', ended: false })
      return
    }
    const holder = this.#holder(assignment.task)
    const held = holder?.tasks.get(taskKey(assignment.task))
    if (holder !== undefined && held !== undefined) {
      if (compareGenerations(held.assignment.generation, assignment.generation) >= 0) return
      // One ownership after the other: its slot lets it go first, if it was not told so already.
      held.next = assignment
      if (holder.process !== undefined) this.#out.push({ kind: 'slot-command', slotId: holder.process.slotId, command: { kind: 'revoke', tasks: [assignment.task], reason: 'move' } })
      return
    }
    const { job, run } = assignment.task
    const { process } = slot
    if (process === undefined) {
      slot.pending.push(assignment)
      return
    }
    if (slot.bound === undefined) {
      slot.bound = { job, run }
      this.#out.push({ kind: 'bind-slot', slotId: process.slotId, job, run })
    } else if (slot.bound.job !== job || slot.bound.run !== run) {
      // A slot runs one run of one job: a fresh process takes the new one, once the old one's tasks are gone.
      slot.pending.push(assignment)
      if (slot.tasks.size === 0) this.#out.push({ kind: 'kill-slot', slotId: process.slotId, reason: 'it gets another job' })
      return
    }
    slot.tasks.set(taskKey(assignment.task), { assignment, next: undefined, status: undefined })
    this.#out.push({ kind: 'slot-command', slotId: process.slotId, command: { kind: 'assign', tasks: [{ task: assignment.task, generation: assignment.generation, ...(assignment.slotDied ? { slotDied: true } : {}), ...(assignment.still ? { still: true } : {}) }] } })
  }

  /** Without a task yet. A slot that has work, or waits for a process to do it, is left alone: the driver will see what it is. */
  #prepare({ slot: number, job, run }: DriverMessage & { kind: 'prepare' }): void {
    const slot = this.#slots[number]
    if (slot?.process === undefined || this.#draining || slot.tasks.size > 0 || slot.pending.length > 0) return
    const transactionalId = slot.transactionalIds.at(-1)
    if (slot.bound === undefined) {
      slot.bound = { job, run }
      this.#out.push({ kind: 'bind-slot', slotId: slot.process.slotId, job, run })
    } else if (slot.bound.job !== job || slot.bound.run !== run) this.#out.push({ kind: 'kill-slot', slotId: slot.process.slotId, reason: 'it gets another job' })
    else if (transactionalId !== undefined) this.#tell({ kind: 'session', slot: number, transactionalId })
  }

  #slotReady(process: SlotProcess): void {
    const slot = this.#slots[process.slot]
    if (slot === undefined) return
    slot.process = process
    slot.bound = undefined
    slot.log = undefined
    slot.transactionalIds = []
    slot.signs = new SlotSigns()
    this.#tell({ kind: 'slot-started', process })
    for (const assignment of slot.pending.splice(0)) this.#assign(assignment)
  }

  #slotSays(slotId: SlotId, event: SlotEvent): void {
    const slot = this.#slots.find((one) => one.process?.slotId === slotId)
    if (slot === undefined) return
    if (event.kind === 'log') {
      slot.log = event
      slot.signs.lives()
      return
    }
    slot.signs.works()
    if (event.kind === 'status') {
      for (const status of event.tasks) {
        const held = slot.tasks.get(taskKey(status.task))
        if (held !== undefined) held.status = status
      }
      return
    }
    if (event.kind === 'session') {
      slot.transactionalIds.push(event.transactionalId)
      this.#tell({ kind: 'session', slot: slot.number, transactionalId: event.transactionalId })
      return
    }
    const left = event.kind === 'released' || event.kind === 'given-up' || event.kind === 'failed' ? this.#letGo(slot, event.task, event.generation) : undefined
    this.#tell(driverMessageOf(event))
    if (left?.next !== undefined) this.#assign(left.next)
    if (slot.tasks.size === 0 && slot.pending.length > 0 && slot.process !== undefined) this.#out.push({ kind: 'kill-slot', slotId: slot.process.slotId, reason: 'it gets another job' })
    if (this.#draining && !this.#busy()) this.#leave()
  }

  /** Only the ownership that is spoken of: a late word about an earlier one takes nothing from the present. */
  #letGo(slot: SlotState, task: TaskRef, generation: GenerationMessage): HeldAssignment | undefined {
    const held = slot.tasks.get(taskKey(task))
    if (held === undefined || compareGenerations(held.assignment.generation, generation) !== 0) return undefined
    slot.tasks.delete(taskKey(task))
    return held
  }

  #holder(task: TaskRef): SlotState | undefined {
    return this.#slots.find((slot) => slot.tasks.has(taskKey(task)))
  }

  #slotExited(slotId: SlotId, number: number, reason: string): void {
    const slot = this.#slots[number]
    if (slot === undefined) return
    if (slot.process?.slotId === slotId) {
      const tasks = [...slot.tasks.values()].map((held) => held.assignment.task)
      this.#tell({ kind: 'slot-died', slot: number, slotId, reason, transactionalIds: slot.transactionalIds.slice(-1), tasks })
      const next = [...slot.tasks.values()].flatMap((held) => held.next ?? [])
      slot.process = undefined
      slot.bound = undefined
      slot.log = undefined
      slot.tasks.clear()
      for (const assignment of next) this.#assign(assignment)
    }
    if (this.#draining && !this.#busy()) this.#leave()
    else this.#out.push({ kind: 'start-slot', slot: number })
  }

  #tick(at: number): void {
    this.#lookForStuck(at)
    if (!this.#registered) return
    this.#sequence += 1
    this.#out.push({ kind: 'send', message: {
      kind: 'heartbeat', sequence: this.#sequence, tasks: this.#slots.flatMap((slot) => [...slot.tasks.values()].flatMap((held) => held.status ?? [])), logs: this.#slots.flatMap(({ number, log }) => (log === undefined ? [] : [logOf(number, log)])),
    } })
  }

  #lookForStuck(at: number): void {
    // Who stood still itself, alone or with the whole machine, did not listen: what was said to it meanwhile it is about to hear.
    const passed = Math.min(at - (this.#tickedAt ?? at), 2 * this.#heartbeatMs)
    this.#tickedAt = at
    for (const { process, tasks, signs } of this.#slots) {
      if (tasks.size === 0) signs.rests()
      else signs.passed(passed)
      const reason = signs.stuck(this.#facts)
      if (process === undefined || reason === undefined) continue
      this.#out.push({ kind: 'kill-slot', slotId: process.slotId, reason })
      signs.rests()
    }
  }

  #busy(): boolean {
    return this.#slots.some((slot) => slot.tasks.size > 0 || slot.pending.length > 0)
  }

  #leave(): void {
    this.#out.push({ kind: 'send', message: { kind: 'leaving' } }, { kind: 'exit' })
  }

  /** To the driver now, or once it has answered the registration; what that itself will name needs no word while there is no driver. */
  #tell(message: ExecutorMessage): void {
    if (this.#connected && this.#registered) this.#out.push({ kind: 'send', message })
    else if (this.#connected || (message.kind !== 'slot-started' && message.kind !== 'session')) {
      this.#unsent.push(message)
      if (this.#unsent.length > UNSENT_MAX) this.#unsent.shift()
    }
  }

  #registration(): ExecutorMessage {
    const { executor, label, slots, probeAddress, engineVersion, pid, pidStart } = this.#facts
    const generationOf = (held: HeldAssignment): GenerationMessage => held.assignment.generation
    return {
      kind: 'register', executor, label, slots, probeAddress, engineVersion, pid, pidStart,
      processes: this.#slots.flatMap((slot) => slot.process ?? []),
      running: this.#slots.flatMap((slot) => [...slot.tasks.values()].map((held) => ({ task: held.assignment.task, generation: generationOf(held), slot: slot.number, transactionalId: slot.transactionalIds.at(-1) ?? '' }))),
    }
  }
}

const logOf = (slot: number, { heard, silentMs, because }: LogWord): SlotLog => ({ slot, heard, silentMs, ...(because === undefined ? {} : { because }) })
