// One process of a cluster under test: started with an environment, its log lines kept, ended by its own pid only.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { recorded } from '../services/run-folder.ts'

export interface LogLine {
  readonly level?: number
  readonly msg?: string
  readonly event?: string
  readonly [fact: string]: unknown
}

export class ClusterProcess {
  readonly name: string
  readonly lines: LogLine[] = []
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #silent: Promise<void>
  #waiting: (() => void)[] = []

  /** `within`: a command that runs it, as the process that it is itself. */
  constructor(name: string, main: string, env: Readonly<Record<string, string>>, within: readonly string[] = []) {
    this.name = name
    const [command = '', ...args] = [...within, process.execPath, fileURLToPath(new URL(`../../packages/${main}`, import.meta.url))]
    this.#child = recorded(spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] }))
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (text) => {
        this.lines.push(parseLine(text))
        for (const wake of this.#waiting.splice(0)) wake()
      })
    }
    this.#ended = new Promise((resolve) => {
      this.#child.on('exit', () => {
        for (const wake of this.#waiting.splice(0)) wake()
        resolve()
      })
    })
    // Its children have its pipes too.
    this.#silent = new Promise((resolve) => this.#child.on('close', () => resolve()))
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The first line that satisfies `wanted`; rejects when the process ends without it. */
  async line(wanted: (line: LogLine) => boolean): Promise<LogLine> {
    for (let seen = 0; ;) {
      for (; seen < this.lines.length; seen += 1) {
        const line = this.lines[seen]
        if (line !== undefined && wanted(line)) return line
      }
      if (!this.alive) throw new Error(`${this.name} ended without the line that was waited for; its last lines:\n${this.tail()}`)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  tail(count = 20): string {
    return this.lines.slice(-count).map((line) => JSON.stringify(line)).join('\n')
  }

  signal(signal: NodeJS.Signals): void {
    if (this.alive) this.#child.kill(signal)
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.#ended
  }

  async ended(): Promise<void> {
    await this.#ended
  }

  /** When its children, an executor's slots, are gone too: nobody writes in their folder any more. */
  async endedWithChildren(): Promise<void> {
    await this.#silent
  }
}

const parseLine = (text: string): LogLine => {
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return { msg: text }
  }
}
