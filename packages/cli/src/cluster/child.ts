// A driver or an executor as a child process: its log lines go to a file, what its jobs print to whoever wants it; ended by its pid.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { isCompiled, TidemarkError } from '@tidemark/base'

/** One line of a process' log. */
export interface LogLine {
  readonly level: number
  readonly msg?: string
  readonly event?: string
  readonly [fact: string]: unknown
}

export interface ChildOptions {
  readonly name: string
  readonly main: 'driver' | 'executor'
  readonly env: Readonly<Record<string, string | undefined>>
  readonly logFile: string
  /** Where all of its lines can be read afterwards. */
  readonly hint: string
  /** A line that is no log line: what a job's stdout sink printed, or Node itself. */
  readonly onOutput?: (text: string) => void
}

const TAIL_LINES_MAX = 40

/** The file that a process of the cluster is started by. */
export const mainOf = (main: ChildOptions['main']): string => {
  if (isCompiled(import.meta.url)) return fileURLToPath(new URL(`./${main}.js`, import.meta.url))
  const door = main === 'driver' ? import.meta.resolve('@tidemark/driver') : import.meta.resolve('@tidemark/executor')
  return fileURLToPath(new URL('main.ts', door))
}

const parseLine = (text: string): LogLine | undefined => {
  if (!text.startsWith('{')) return undefined
  try {
    const line: unknown = JSON.parse(text)
    return typeof line === 'object' && line !== null && 'level' in line && typeof line.level === 'number' && 'time' in line ? line as LogLine : undefined
  } catch {
    return undefined
  }
}

export class Child {
  readonly name: string
  /** Resolves when it and all that it started are gone: they share its output, which closes with the last of them. */
  readonly ended: Promise<void>
  #gone = false
  readonly #process: ChildProcess
  readonly #options: ChildOptions
  readonly #tail: string[] = []
  #waiting: { readonly wanted: string, readonly resolve: (line: LogLine) => void, readonly reject: (error: Error) => void }[] = []
  /** Lines somebody may wait for after they came: the first of each event. */
  readonly #first = new Map<string, LogLine>()

  constructor(options: ChildOptions) {
    this.name = options.name
    this.#options = options
    // A process group of its own: Ctrl-C is for us, who drain it, and a kill of the group takes an executor's slots along. With a channel: it ends with us, also
    // when we are killed and can tell nobody.
    this.#process = spawn(process.execPath, [...process.execArgv, mainOf(options.main)], { env: options.env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true })
    this.ended = new Promise((resolve) => {
      const done = (): void => {
        this.#gone = true
        const waiting = this.#waiting.splice(0)
        for (const { wanted, reject } of waiting) reject(this.#endedBefore(wanted))
        resolve()
      }
      this.#process.on('close', done)
      this.#process.on('error', (error) => {
        this.#keep(String(error))
        done()
      })
    })
    for (const stream of [this.#process.stdout, this.#process.stderr]) if (stream) createInterface({ input: stream }).on('line', (text) => this.#read(text))
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  get alive(): boolean {
    return this.#process.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** How it ended, for people. */
  get fate(): string {
    const { exitCode, signalCode } = this.#process
    return signalCode === null ? `exited with ${exitCode ?? 'an error'}` : `was ended by ${signalCode}`
  }

  /** The first log line of this event; rejects when the process ends without it. */
  log(event: string): Promise<LogLine> {
    const first = this.#first.get(event)
    if (first !== undefined) return Promise.resolve(first)
    if (!this.alive) return Promise.reject(this.#endedBefore(event))
    return new Promise((resolve, reject) => this.#waiting.push({ wanted: event, resolve, reject }))
  }

  signal(signal: NodeJS.Signals): void {
    if (this.alive) this.#process.kill(signal)
  }

  /** SIGKILL to its whole process group: an executor and its slots at once. */
  killGroup(): void {
    const { pid } = this.#process
    // Once all are gone the number may be somebody else's.
    if (pid === undefined || this.#gone) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // No such group any more, or a system without groups.
      this.signal('SIGKILL')
    }
  }

  /** What it said last. */
  tail(): string {
    return this.#tail.map((line) => `  ${line}`).join('\n')
  }

  #read(text: string): void {
    const line = parseLine(text)
    this.#keep(text)
    if (line === undefined) return this.#options.onOutput?.(text)
    const event = line.event ?? line.msg ?? ''
    if (!this.#first.has(event)) this.#first.set(event, line)
    const [answered, waiting] = [this.#waiting.filter(({ wanted }) => wanted === event), this.#waiting.filter(({ wanted }) => wanted !== event)]
    this.#waiting = waiting
    for (const { resolve } of answered) resolve(line)
  }

  #keep(text: string): void {
    appendFileSync(this.#options.logFile, `${text}\n`)
    this.#tail.push(text)
    if (this.#tail.length > TAIL_LINES_MAX) this.#tail.shift()
  }

  #endedBefore(event: string): TidemarkError {
    return new TidemarkError(`${this.name} ${this.fate} before it said ${event}. Its last lines:\n${this.tail()}`, {
      code: 'CLI_PROCESS_ENDED', blame: 'environment', action: 'exit', hint: this.#options.hint,
    })
  }
}
