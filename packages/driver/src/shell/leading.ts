// One leadership at work: feeds the core, carries its commands out, and brings the answers back. Ends with the lease.
import { asTidemarkError } from '@tidemark/base'
import type { JobId, TidemarkError, Timer, TransactionalId } from '@tidemark/base'
import type { ManifestOutput, RunRecord } from '@tidemark/checkpoint'
import type { DriverStream, ErrorMessage, JobEvent } from '@tidemark/wire'
import { parsePlan } from 'tidemark'
import { DriverCore } from '../core/core.ts'
import type { ConnectionId, DriverCommand, DriverEvent, DriverSettings, KnownJob } from '../core/protocol.ts'
import { collectGarbage, readOutputs, retain, writeCheckpoint } from './checkpoint.ts'
import { updateDefinition } from './definition.ts'
import type { DriverPorts, Leadership } from './ports.ts'
import { otherRelease } from './release.ts'
import { cancelRun, readRun, startRun } from './start-run.ts'
import { stillLeads } from './still-leads.ts'
import type { Surface } from './surface.ts'
import { untilKnown } from './until-answered.ts'

export const errorMessageOf = (error: unknown): ErrorMessage => {
  const { code, message, blame, action, hint } = asTidemarkError(error)
  return { code, message, blame, action, ...(hint === undefined ? {} : { hint }) }
}

export interface LeadingOptions extends Surface {
  readonly ports: DriverPorts
  readonly leadership: Leadership
  readonly settings: DriverSettings
  readonly engineVersion: string
  /** What the object store told, before anybody was listened to. */
  readonly jobs: readonly KnownJob[]
  /** Jobs that are there and could not be read. */
  readonly damaged?: ReadonlyMap<JobId, TidemarkError>
  readonly onStepDown: (reason: string) => void
}

export class Leading {
  readonly core: DriverCore
  readonly leadership: Leadership
  readonly #damaged: ReadonlyMap<JobId, TidemarkError>
  readonly #options: LeadingOptions
  readonly #streams = new Map<ConnectionId, DriverStream>()
  /** Who follows events, and what ends each. */
  readonly #watchers = new Map<(event: JobEvent) => void, () => void>()
  #connection = 0
  #timer: Timer | undefined
  #over = false

  constructor(options: LeadingOptions) {
    this.#options = options
    this.leadership = options.leadership
    this.#damaged = options.damaged ?? new Map()
    const { clock } = options.ports
    this.core = new DriverCore({ driver: options.leadership.driver, epoch: options.leadership.epoch, wallOffsetMs: clock.now() - clock.monotonic() }, options.settings, options.leadership.rules)
    for (const job of options.jobs) this.feed({ kind: 'job-known', job })
    this.#tick()
  }

  /** What is wrong with each job that this leadership goes without: those that it was given since are none of them. */
  damaged(): ReadonlyMap<JobId, TidemarkError> {
    return new Map([...this.#damaged].filter(([job]) => this.core.job(job) === undefined))
  }

  feed(event: DriverEvent): void {
    if (this.#over) return
    for (const command of this.core.handle(event, this.#options.ports.clock.monotonic())) this.#carryOut(command)
  }

  accept(stream: DriverStream): void {
    const connection = ++this.#connection
    this.#streams.set(connection, stream)
    stream.onMessage((message) => {
      const refusal = message.kind === 'register' ? otherRelease(message.label, message.engineVersion, this.#options.engineVersion) : undefined
      if (refusal === undefined) return this.feed({ kind: 'message', connection, message })
      this.#options.ports.logger.warn({ label: message.kind === 'register' ? message.label : '', error: refusal }, 'executor.refused')
      stream.send({ kind: 'refused', error: errorMessageOf(refusal) })
      stream.close()
    })
    stream.onClose(({ goodbye, reason }) => {
      this.#streams.delete(connection)
      this.feed({ kind: 'closed', connection, goodbye, reason })
    })
  }

  /** Resolves with the signal, or with this leadership. */
  watch(emit: (event: JobEvent) => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#watchers.set(emit, resolve)
      signal.addEventListener('abort', () => {
        this.#watchers.delete(emit)
        resolve()
      }, { once: true })
    })
  }

  /** Decides nothing more. */
  halt(): void {
    this.#over = true
    this.#timer?.cancel()
  }

  /** Executors go on by themselves and look for the next leader. */
  end(leader: string | undefined): void {
    this.halt()
    for (const stream of this.#streams.values()) {
      stream.send({ kind: 'not-leader', ...(leader === undefined ? {} : { leader }) })
      stream.close()
    }
    this.#streams.clear()
    for (const endWatch of this.#watchers.values()) endWatch()
    this.#watchers.clear()
  }

  #tick(): void {
    if (this.#over) return
    this.#timer = this.#options.ports.clock.after(this.#options.settings.tickMs, () => {
      this.feed({ kind: 'tick' })
      this.#tick()
    })
  }

  #carryOut(command: DriverCommand): void {
    const { kill, onStepDown, ports, probe } = this.#options
    switch (command.kind) {
      case 'send':
        this.#streams.get(command.connection)?.send(command.message)
        return
      case 'disconnect':
        this.#streams.get(command.connection)?.close()
        this.#streams.delete(command.connection)
        return
      case 'event': {
        const { event, message, ...rest } = command.event
        ports.logger[command.level]({ ...rest, event, message }, event)
        for (const emit of this.#watchers.keys()) emit(command.event)
        return
      }
      case 'step-down': return onStepDown(command.reason)
      case 'kill': {
        const killed = kill?.(command.processes) ?? 0
        if (killed > 0) ports.logger.warn({ executor: command.executor, killed }, 'executor.processes-killed')
        return
      }
      case 'probe':
        void probe(command.address, command.deadlineMs).then((answer) => this.feed({ kind: 'probed', executor: command.executor, answer }))
        return
      case 'fence':
        void this.#fence(command.ids, command.because)
        return
      case 'ask-store':
        void this.#askStore()
        return
      default:
        void this.#procedure(command)
    }
  }

  async #fence(ids: readonly string[], because: string): Promise<void> {
    const { log, logger } = this.#options.ports
    await Promise.all(ids.map(async (id) => {
      try {
        await log.fence(id as TransactionalId)
        logger.info({ id, because }, 'owner.fenced')
      } catch (error) {
        // It only frees readers sooner: whoever takes over fences for itself (R3).
        logger.warn({ id, error: asTidemarkError(error) }, 'owner.fence-failed')
      }
    }))
  }

  async #askStore(): Promise<void> {
    const { logger } = this.#options.ports
    const answers = await stillLeads(this.#options.ports, this.leadership).then(() => true, (error: unknown) => {
      logger.warn({ error: asTidemarkError(error), meanwhile: 'planned moves wait' }, 'store.silent')
      return false
    })
    this.feed({ kind: 'store-heard', answers })
  }

  async #procedure(command: Exclude<DriverCommand, { readonly kind: 'send' | 'disconnect' | 'event' | 'step-down' | 'kill' | 'probe' | 'fence' | 'ask-store' }>): Promise<void> {
    const { ports } = this.#options
    const { leadership } = this
    const { job, run } = command
    try {
      switch (command.kind) {
        case 'start-run': {
          const { notes, cleanUp } = await startRun(ports, leadership, job, run, command.generation, command.started)
          this.feed({ kind: 'run-ready', job, run, notes })
          await cleanUp().catch((error: unknown) => ports.logger.warn({ job, run, error: asTidemarkError(error) }, 'run.clean-up-failed'))
          return
        }
        case 'cancel-run':
          await cancelRun(ports, leadership, job, run, command.generation, command.finalCheckpoint)
          this.feed({ kind: 'run-cancelled', job, run })
          return
        case 'record-failure':
          // Who leads next begins again what is not stored as failed. What has left that state since has another word stored, or coming.
          await untilKnown(ports, { job, run }, async () => {
            const now = this.core.job(job)
            if (!this.#over && now?.state === 'failed' && now.run.record.run === run) await updateDefinition(ports.store, leadership, job, run, { state: 'failed', error: command.error })
          })
          return
        case 'read-outputs': {
          this.feed({ kind: 'outputs-read', job, checkpoint: command.checkpoint, outputs: await this.#outputs(await readRun(ports, job, run)) })
          return
        }
        case 'write-checkpoint': return await this.#writeCheckpoint(command)
      }
    } catch (error) {
      const known = errorMessageOf(error)
      ports.logger.warn({ job, run, procedure: command.kind, error: known }, 'procedure.failed')
      if (command.kind === 'start-run' || command.kind === 'cancel-run') this.feed({ kind: 'procedure-failed', job, run, error: known })
      else if (command.kind === 'read-outputs' || command.kind === 'write-checkpoint') this.feed({ kind: 'checkpoint-failed', job, checkpoint: command.checkpoint, reason: `${known.code}: ${known.message}` })
    }
  }

  async #outputs({ plan }: RunRecord): Promise<readonly ManifestOutput[]> {
    const { ports } = this.#options
    return readOutputs(ports, parsePlan(JSON.parse((await ports.store.get(plan)).toString())))
  }

  async #writeCheckpoint(command: Extract<DriverCommand, { readonly kind: 'write-checkpoint' }>): Promise<void> {
    const { engineVersion, ports } = this.#options
    const { job, run, checkpoint } = command
    const record = await readRun(ports, job, run)
    const outputs = command.last ? await this.#outputs(record) : command.outputs
    const written = await writeCheckpoint(ports, this.leadership, record, engineVersion, { ...command, outputs })
    const newest = this.core.job(job)?.run.settings.checkpointsRetained
    const retained = newest === undefined ? [written] : await this.leadership.exclusive(job, () => retain(ports, this.leadership, record, newest))
    this.feed({ kind: 'checkpoint-written', job, checkpoint: written, retained })
    if (checkpoint % this.#options.settings.garbageEvery === 0) await this.#garbage(job)
  }

  async #garbage(job: JobId): Promise<void> {
    try {
      await collectGarbage(this.#options.ports, this.leadership, job, { dryRun: false })
    } catch (error) {
      this.#options.ports.logger.warn({ job, error: asTidemarkError(error) }, 'garbage.failed')
    }
  }
}
