// Throw-away processes: each tries one task's input and dies of what kills it, watched from here.
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileOf } from '@tidemark/base'
import type { Clock, Logger } from '@tidemark/base'
import type { Trial, TrialOutcome, TrialRequest, TrialWord } from '@tidemark/runtime'
import { Silence } from '../core/silence.ts'
import { lastWord } from '../slot/word-file.ts'
import { residentBytes } from './memory.ts'

const LOOK_MS = 50
/** One look counts at most so much: this process may have stood still in between. */
const LOOK_MS_MAX = 4 * LOOK_MS
/** Until the task is where its owner has it; the store may be slow. */
const PREPARING_MS_MAX = 120_000

/** A process that had taken so much of its memory when a record came, and died for lack of it, did not die of that record alone. */
const LEAKED_FROM = 0.5

/** What such a process is told, by its first message. */
export interface ToTrial {
  readonly request: TrialRequest
  readonly words: string
}

export interface TrialProcessesOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** User code that does not come back for so long is killed, ms: a slot's own limit. */
  readonly stuckMs: number
  readonly memoryBytesMax: number
}

/** One after the other: the slots of this machine need its cores for others. */
export const trialProcesses = (options: TrialProcessesOptions): Trial => {
  let last: Promise<unknown> = Promise.resolve()
  return (request) => {
    const mine = last.then(() => tryInProcess(options, request))
    last = mine
    return mine
  }
}

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Why this side killed it. */
  readonly killedBecause: string | undefined
}

const tryInProcess = async (options: TrialProcessesOptions, request: TrialRequest): Promise<TrialOutcome> => {
  let folder: string | undefined
  try {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-trial-'))
    const words = join(folder, 'word')
    const ended = await run(options, { request, words })
    const outcome = judge(ended, lastWord(words))
    options.logger.info({ ...request.task, outcome, ...ended }, 'trial.ended')
    return outcome
  } catch (error) {
    return { kind: 'untried', why: error instanceof Error ? error.message : String(error) }
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
}

const run = ({ clock, stuckMs, memoryBytesMax }: TrialProcessesOptions, told: ToTrial): Promise<Ended> => new Promise((resolve, reject) => {
  const child = fork(fileOf(import.meta.url, '../trial.main.ts', './trial.main.js'), [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' })
  let killedBecause: string | undefined
  const silence = new Silence(clock.monotonic(), LOOK_MS_MAX)
  const kill = (because: string): void => {
    killedBecause ??= because
    child.kill('SIGKILL')
  }
  const look = (): void => {
    const word = lastWord(told.words)
    const silentMs = silence.look(JSON.stringify(word) ?? '', clock.monotonic())
    const limit = word === undefined || word.kind === 'preparing' ? PREPARING_MS_MAX : stuckMs
    if (silentMs > limit) kill(`it did not come back for ${limit} ms`)
    const resident = residentBytes(child.pid)
    if (resident > memoryBytesMax) kill(`it took ${resident} bytes of memory, ${memoryBytesMax} are allowed`)
    timer = clock.after(LOOK_MS, look)
  }
  let timer = clock.after(LOOK_MS, look)
  child.on('error', (error) => {
    timer.cancel()
    reject(error)
  })
  child.on('exit', (code, signal) => {
    timer.cancel()
    resolve({ code, signal, killedBecause })
  })
  child.send(told, () => {})
})

const judge = ({ code, signal, killedBecause }: Ended, word: TrialWord | undefined): TrialOutcome => {
  if (code === 0 && word === undefined) return { kind: 'passed' }
  const why = killedBecause ?? (signal === null ? `exited with ${code}` : `killed by ${signal}`)
  const leaked = (memoryUsed: number): boolean => memoryUsed > LEAKED_FROM && (signal === 'SIGABRT' || (killedBecause ?? '').includes('memory'))
  switch (word?.kind) {
    case 'in':
      if (leaked(word.memoryUsed)) return { kind: 'leaked', why }
      return { kind: 'died', subject: word.subject, why, certain: killedBecause !== undefined || signal !== 'SIGKILL' }
    case 'between':
      return { kind: 'died-between', steps: word.steps, ...(word.only === undefined ? {} : { only: word.only }), why, leaked: leaked(word.memoryUsed) }
    default:
      return { kind: 'untried', why }
  }
}
