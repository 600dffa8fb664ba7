// The executors that a driver knows, by their UUID; names are labels. Slots, the process in each and its newest transactional id.
import type { ExecutorId, JobId, SlotId } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { ExecutorMessage, SlotProcess } from '@tidemark/wire'
import type { CutOff, LogHealth } from './log-silence.ts'
import type { ConnectionId, ProcessId } from './protocol.ts'

export interface RunKey {
  readonly job: JobId
  readonly run: number
}

export interface SlotEntry {
  readonly slot: number
  process: SlotProcess | undefined
  /** The one to fence at a verdict: earlier ids of this process were fenced by itself before it took this one. */
  transactionalId: string | undefined
  /** Told to be killed: gets nothing until its process has ended. */
  doomed: boolean
  /** The run that its process works for, or was told to get ready for; undefined: a fresh process. */
  run: RunKey | undefined
  /** Processes that died before they were ready, in a row, and when the next one may be told: a run that no process survives must not be tried without a pause. */
  failures: number
  notBeforeMs: number
  /** What its process hears of the log; undefined: it has not said yet. */
  log: LogHealth | undefined
  /** The log answers others and not this slot: it gets nothing. Stays when its process is replaced. */
  cutOff: CutOff | undefined
}

export type ExecutorState = 'alive' | 'suspected' | 'draining' | 'dead' | 'left'

export interface ExecutorEntry {
  readonly id: ExecutorId
  readonly label: string
  readonly probeAddress: string
  readonly process: ProcessId
  readonly slots: readonly SlotEntry[]
  state: ExecutorState
  reason: string | undefined
  /** Since when it is in this state; monotonic ms. */
  sinceMs: number
  connection: ConnectionId | undefined
  heardAtMs: number
  /** When its stream ended without a goodbye; undefined while it has one. */
  lostAtMs: number | undefined
  lostBecause: string
  /** The probe found this very process: it lives, so the grace for a reconnect does not end it. */
  answered: boolean
  draining: boolean
}

/** Dead or left executors are kept for `describe` up to this many. */
const GONE_MAX = 50

type Register = Extract<ExecutorMessage, { readonly kind: 'register' }>

export class ExecutorRegistry {
  readonly #byId = new Map<ExecutorId, ExecutorEntry>()
  readonly #byConnection = new Map<ConnectionId, ExecutorId>()

  /** A first registration, or one on a new stream; `replaced` is the stream it had before. */
  register(message: Register, connection: ConnectionId, nowMs: number): { readonly entry: ExecutorEntry, readonly returned: boolean, readonly replaced: ConnectionId | undefined } {
    const before = this.#byId.get(message.executor)
    const process = (slot: number): SlotProcess | undefined => message.processes.find((one) => one.slot === slot)
    const idOf = (slot: number): string | undefined => message.running.find((one) => one.slot === slot && one.transactionalId !== '')?.transactionalId
    const slots = Array.from({ length: message.slots }, (_, slot): SlotEntry => {
      const old = before?.slots[slot]
      const same = old?.process !== undefined && old.process.slotId === process(slot)?.slotId
      const task = message.running.find((one) => one.slot === slot)?.task
      const transactionalId = idOf(slot) ?? (same ? old.transactionalId : undefined)
      return {
        // What it was told to get ready for, or that it is, may be lost with the stream before: without a session of it, it is told again.
        slot, process: process(slot), transactionalId, doomed: same && old.doomed, run: task === undefined ? runOf(transactionalId) : { job: task.job, run: task.run }, failures: old?.failures ?? 0, notBeforeMs: old?.notBeforeMs ?? 0, log: undefined, cutOff: old?.cutOff,
      }
    })
    const entry: ExecutorEntry = {
      id: message.executor, label: message.label, probeAddress: message.probeAddress, process: { pid: message.pid, pidStart: message.pidStart }, slots,
      state: before?.draining ? 'draining' : 'alive', reason: undefined, sinceMs: before !== undefined && before.state === 'alive' ? before.sinceMs : nowMs,
      connection, heardAtMs: nowMs, lostAtMs: undefined, lostBecause: '', answered: false, draining: before?.draining ?? false,
    }
    if (before?.connection !== undefined) this.#byConnection.delete(before.connection)
    this.#byId.set(entry.id, entry)
    this.#byConnection.set(connection, entry.id)
    this.#forgetOldest()
    return { entry, returned: before !== undefined, replaced: before?.connection === connection ? undefined : before?.connection }
  }

  get(id: ExecutorId): ExecutorEntry | undefined {
    return this.#byId.get(id)
  }

  at(connection: ConnectionId): ExecutorEntry | undefined {
    const id = this.#byConnection.get(connection)
    return id === undefined ? undefined : this.#byId.get(id)
  }

  all(): ExecutorEntry[] {
    return [...this.#byId.values()]
  }

  /** Those that are not gone: alive, suspected or draining. */
  present(): ExecutorEntry[] {
    return this.all().filter((entry) => !isGone(entry))
  }

  disconnected(entry: ExecutorEntry): void {
    if (entry.connection !== undefined) this.#byConnection.delete(entry.connection)
    entry.connection = undefined
  }

  #forgetOldest(): void {
    const gone = this.all().filter(isGone).toSorted((a, b) => a.sinceMs - b.sinceMs)
    for (const entry of gone.slice(0, Math.max(0, gone.length - GONE_MAX))) this.#byId.delete(entry.id)
  }
}

const runOf = (transactionalId: string | undefined): RunKey | undefined => {
  const id = transactionalId === undefined ? undefined : paths.parseTransactionalId(transactionalId)
  return id === undefined ? undefined : { job: id.job, run: id.run }
}

/** What a new process of this slot is told anew. */
export const emptied = (slot: SlotEntry): void => {
  slot.process = undefined
  slot.transactionalId = undefined
  slot.doomed = false
  slot.run = undefined
  slot.log = undefined
}

export const isGone = (entry: ExecutorEntry): boolean => entry.state === 'dead' || entry.state === 'left'

export const moveTo = (entry: ExecutorEntry, state: ExecutorState, nowMs: number, reason?: string): void => {
  if (entry.state !== state) entry.sinceMs = nowMs
  entry.state = state
  entry.reason = reason
}

export const slotOf = (entry: ExecutorEntry, slotId: SlotId): SlotEntry | undefined => entry.slots.find((one) => one.process?.slotId === slotId)
