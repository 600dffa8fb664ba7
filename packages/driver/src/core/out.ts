// What one call of the core produces: commands in order, and the events among them.
import type { JobId } from '@tidemark/base'
import type { DriverMessage } from '@tidemark/wire'
import type { EventLog } from './event-log.ts'
import type { ExecutorEntry } from './executors.ts'
import type { DriverCommand } from './protocol.ts'

export interface Happening {
  /** Stable, dotted. */
  readonly event: string
  readonly message: string
  readonly job?: JobId
  readonly executor?: string
  readonly facts?: Readonly<Record<string, unknown>>
  readonly level?: 'info' | 'warn' | 'error'
}

export class Out {
  readonly #log: EventLog
  readonly #wallOffsetMs: number
  #commands: DriverCommand[] = []
  nowMs = 0

  constructor(log: EventLog, wallOffsetMs: number) {
    this.#log = log
    this.#wallOffsetMs = wallOffsetMs
  }

  /** Wall clock of now, whole ms: for people. */
  wall(atMs = this.nowMs): number {
    return Math.round(atMs + this.#wallOffsetMs)
  }

  push(...commands: readonly DriverCommand[]): void {
    this.#commands.push(...commands)
  }

  /** Nothing while it has no stream: what it must know it is told when it registers. */
  send(to: ExecutorEntry | undefined, message: DriverMessage): void {
    if (to?.connection !== undefined) this.push({ kind: 'send', connection: to.connection, message })
  }

  happened({ event, message, job, executor, facts, level }: Happening): void {
    const numbered = this.#log.add({ at: this.wall(), event, message, facts: facts ?? {}, ...(job === undefined ? {} : { job }), ...(executor === undefined ? {} : { executor }) })
    this.push({ kind: 'event', event: numbered, level: level ?? 'info' })
  }

  take(): DriverCommand[] {
    const commands = this.#commands
    this.#commands = []
    return commands
  }
}
