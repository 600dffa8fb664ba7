// An executor at work: feeds the core with what slots, driver and time say, and carries its commands out. Processes and network are given.
import type { Clock, Logger, SlotId, Timer } from '@tidemark/base'
import type { SlotCommand, SlotEvent } from '@tidemark/runtime'
import type { ErrorMessage, ExecutorStream, SlotProcess } from '@tidemark/wire'
import { ExecutorCore } from '../core/executor-core.ts'
import { FIRST_HEARTBEAT_MS } from '../core/protocol.ts'
import type { ExecutorCommand, ExecutorEvent, ExecutorFacts } from '../core/protocol.ts'
import { DriverLink } from './driver-link.ts'

/** That it still waits for its first driver is said so often. */
const WAIT_SAID_MS = 5_000

/** What slot processes report. */
export interface SlotReports {
  readonly onReady: (process: SlotProcess) => void
  readonly onEvent: (slotId: SlotId, event: SlotEvent) => void
  readonly onExit: (slotId: SlotId, slot: number, reason: string) => void
}

/** Starts and ends slot processes, and passes commands on. */
export interface SlotHost {
  start(slot: number): void
  bind(id: SlotId, job: string, run: number): void
  command(id: SlotId, command: SlotCommand): void
  kill(id: SlotId, reason: string): void
}

export interface ExecutorOptions {
  readonly facts: ExecutorFacts
  /** Addresses of one or several drivers. */
  readonly drivers: readonly string[]
  /** So long it looks for one at its start, then it gives up; 0: it never does. */
  readonly driverWaitMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly connect: (address: string) => ExecutorStream
  readonly slots: (reports: SlotReports) => SlotHost
  /** Everything is handed over: the process may go once the goodbye has been sent. `unwanted`: no driver wants it, or there is none. */
  readonly onExit: (unwanted?: ErrorMessage) => void
}

export class Executor {
  readonly #options: ExecutorOptions
  readonly #core: ExecutorCore
  readonly #slots: SlotHost
  readonly #link: DriverLink
  #heartbeatMs = FIRST_HEARTBEAT_MS
  #timer: Timer | undefined
  /** Until the first word of a driver. */
  #waiting: Timer | undefined

  constructor(options: ExecutorOptions) {
    this.#options = options
    this.#core = new ExecutorCore(options.facts)
    this.#slots = options.slots({
      onReady: (process) => this.#feed({ kind: 'slot-ready', process }),
      onEvent: (slotId, event) => this.#feed({ kind: 'slot-event', slotId, event }),
      onExit: (slotId, slot, reason) => this.#feed({ kind: 'slot-exited', slotId, slot, reason }),
    })
    this.#link = new DriverLink({
      drivers: options.drivers, clock: options.clock, logger: options.logger, connect: options.connect,
      onConnected: () => this.#feed({ kind: 'driver-connected' }),
      onLost: () => this.#feed({ kind: 'driver-lost' }),
      onMessage: (message) => {
        this.#waiting?.cancel()
        this.#waiting = undefined
        if (message.kind === 'refused') this.#refused(message.error)
        else this.#feed({ kind: 'driver-message', message })
      },
    })
  }

  start(): void {
    for (const command of this.#core.start()) this.#carryOut(command)
    this.#beat()
    this.#wait(0)
    this.#link.connect()
  }

  /** Nobody has answered since it started: that is said again and again, until it takes too long. It runs nothing, so nothing is lost by its end. */
  #wait(waitedMs: number): void {
    const { clock, drivers, driverWaitMs, logger } = this.#options
    const nextMs = driverWaitMs === 0 ? WAIT_SAID_MS : Math.min(WAIT_SAID_MS, driverWaitMs - waitedMs)
    this.#waiting = clock.after(nextMs, () => {
      const waited = waitedMs + nextMs
      if (driverWaitMs === 0 || waited < driverWaitMs) {
        logger.warn({ drivers, waitedMs: waited }, 'executor.waits-for-driver')
        return this.#wait(waited)
      }
      const error: ErrorMessage = {
        code: 'EXECUTOR_NO_DRIVER', message: `no driver answered in ${waited} ms: ${drivers.join(', ')}`, blame: 'environment', action: 'exit',
        hint: 'Is one running, and is TIDEMARK_DRIVER right? TIDEMARK_DRIVER_WAIT says how long to look for one; 0s: for ever.',
      }
      logger.error({ error }, 'executor.no-driver')
      this.#end()
      this.#options.onExit(error)
    })
  }

  #end(): void {
    this.#timer?.cancel()
    this.#waiting?.cancel()
    this.#link.stop()
  }

  /** SIGTERM: hands everything over, then calls `onExit`. */
  drain(): void {
    this.#feed({ kind: 'drain' })
  }

  /** What it runs it goes on with, until another owner takes it over or another driver comes; without anything to do there is no reason to stay. */
  #refused(error: ErrorMessage): void {
    this.#options.logger.error({ error }, 'executor.refused')
    if (this.#core.busy) return this.#link.follow(undefined)
    this.#end()
    this.#options.onExit(error)
  }

  #feed(event: ExecutorEvent): void {
    for (const command of this.#core.handle(event, this.#options.clock.monotonic())) this.#carryOut(command)
  }

  #beat(): void {
    this.#timer = this.#options.clock.after(this.#heartbeatMs, () => {
      this.#feed({ kind: 'tick' })
      this.#beat()
    })
  }

  #carryOut(command: ExecutorCommand): void {
    switch (command.kind) {
      case 'send':
        return this.#link.send(command.message)
      case 'start-slot':
        return this.#slots.start(command.slot)
      case 'bind-slot':
        return this.#slots.bind(command.slotId, command.job, command.run)
      case 'slot-command':
        return this.#slots.command(command.slotId, command.command)
      case 'kill-slot':
        return this.#slots.kill(command.slotId, command.reason)
      case 'heartbeat-interval':
        this.#heartbeatMs = command.ms
        return undefined
      case 'other-driver':
        return this.#link.follow(command.address)
      case 'exit':
        this.#options.onExit()
        this.#end()
        return undefined
    }
  }
}
