// A cluster on this machine: one driver and some executors as child processes, embedded log and store in one folder.
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { checkDriverSettings, checkExecutorSettings, DRIVER_SETTINGS, EXECUTOR_SETTINGS, isEveryAddress, readSettings, settingsInvalid, TidemarkError } from '@tidemark/base'
import type { Clock } from '@tidemark/base'
import { problemsOf } from '../settings.ts'
import { Child } from './child.ts'

export interface LocalClusterOptions {
  readonly folder: string
  /** `host:port` of the driver; port 0: a free one. */
  readonly listen: string
  readonly slots: number
  readonly slotHeapMiB: number
  readonly clock: Clock
  readonly environment: Readonly<Record<string, string | undefined>>
  /** What an error of a process adds: where its log is. Default: the file. */
  readonly hint?: string
  /** What is printed by a process beside its log. */
  readonly onOutput?: (name: string, text: string) => void
}

const START_TIMEOUT_MS = 20_000
const DRAIN_TIMEOUT_MS = 5_000
/** Variables that would make a process of an embedded cluster use real servers, or an address of its own: all its processes get the same. */
const SERVER_VARIABLE = /^TIDEMARK_(?:KAFKA|S3_|REDIS|LISTEN|ADVERTISE|PROBE_|DRIVER|DIR|LABEL|SLOT)/
/** That it listens is told by a driver at `info`: a level that hides it is not passed on. */
const hidesInfo = (name: string, value: string | undefined): boolean => name === 'TIDEMARK_LOG_LEVEL' && value !== 'debug'

/** The variables of this environment that an embedded cluster does not use. */
export const unusedServers = (environment: LocalClusterOptions['environment']): string[] => Object.keys(environment).filter((name) => /^TIDEMARK_(?:KAFKA|S3_|REDIS)/.test(name)).toSorted()

const passedOn = (environment: LocalClusterOptions['environment']): Record<string, string | undefined> => Object.fromEntries(Object.entries(environment).filter(([name, value]) => !SERVER_VARIABLE.test(name) && !hidesInfo(name, value)))

/** What its processes would refuse, each mistake once, before one is started for it. `SETTINGS_INVALID`. */
export const checkProcessSettings = (environment: LocalClusterOptions['environment']): void => {
  const given = passedOn(environment)
  const problems = new Set([
    ...problemsOf(() => readSettings(DRIVER_SETTINGS, {}, given, checkDriverSettings)), ...problemsOf(() => readSettings(EXECUTOR_SETTINGS, {}, given, checkExecutorSettings)),
  ])
  if (problems.size > 0) throw settingsInvalid([...problems])
}

export class LocalCluster {
  readonly executors: Child[] = []
  readonly #options: LocalClusterOptions
  readonly #environment: Record<string, string | undefined>
  #driver: Child | undefined
  #address = ''
  readonly #atExit = (): void => this.killAll()

  constructor(options: LocalClusterOptions) {
    this.#options = options
    this.#environment = {
      ...passedOn(options.environment),
      TIDEMARK_DIR: options.folder, TIDEMARK_SLOTS: String(options.slots), TIDEMARK_SLOT_HEAP: String(options.slotHeapMiB),
    }
    // However this process ends, short of SIGKILL, it leaves nobody behind.
    process.on('exit', this.#atExit)
  }

  /** `host:port` of the driver. */
  get address(): string {
    return this.#address
  }

  get logFolder(): string {
    return join(this.#options.folder, 'logs')
  }

  get driver(): Child | undefined {
    return this.#driver
  }

  async startDriver(): Promise<void> {
    const { listen } = this.#options
    const told = toldInstead(listen)
    this.#driver = this.#start('driver', 'driver', { TIDEMARK_LISTEN: listen, ...told === undefined ? {} : { TIDEMARK_ADVERTISE: told } })
    const { address } = await this.#within(this.#driver, 'driver.listening')
    if (typeof address !== 'string') throw new TidemarkError('the driver listens, and does not say where', { code: 'CLI_PROCESS_SILENT', blame: 'bug', action: 'exit' })
    this.#address = told ?? address
  }

  /** It joins by itself; `describe` shows when. */
  startExecutor(): Child {
    const name = `e${this.executors.length + 1}`
    const executor = this.#start(name, 'executor', { TIDEMARK_DRIVER: this.#address, TIDEMARK_LABEL: name })
    this.executors.push(executor)
    return executor
  }

  /** Executors release their tasks and go, then the driver. Who takes longer than 5 s is killed: nothing is lost by that. */
  async drain(): Promise<void> {
    await this.#end(this.executors)
    await this.#end(this.#driver === undefined ? [] : [this.#driver])
    this.killAll()
    process.off('exit', this.#atExit)
  }

  /** Everybody at once. */
  async kill(): Promise<void> {
    this.killAll()
    await Promise.all([...this.executors, ...this.#driver === undefined ? [] : [this.#driver]].map((child) => child.ended))
    process.off('exit', this.#atExit)
  }

  killAll(): void {
    for (const child of [...this.executors, ...this.#driver === undefined ? [] : [this.#driver]]) child.killGroup()
  }

  #start(name: string, main: 'driver' | 'executor', env: Readonly<Record<string, string>>): Child {
    mkdirSync(this.logFolder, { recursive: true })
    const { onOutput, hint } = this.#options
    const logFile = join(this.logFolder, `${name}.log`)
    return new Child({ name, main, env: { ...this.#environment, ...env }, logFile, hint: hint ?? `All it said is in ${logFile}.`, ...onOutput === undefined ? {} : { onOutput: (text: string) => onOutput(name, text) } })
  }

  async #within(child: Child, event: string) {
    let timer: { cancel(): void } | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = this.#options.clock.after(START_TIMEOUT_MS, () => reject(new TidemarkError(`${child.name} did not say ${event} in ${START_TIMEOUT_MS} ms. Its last lines:\n${child.tail()}`, {
        code: 'CLI_PROCESS_SILENT', blame: 'bug', action: 'exit',
      })))
    })
    try {
      return await Promise.race([child.log(event), late])
    } finally {
      timer?.cancel()
    }
  }

  async #end(children: readonly Child[]): Promise<void> {
    const living = children.filter((child) => child.alive)
    for (const child of living) child.signal('SIGTERM')
    let timer: { cancel(): void } | undefined
    const late = new Promise<void>((resolve) => {
      timer = this.#options.clock.after(DRAIN_TIMEOUT_MS, resolve)
    })
    await Promise.race([Promise.all(living.map((child) => child.ended)), late])
    timer?.cancel()
    for (const child of living) child.killGroup()
    await Promise.all(living.map((child) => child.ended))
  }
}

/** Every address can't be told to others. The executors of a driver that listens on all of them are on this machine. */
const toldInstead = (listen: string): string | undefined => {
  const colon = listen.lastIndexOf(':')
  return isEveryAddress(listen.slice(0, colon)) ? `127.0.0.1${listen.slice(colon)}` : undefined
}

/** Removes a cluster's folder; a process that is just ending may still write into it. */
export const removeFolder = (folder: string): void => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
