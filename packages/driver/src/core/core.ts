// The driver as a state machine: events and the time in, commands out. Reads no clock, no random source, no socket.
import { howMany, taskKey } from '@tidemark/base'
import type { SlotId } from '@tidemark/base'
import { ALL_RULES } from '@tidemark/checkpoint'
import type { Rules } from '@tidemark/checkpoint'
import type { ExecutorMessage, JobDescription, JobEvent, JobSummary, WatchRequest } from '@tidemark/wire'
import { Backlogs } from './backlogs.ts'
import { Balance } from './balance.ts'
import { Checkpoints } from './checkpoints.ts'
import { CutOffs } from './cut-offs.ts'
import { describeJob, summarise } from './describe.ts'
import { judgeByProbe, judgeByTime, pausedFor } from './detection.ts'
import { EventLog } from './event-log.ts'
import { emptied, ExecutorRegistry, isGone, moveTo, slotOf } from './executors.ts'
import type { ExecutorEntry } from './executors.ts'
import { Generations } from './generations.ts'
import { groupEdited } from './group-edits.ts'
import { JobsControl } from './jobs-control.ts'
import { JobTable } from './jobs.ts'
import { hear } from './log-silence.ts'
import type { JobEntry } from './jobs.ts'
import { Out } from './out.ts'
import { Ownership } from './ownership.ts'
import type { Parts } from './ownership.ts'
import { DEFAULT_SETTINGS } from './protocol.ts'
import type { ConnectionId, DriverCommand, DriverEvent, DriverIdentity, DriverSettings } from './protocol.ts'

export class DriverCore {
  readonly #me: DriverIdentity
  readonly #settings: DriverSettings
  readonly #log: EventLog
  readonly #out: Out
  readonly #executors = new ExecutorRegistry()
  readonly #jobs = new JobTable()
  readonly #generations: Generations
  readonly #checkpoints: Checkpoints
  readonly #ownership: Ownership
  readonly #balance: Balance
  readonly #cutOffs: CutOffs
  readonly #backlogs: Backlogs
  readonly #control: JobsControl
  #lastEventMs: number | undefined

  constructor(me: DriverIdentity, settings: DriverSettings = DEFAULT_SETTINGS, rules: Rules = ALL_RULES) {
    this.#me = me
    this.#settings = settings
    this.#log = new EventLog(me.epoch, settings.eventsMax)
    this.#out = new Out(this.#log, me.wallOffsetMs)
    this.#generations = new Generations(me.epoch, rules)
    this.#checkpoints = new Checkpoints(me.epoch, rules, this.#jobs, this.#executors, this.#out)
    const parts: Parts = { epoch: me.epoch, settings, jobs: this.#jobs, executors: this.#executors, generations: this.#generations, checkpoints: this.#checkpoints, out: this.#out }
    this.#ownership = new Ownership(parts)
    this.#balance = new Balance(parts, this.#ownership)
    this.#cutOffs = new CutOffs(parts, this.#ownership)
    this.#backlogs = new Backlogs(parts)
    this.#control = new JobsControl(parts, this.#ownership)
  }

  /** `nowMs`: monotonic, and at least every `tickMs` a tick. */
  handle(event: DriverEvent, nowMs: number): DriverCommand[] {
    this.#out.nowMs = nowMs
    this.#afterPause(nowMs)
    if (this.#handle(event)) this.#balance.run()
    return this.#out.take()
  }

  job(id: string): JobEntry | undefined {
    return this.#jobs.get(id)
  }
  list(nowMs: number): JobSummary[] {
    this.#out.nowMs = nowMs
    return this.#jobs.all().map((job) => summarise(job, this.#executors, this.#out))
  }
  /** `freeBytes`: on the disk of the log, where that is known. */
  describe(id: string, nowMs: number, freeBytes?: number): JobDescription | undefined {
    this.#out.nowMs = nowMs
    const job = this.#jobs.get(id)
    return job && describeJob(job, this.#executors, this.#jobs, this.#checkpoints.describe(job.id), this.#out, freeBytes)
  }
  events(request: Pick<WatchRequest, 'job' | 'after'>): JobEvent[] {
    return this.#log.after(request)
  }

  /** True: what belongs where may have changed. */
  #handle(event: DriverEvent): boolean {
    switch (event.kind) {
      case 'message': return this.#message(event.connection, event.message)
      case 'closed': return this.#closed(event.connection, event.goodbye, event.reason)
      case 'probed': return this.#probed(event)
      case 'tick': return this.#tick()
      case 'outputs-read':
        this.#checkpoints.outputsRead(event.job, event.checkpoint, event.outputs)
        return false
      case 'checkpoint-written':
        if (!this.#checkpoints.written(event.job, event.checkpoint, event.retained)) return false
        this.#control.drained(event.job, event.checkpoint.checkpoint)
        return true
      case 'checkpoint-failed':
        this.#checkpoints.writeFailed(event.job, event.checkpoint, event.reason)
        return false
      case 'store-heard': return this.#balance.storeHeard(event.answers)
      default:
        this.#control.handle(event)
        return true
    }
  }

  /** This process stood still: whoever seemed silent meanwhile gets a new period, and who was lost is asked again. */
  #afterPause(nowMs: number): void {
    const paused = this.#lastEventMs === undefined ? undefined : pausedFor(this.#lastEventMs, nowMs, this.#settings)
    this.#lastEventMs = nowMs
    if (paused === undefined) return
    this.#out.happened({ event: 'driver.was-paused', level: 'warn', message: `this driver stood still for ${Math.round(paused)} ms: every executor gets a new period`, facts: { pausedMs: Math.round(paused) } })
    for (const entry of this.#executors.present()) {
      entry.heardAtMs = nowMs
      if (entry.lostAtMs === undefined) continue
      entry.lostAtMs = nowMs
      this.#probe(entry)
    }
  }

  #tick(): boolean {
    for (const entry of this.#executors.present()) {
      const judgement = judgeByTime(entry, this.#out.nowMs, this.#settings)
      if (judgement.kind === 'dead') this.#dead(entry, judgement.reason)
    }
    this.#cutOffs.run()
    this.#balance.overdue()
    this.#control.tick()
    this.#checkpoints.tick()
    this.#backlogs.run()
    return true
  }

  #message(connection: ConnectionId, message: ExecutorMessage): boolean {
    if (message.kind === 'register') {
      this.#register(connection, message)
      return true
    }
    const entry = this.#executors.at(connection)
    if (entry === undefined || entry.connection !== connection) {
      // Its place was given away (a verdict, or a newer stream): it has to register anew.
      this.#out.push({ kind: 'disconnect', connection })
      return false
    }
    entry.heardAtMs = this.#out.nowMs
    return this.#says(entry, message)
  }

  #register(connection: ConnectionId, message: Extract<ExecutorMessage, { readonly kind: 'register' }>): void {
    if (!message.running.every(({ generation }) => this.#generations.seen(generation))) {
      this.#out.push({ kind: 'step-down', reason: `executor ${message.label} runs tasks of a driver with a higher epoch than ${this.#me.epoch}` })
      return
    }
    const { entry, returned, replaced } = this.#executors.register(message, connection, this.#out.nowMs)
    if (replaced !== undefined) this.#out.push({ kind: 'disconnect', connection: replaced })
    this.#out.happened({ event: returned ? 'executor.returned' : 'executor.joined', executor: entry.id, message: `executor ${entry.label} ${returned ? 'is back' : 'joins'} with ${howMany(entry.slots.length, 'slot')} and ${howMany(message.running.length, 'task')}`, facts: { label: entry.label, slots: entry.slots.length, engineVersion: message.engineVersion } })
    this.#out.send(entry, { kind: 'registered', driver: this.#me.driver, epoch: this.#me.epoch, heartbeatIntervalMs: this.#settings.heartbeatIntervalMs, heartbeatTimeoutMs: this.#settings.heartbeatTimeoutMs })
    for (const { slot, process, doomed } of entry.slots) {
      if (doomed && process) this.#out.send(entry, { kind: 'kill-slot', epoch: this.#me.epoch, slot, slotId: process.slotId, reason: 'it was to be killed before the stream broke' })
    }
    this.#ownership.adopt(entry, message.running)
  }

  #says(entry: ExecutorEntry, message: Exclude<ExecutorMessage, { readonly kind: 'register' }>): boolean {
    switch (message.kind) {
      case 'heartbeat':
        this.#ownership.heartbeat(entry, message.tasks)
        for (const told of message.logs) {
          const slot = entry.slots[told.slot]
          if (slot) slot.log = hear(slot.log, told, this.#out.nowMs, this.#settings)
        }
        return false
      case 'slot-started': {
        const slot = entry.slots[message.process.slot]
        if (!slot) return false
        emptied(slot)
        slot.process = message.process
        // What the process before had died with it: whatever this slot was given waits for this one, also when it was given to the one before.
        for (const { job, place } of this.#jobs.placed(entry.id)) {
          if (place.slot !== slot.slot) continue
          place.slotId = message.process.slotId
          slot.run = { job: job.id, run: job.run.record.run }
        }
        return true
      }
      case 'session': {
        const slot = entry.slots[message.slot]
        if (!slot) return false
        slot.transactionalId = message.transactionalId
        slot.failures = 0
        return true
      }
      case 'slot-died': return this.#slotDied(entry, message)
      case 'running':
        this.#ownership.running(message.task, entry, message.generation, message.recovery)
        return true
      case 'released':
        this.#ownership.released(message.task, entry, message.generation)
        return true
      case 'given-up':
        if (this.#ownership.givenUp(message.task, entry, message.generation, message.reason) && message.ended) this.#control.over(message.task.job, message.reason)
        return true
      case 'failed':
        if (this.#ownership.failed(message.task, entry, message.generation, message.error) && message.error.action === 'fail-job') this.#control.fail(message.task.job, message.error)
        return true
      case 'snapshot-cut':
        if (this.#ownership.owned(message.task, entry.id)) this.#checkpoints.cut(message.task, message.checkpoint, message.batchId)
        return false
      case 'snapshot-named':
        if (this.#ownership.owned(message.part.task, entry.id)) this.#checkpoints.named(message.part)
        return false
      case 'snapshot-failed':
        if (this.#ownership.owned(message.task, entry.id)) this.#checkpoints.failed(message.task, message.checkpoint, message.reason)
        return false
      case 'in-flight-stored':
        if (this.#ownership.owned(message.task, entry.id)) this.#checkpoints.inFlightStored(message.task, message.checkpoint, message.objects, message.blocks, message.bytes)
        return false
      case 'group-edited': {
        const job = this.#jobs.get(message.job)
        if (job !== undefined) groupEdited(job, entry, message, this.#out)
        return false
      }
      case 'draining':
        entry.draining = true
        moveTo(entry, 'draining', this.#out.nowMs)
        this.#out.happened({ event: 'executor.draining', executor: entry.id, message: `executor ${entry.label} is leaving: its tasks move`, facts: { label: entry.label } })
        return true
      case 'leaving':
        this.#left(entry)
        return true
    }
  }

  #slotDied(entry: ExecutorEntry, { slotId, slot: number, reason, transactionalIds, tasks }: { readonly slotId: SlotId, readonly slot: number, readonly reason: string, readonly transactionalIds: readonly string[], readonly tasks: Parameters<Ownership['slotDied']>[2] }): boolean {
    const lost = this.#ownership.slotDied(entry, slotId, tasks, reason)
    const slot = slotOf(entry, slotId)
    if (slot) {
      if (slot.run !== undefined && slot.transactionalId === undefined) {
        slot.notBeforeMs = this.#out.nowMs + Math.min(this.#settings.taskRetryMaxMs, this.#settings.taskRetryMinMs * 2 ** Math.min(slot.failures, 20))
        slot.failures += 1
      }
      emptied(slot)
    }
    const ids = transactionalIds.filter((id) => id !== '')
    if (ids.length > 0) this.#out.push({ kind: 'fence', ids, because: `slot ${number} of ${entry.label} died` })
    this.#out.happened({ event: 'slot.died', executor: entry.id, level: lost > 0 ? 'warn' : 'info', message: `slot ${number} of ${entry.label} died: ${reason}; ${howMany(lost, 'task moves', 'tasks move')}`, facts: { slot: number, slotId, reason, tasks: tasks.map(taskKey) } })
    return true
  }

  #closed(connection: ConnectionId, goodbye: boolean, reason: string): boolean {
    const entry = this.#executors.at(connection)
    if (entry === undefined || isGone(entry)) return false
    this.#executors.disconnected(entry)
    if (goodbye) {
      this.#left(entry)
      return true
    }
    entry.lostAtMs = this.#out.nowMs
    entry.lostBecause = reason
    entry.answered = false
    moveTo(entry, 'suspected', this.#out.nowMs, reason)
    this.#out.happened({ event: 'executor.suspected', executor: entry.id, level: 'warn', message: `executor ${entry.label}: ${reason}; it is probed`, facts: { reason } })
    this.#probe(entry)
    return false
  }

  #probe(entry: ExecutorEntry): void {
    this.#out.push({ kind: 'probe', executor: entry.id, address: entry.probeAddress, deadlineMs: this.#settings.reconnectGraceMs })
  }

  #probed({ executor, answer }: Extract<DriverEvent, { readonly kind: 'probed' }>): boolean {
    const entry = this.#executors.get(executor)
    if (entry === undefined || isGone(entry)) return false
    const judgement = judgeByProbe(executor, entry, answer)
    entry.answered ||= judgement.answered
    if (judgement.kind === 'dead') this.#dead(entry, judgement.reason)
    return judgement.kind === 'dead'
  }

  /** The verdict: fence what it may have left open, kill it where the log is a local file, give its tasks to others. */
  #dead(entry: ExecutorEntry, reason: string): void {
    const silentMs = Math.round(this.#out.nowMs - entry.heardAtMs)
    if (entry.connection !== undefined) this.#out.push({ kind: 'disconnect', connection: entry.connection })
    this.#executors.disconnected(entry)
    moveTo(entry, 'dead', this.#out.nowMs, reason)
    const tasks = this.#forget(entry, `executor ${entry.label} is dead: ${reason}`)
    const ids = entry.slots.flatMap(({ transactionalId }) => transactionalId ?? [])
    if (ids.length > 0) this.#out.push({ kind: 'fence', ids, because: `executor ${entry.label} is dead` })
    this.#out.push({ kind: 'kill', executor: entry.id, processes: [entry.process, ...entry.slots.flatMap(({ process }) => process ?? [])].map(({ pid, pidStart }) => ({ pid, pidStart })) })
    this.#out.happened({ event: 'executor.dead', executor: entry.id, level: 'warn', message: `executor ${entry.label} is dead: ${reason}; ${howMany(tasks, 'task moves', 'tasks move')}`, facts: { label: entry.label, reason, silentMs, tasks } })
  }

  #left(entry: ExecutorEntry): void {
    if (isGone(entry)) return
    moveTo(entry, 'left', this.#out.nowMs, 'said goodbye')
    const tasks = this.#forget(entry, `executor ${entry.label} left`)
    this.#out.happened({ event: 'executor.left', executor: entry.id, message: `executor ${entry.label} left${tasks > 0 ? `, ${howMany(tasks, 'task moves', 'tasks move')}` : ''}`, facts: { label: entry.label, tasks } })
  }

  #forget(entry: ExecutorEntry, cause: string): number {
    const placed = this.#jobs.placed(entry.id)
    for (const { task } of placed) this.#ownership.lose(task, cause)
    return placed.length
  }
}

