// A slot: the tasks of one job in one process. One loop turns: work, commit, slices of snapshots, releases; takeovers go on beside it and
// take the loop's lock only to claim and to resume.
import { asTidemarkError, invariantBroken, taskKey } from '@tidemark/base'
import type { Append, Appended, TaskRef, TidemarkError } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import { BatchCommit } from './batch.ts'
import type { CommittedBatch } from './batch.ts'
import { Claiming } from './claiming.ts'
import { Fetching } from './fetching.ts'
import { HeldTask } from './held-task.ts'
import { feedInFlight } from './in-flight.ts'
import { InFlightStoring } from './in-flight-storing.ts'
import { Leaving } from './leaving.ts'
import { Lock } from './lock.ts'
import type { SlotCommand } from './messages.ts'
import { Outbox } from './outbox.ts'
import type { SlotOptions, SlotPorts } from './ports.ts'
import { Readers } from './readers.ts'
import { Recovery } from './recovery.ts'
import { ShuffleEnds } from './shuffle-backlog.ts'
import { Signal } from './signal.ts'
import { Slices } from './slices.ts'
import { Snapshots } from './snapshots.ts'
import { SourceGrowth } from './source-growth.ts'
import { Takeover } from './takeover.ts'
import { Telling } from './telling.ts'
import { SessionLost, Transactions } from './transactions.ts'

/** Work done before the loop looks at commands and fetched input again, ms. */
const WORK_SLICE_MS = 10
/** Longest wait without anything to do; idle marks and timers are noticed this late. */
const IDLE_WAIT_MS = 20

export class Slot {
  readonly #ports: SlotPorts
  readonly #options: SlotOptions
  readonly #held = new Map<string, HeldTask>()
  readonly #lock = new Lock()
  readonly #signal: Signal
  readonly #slices: Slices
  readonly #transactions: Transactions
  readonly #claiming: Claiming
  readonly #batches: BatchCommit
  readonly #readers: Readers
  readonly #inFlight: InFlightStoring
  readonly #outbox: Outbox
  readonly #snapshots: Snapshots
  readonly #recovery: Recovery
  readonly #takeover: Takeover
  readonly #fetching: readonly Fetching[]
  readonly #growth: SourceGrowth
  readonly #telling: Telling
  readonly #leaving: Leaving
  readonly #ends: ShuffleEnds
  /** Resolves with the first session: nothing is claimed before. */
  readonly #ready: Promise<void>
  #tellReady: () => void = () => {}
  #stopping = false
  #ended: TidemarkError | undefined
  #commitBeganAt = -Infinity
  #openedAt: number | undefined

  constructor(ports: SlotPorts, options: SlotOptions) {
    this.#ports = ports
    this.#options = options
    this.#signal = new Signal(ports.clock)
    this.#ready = new Promise((resolve) => { this.#tellReady = resolve })
    const wake = (): void => this.#signal.raise()
    this.#telling = new Telling(ports, options.run.job, () => this.#held.values(), () => this.#running())
    const holds = (held: HeldTask): boolean => this.#held.get(held.key) === held
    this.#transactions = new Transactions({ log: ports.log, clock: ports.clock, logger: ports.logger, idPrefix: paths.transactionalIdPrefix(options.run.job, options.run.run, options.owner.slotId), alive: ports.alive, waiting: () => this.#telling.step() })
    this.#claiming = new Claiming(ports, options, this.#transactions)
    this.#slices = new Slices(ports.clock)
    this.#batches = new BatchCommit(ports, options, this.#claiming, this.#transactions)
    this.#readers = new Readers(ports.log)
    this.#inFlight = new InFlightStoring(ports, this.#readers, (task) => this.#held.get(taskKey(task)))
    this.#outbox = new Outbox(ports, holds, wake)
    this.#snapshots = new Snapshots(ports, options, this.#transactions, (held) => this.#outbox.mayCut(held), wake)
    this.#recovery = new Recovery(ports, this.#claiming, this.#transactions, this.#readers, { running: () => this.#running(), snapshotLost: (held) => this.#snapshots.lost(held, 'a transaction failed'), redeliver: (held) => this.#outbox.deliver(held, held.task.undelivered()), forget: (held) => this.#leaving.forget(held),
      fail: (held, error) => this.#leaving.fail(held, error), waiting: () => this.#telling.step() })
    this.#leaving = new Leaving(ports, { held: this.#held, snapshots: this.#snapshots, outbox: this.#outbox, recovery: this.#recovery, commit: () => this.#commit() })
    this.#takeover = new Takeover(ports, options, this.#claiming, this.#readers, {
      holds,
      lastId: () => {
        const id = this.#transactions.lastId
        if (id === undefined) throw invariantBroken('R5', 'a takeover before the first session', {})
        return id
      },
      // One that was revoked meanwhile writes nothing more: the slot may have been given the task again, under the same id.
      claim: (helds) => this.#locked(() => this.#recovery.claim(helds.filter(holds), (writes, appended) => this.#carry(writes, appended))),
      resume: (held) => this.#locked(() => this.#resume(held)),
      giveUp: (held, outcome) => this.#locked(async () => {
        if (holds(held)) await this.#recovery.letGo(held, outcome)
      }),
      fail: (held, error) => this.#locked(() => this.#leaving.fail(held, error)),
    })
    this.#growth = new SourceGrowth(ports, () => this.#running(), wake)
    this.#ends = new ShuffleEnds(ports, () => this.#running())
    const kinds = new Set(options.run.stages.flatMap((stage) => stage.inputs.map((input) => (input.kind === 'topic' || input.kind === 'shuffle' ? 'log' : input.kind))))
    this.#fetching = [...kinds].map((kind) => new Fetching(ports, kind, () => (kind === 'log' ? [...this.#held.values()].filter((held) => held.takesInput) : this.#running()), this.#signal))
  }

  /** Runs until `stop`, or until an error that ends the process (action `exit`) rejects it. */
  async run(): Promise<void> {
    await this.#firstSession()
    this.#tellReady()
    const fetching = this.#fetching.map((one) => one.run())
    try {
      while (!this.#stopping) {
        const waitMs = await this.#locked(() => this.#turn())
        if (waitMs === 0) await this.#ports.clock.sleep(0)
        else await this.#signal.wait(waitMs)
      }
    } finally {
      for (const one of this.#fetching) one.stop()
      await Promise.all(fetching)
      await this.#readers.close()
      await this.#transactions.close()
    }
  }

  /** A log that refuses it stops the tasks that are here by then, and is asked again for the next ones: the right may have been granted. */
  async #firstSession(): Promise<void> {
    for (;;) {
      try {
        return await this.#locked(() => this.#recovery.session())
      } catch (error) {
        const known = asTidemarkError(error)
        if (known.action !== 'fail-job' || this.#stopping) throw known
        await this.#locked(async () => {
          for (const held of this.#held.values()) await this.#leaving.fail(held, known)
        })
        while (this.#held.size === 0 && !this.#stopping) await this.#signal.wait(IDLE_WAIT_MS)
      }
    }
  }

  /** One thing at a time. After an error that ends the process nothing more is done, whoever met it: the loop is to say so, and stops. */
  #locked<T>(work: () => Promise<T>): Promise<T> {
    return this.#lock.run(async () => {
      if (this.#ended !== undefined) throw this.#ended
      try {
        return await work()
      } catch (error) {
        const known = asTidemarkError(error)
        if (known.action === 'exit') this.#ended = known
        throw error
      }
    })
  }

  /** Ends the loop at the next turn; what is not committed is dropped. A clean end revokes every task first. */
  stop(): void {
    this.#stopping = true
    this.#signal.raise()
  }

  handle(command: SlotCommand): void {
    void this.#dispatch(command).catch((error: unknown) => this.#ports.logger.error({ command: command.kind, error: asTidemarkError(error) }, 'slot.command-failed'))
  }

  async #dispatch(command: SlotCommand): Promise<void> {
    switch (command.kind) {
      case 'assign': {
        const fresh = command.tasks.filter(({ task }) => !this.#held.has(taskKey(task))).flatMap((one) => this.#make(one) ?? [])
        for (const held of fresh) this.#held.set(held.key, held)
        await this.#ready
        await this.#takeover.run(fresh.filter((held) => this.#held.get(held.key) === held))
        break
      }
      case 'revoke':
        await this.#locked(async () => {
          for (const held of this.#find(command.tasks)) await (command.reason === 'move' ? this.#leaving.handOver(held) : this.#leaving.stop(held))
        })
        break
      case 'snapshot-begin':
        await this.#locked(async () => {
          await this.#commit()
          if (command.last === true) for (const held of this.#find(command.tasks)) held.drain.beginsLast(command.checkpoint, this.#options.settings.checkpointTimeoutMs)
          for (const held of this.#find(command.tasks)) if (held.phase === 'running' && held.failure === undefined) this.#snapshots.begin(held, command.checkpoint)
          for (const held of this.#find(command.tasks)) this.#outbox.resume(held)
        })
        break
      case 'snapshot-complete':
        await this.#locked(async () => {
          for (const held of this.#find(command.tasks)) this.#snapshots.complete(held, command.checkpoint)
        })
        break
      case 'snapshot-in-flight':
        await this.#inFlight.store(command)
        break
      case 'pause':
        for (const held of this.#find(command.tasks)) held.pause(command.forMs, command.reason)
        break
      case 'snapshot-abandon':
        this.#snapshots.abandon(command.checkpoint)
        break
    }
    this.#signal.raise()
  }

  /** Undefined: it has failed before it began. */
  #make({ task, generation, slotDied = false, still = false }: (SlotCommand & { kind: 'assign' })['tasks'][number]): HeldTask | undefined {
    try {
      const held = new HeldTask(() => this.#options.makeTask(task), generation, paths.journalTopic(task.job, task.run, task.stage), this.#ports.clock, this.#slices)
      held.slotDied = slotDied
      held.drain.still = still
      return held
    } catch (error) {
      const known = asTidemarkError(error)
      this.#ports.logger.error({ task: taskKey(task), error: known }, 'task.failed')
      this.#ports.emit({ kind: 'failed', task, generation, error: known })
      return undefined
    }
  }

  #find(tasks: readonly TaskRef[]): HeldTask[] {
    return tasks.flatMap((task) => this.#held.get(taskKey(task)) ?? [])
  }

  #running(): HeldTask[] {
    return [...this.#held.values()].filter((held) => held.phase === 'running' || held.phase === 'waiting')
  }

  /** One turn of the loop, under the lock. Returns how long there is nothing to do unless something arrives, ms; 0: there is more at once. */
  async #turn(): Promise<number> {
    this.#telling.step()
    if (this.#transactions.lost && !this.#recovery.refused) await this.#recovery.reclaim()
    this.#outbox.settle()
    this.#growth.step()
    this.#ends.step()
    let more = false
    let full = false
    const now = this.#ports.clock.now()
    const { settings } = this.#options
    for (const held of this.#running()) {
      if (held.failure === undefined && !held.drain.stands && !this.#paused(held)) {
        const done = this.#work(held, now)
        more ||= done.more
        full ||= done.full
        held.worked()
      }
      const failure = held.failure ?? held.task.failure
      if (failure !== undefined) await this.#leaving.fail(held, failure)
    }
    const dirty = this.#running().filter((held) => held.dirty)
    const at = this.#ports.clock.monotonic()
    if (dirty.length > 0) this.#openedAt ??= at
    else this.#openedAt = undefined
    const openMs = at - (this.#openedAt ?? at)
    // A task that was taken over speaks again at once, however long its backlog is.
    const silent = dirty.some((held) => held.timeline.firstCommitMs === undefined)
    const due = silent || full || openMs >= settings.commitIntervalMaxMs || (!more && at - this.#commitBeganAt >= settings.commitIntervalMinMs)
    if (dirty.length > 0 && due) await this.#commit()
    const walks = this.#openedAt === undefined || !this.#options.rules.S9
    if (walks) for (const held of this.#running()) if (held.failure === undefined) this.#snapshots.step(held)
    if (more || full || this.#running().some((held) => held.failure !== undefined || (walks && this.#snapshots.wants(held)))) return 0
    if (this.#openedAt === undefined) return IDLE_WAIT_MS
    const dueMs = settings.commitIntervalMinMs - (this.#ports.clock.monotonic() - this.#commitBeganAt)
    return Math.min(IDLE_WAIT_MS, Math.max(1, Math.ceil(dueMs)))
  }

  #work(held: HeldTask, now: number): { readonly more: boolean, readonly full: boolean } {
    const { batchOutputBytesMax: outputBytesMax, batchStateBytesMax: stateBytesMax } = this.#options.settings
    const budget = { workMs: WORK_SLICE_MS, outputBytesMax, stateBytesMax }
    if (!held.careful) return held.task.work(budget, now)
    const until = this.#ports.clock.monotonic() + WORK_SLICE_MS
    for (;;) {
      const done = held.task.work({ ...budget, recordsMax: 1 }, now)
      if (!done.more || done.full || this.#ports.clock.monotonic() >= until) return done
    }
  }

  /** A full outbox pauses the task, with its reason. */
  #paused(held: HeldTask): boolean {
    const full = held.task.content().outbox.bytes > this.#options.settings.outboxBytesMax
    if (full) held.waitingFor = 'outbox full'
    else if (held.waitingFor === 'outbox full') held.waitingFor = undefined
    return full
  }

  /** Commits what is open: one transaction for all, a suspect task in its own. After a lost session the owner has claimed again. */
  async #commit(): Promise<void> {
    this.#openedAt = undefined
    this.#commitBeganAt = this.#ports.clock.monotonic()
    const dirty = this.#running().filter((held) => held.failure === undefined && held.dirty)
    const together = dirty.filter((held) => !held.suspect)
    for (const group of [together, ...dirty.filter((held) => held.suspect).map((held) => [held])]) {
      if (group.length === 0) continue
      try {
        this.#afterCommit((await this.#batches.run(group)).committed)
      } catch (error) {
        if (!(error instanceof SessionLost)) throw error
        await this.#recovery.reclaim()
        break
      }
    }
  }

  /**
   * Claims of takeovers stand in the transaction that commits what is open: one of their own would keep the results of the tasks that run waiting for as long
   * as another commit takes. A suspect's batch is not risked with them.
   */
  async #carry(writes: readonly Append[], appended: () => void): Promise<readonly Appended[]> {
    const dirty = this.#running().filter((held) => held.failure === undefined && held.dirty)
    const group = dirty.filter((held) => !held.suspect)
    if (group.length > 0) this.#commitBeganAt = this.#ports.clock.monotonic()
    if (group.length === dirty.length) this.#openedAt = undefined
    try {
      const { committed, beside } = await this.#batches.run(group, { writes, appended })
      this.#afterCommit(committed)
      return beside
    } catch (error) {
      // Not of the claims: what it leaves of the batches nobody goes on from.
      if (!(error instanceof SessionLost)) this.#ended ??= asTidemarkError(error)
      throw error
    }
  }

  #afterCommit(committed: readonly CommittedBatch[]): void {
    for (const { held, batch, record } of committed) {
      this.#snapshots.committed(held, record)
      this.#outbox.deliver(held, batch.outbox)
    }
  }

  async #resume(held: HeldTask): Promise<boolean> {
    // Revoked while it was loaded: nobody waits for it any more.
    if (this.#held.get(held.key) !== held) return true
    if (this.#transactions.lost) await this.#recovery.reclaim()
    if (held.claim?.transactionalId !== this.#transactions.id) return false
    held.enter('running')
    held.waitingFor = undefined
    this.#outbox.deliver(held, held.task.undelivered())
    this.#ports.faults.reach('takeover.outbox-redelivered')
    void feedInFlight(this.#ports, this.#options, held, () => this.#held.get(held.key) === held).catch((error: unknown) => {
      held.failure = asTidemarkError(error)
    })
    this.#ports.logger.info({ task: held.key, ...held.timeline }, 'takeover.running')
    this.#ports.emit({ kind: 'running', task: held.ref, generation: held.generation, recovery: held.timeline })
    this.#signal.raise()
    return true
  }
}
