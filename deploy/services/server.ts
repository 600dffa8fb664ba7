// One server process that can be stopped, killed, paused and started again on the same port and data.
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { identify, isAlive, signal } from './identity.ts'
import type { ProcessIdentity } from './identity.ts'

const POLL_MS = 25
const STOP_MS_MAX = 20_000
const LOG_TAIL_CHARS = 3_000

export interface ServerOptions {
  /** Data, settings and log go here. Default: a new folder under the system's temporary one, removed by `close`. */
  readonly folder?: string
  /** Told of every process the moment it runs, so that somebody can end it if this process dies. */
  readonly onProcess?: (who: ProcessIdentity, what: string) => void
}

export interface Server {
  readonly name: string
  readonly folder: string
  readonly logFile: string
  /** The running process; undefined after `stop` or `kill`. */
  identity(): ProcessIdentity | undefined
  /** SIGTERM and wait for the end; data stays. Idempotent. */
  stop(): Promise<void>
  /** SIGKILL and wait for the end; data stays as it was at that moment. Idempotent. */
  kill(): Promise<void>
  /** SIGSTOP: connections stay open, nothing answers. */
  pause(): void
  resume(): void
  /** Starts it again on the same port and data, ending it by `kill` first if it runs; ready when resolved. */
  restart(): Promise<void>
  /** `kill`, and the folder is removed if this call's start made it. Idempotent. */
  close(): Promise<void>
}

export interface ServerPlan {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly isReady: () => Promise<boolean>
  readonly readyMsMax: number
}

/** A folder for a server, and whether it was made here and so is removed at the end. */
export const serverFolder = (name: string, options: ServerOptions): { folder: string, made: boolean } => {
  if (options.folder === undefined) return { folder: mkdtempSync(join(tmpdir(), `tidemark-${name}-`)), made: true }
  mkdirSync(options.folder, { recursive: true })
  return { folder: options.folder, made: false }
}

const logTail = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').slice(-LOG_TAIL_CHARS)
  } catch {
    return '(no log)'
  }
}

const waitUntilGone = async (who: ProcessIdentity, msMax: number): Promise<boolean> => {
  for (let waited = 0; isAlive(who); waited += POLL_MS) {
    if (waited >= msMax) return false
    await sleep(POLL_MS)
  }
  return true
}

/** Starts the process and waits until it is ready. It outlives its parent: whoever starts it ends it. */
export const startServer = async (plan: ServerPlan, place: { folder: string, made: boolean }, options: ServerOptions): Promise<Server> => {
  const logFile = join(place.folder, `${plan.name}.log`)
  let running: ProcessIdentity | undefined

  const end = async (name: NodeJS.Signals): Promise<void> => {
    const who = running
    if (!who) return
    running = undefined
    signal(who, name)
    // A paused process acts on SIGTERM only when it is continued.
    if (name !== 'SIGKILL') signal(who, 'SIGCONT')
    if (await waitUntilGone(who, STOP_MS_MAX)) return
    signal(who, 'SIGKILL')
    if (!await waitUntilGone(who, STOP_MS_MAX)) throw new Error(`${plan.name} (pid ${who.pid}) does not end, not even by SIGKILL`)
  }

  const start = async (): Promise<void> => {
    const log = openSync(logFile, 'a')
    const child = spawn(plan.command, plan.args, { cwd: place.folder, detached: true, stdio: ['ignore', log, log], env: { ...process.env, ...plan.env } })
    closeSync(log)
    let failure: string | undefined
    child.once('error', (error) => { failure = error.message })
    child.once('exit', (code, by) => { failure = by === null ? `it exited with ${code}` : `it was ended by ${by}` })
    child.unref()
    if (child.pid !== undefined) running = identify(child.pid)
    if (running) options.onProcess?.(running, plan.name)
    for (let waited = 0; !await plan.isReady(); waited += POLL_MS) {
      if (failure === undefined && waited > plan.readyMsMax) failure = `it was not ready after ${plan.readyMsMax} ms`
      if (failure !== undefined) {
        await end('SIGKILL')
        throw new Error(`${plan.name} did not start: ${failure}. The end of ${logFile}:\n${logTail(logFile)}`)
      }
      await sleep(POLL_MS)
    }
  }

  const close = async (): Promise<void> => {
    await end('SIGKILL')
    if (place.made) rmSync(place.folder, { recursive: true, force: true })
  }

  try {
    await start()
  } catch (error) {
    await close()
    throw error
  }
  return {
    name: plan.name,
    folder: place.folder,
    logFile,
    identity: () => running,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    pause: () => { if (running) signal(running, 'SIGSTOP') },
    resume: () => { if (running) signal(running, 'SIGCONT') },
    restart: async () => {
      await end('SIGKILL')
      await start()
    },
    close,
  }
}
