// Throw-away processes: each tries one task's input and dies of what kills it, watched from here.
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileOf } from '@tidemark/base'
import type { Clock, Logger } from '@tidemark/base'
import type { Trial, TrialOutcome, TrialRequest } from '@tidemark/runtime'
import { LOOK_MS, TrialWatch } from '../core/trial-watch.ts'
import type { KilledFor, TrialLimits } from '../core/trial-watch.ts'
import { judge } from '../core/verdict.ts'
import type { TrialEnd } from '../core/verdict.ts'
import { lastWord } from '../slot/word-file.ts'
import { residentBytes } from './memory.ts'

/** What such a process is told, by its first message. */
export interface ToTrial {
  readonly request: TrialRequest
  /** File of its last word. */
  readonly words: string
}

/** One that was started. */
export interface TrialProcess {
  /** Memory that it has now. */
  residentBytes(): number
  kill(): void
  /** Rejects when it could not be started. */
  readonly ended: Promise<Omit<TrialEnd, 'killed'>>
}

export interface TrialProcessesOptions extends TrialLimits {
  readonly clock: Clock
  readonly logger: Logger
}

/** One after the other: the slots of this machine need its cores for others. */
export const trialProcesses = (options: TrialProcessesOptions, start: (told: ToTrial) => TrialProcess = forkTrial): Trial => {
  let last: Promise<unknown> = Promise.resolve()
  return (request) => {
    const mine = last.then(() => tryInProcess(options, start, request))
    last = mine
    return mine
  }
}

const forkTrial = (told: ToTrial): TrialProcess => {
  const child = fork(fileOf(import.meta.url, '../trial.main.ts', './trial.main.js'), [], { env: process.env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' })
  const ended = new Promise<Omit<TrialEnd, 'killed'>>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => resolve({ code, signal }))
  })
  // Where the system has no handle left there is no channel either, and the error comes a moment later: whoever waits for the end hears of it.
  ended.catch(() => {})
  if (child.connected) child.send(told, () => {})
  return { residentBytes: () => residentBytes(child.pid), kill: () => void child.kill('SIGKILL'), ended }
}

const tryInProcess = async (options: TrialProcessesOptions, start: (told: ToTrial) => TrialProcess, request: TrialRequest): Promise<TrialOutcome> => {
  let folder: string | undefined
  try {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-trial-'))
    const words = join(folder, 'word')
    const end = await watch(options, start({ request, words }), words)
    const outcome = judge(end, lastWord(words))
    const { code, signal, killed } = end
    options.logger.info({ ...request.task, outcome, code, signal, killedBecause: killed?.because }, 'trial.ended')
    return outcome
  } catch (error) {
    return { kind: 'untried', why: error instanceof Error ? error.message : String(error) }
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/** Until it has ended, by itself or because it has to. */
const watch = async (options: TrialProcessesOptions, child: TrialProcess, words: string): Promise<TrialEnd> => {
  const { clock } = options
  const watching = new TrialWatch(options, clock.monotonic())
  let killed: KilledFor | undefined
  const look = (): void => {
    const because = watching.look(lastWord(words), child.residentBytes(), clock.monotonic())
    killed ??= because
    if (because !== undefined) child.kill()
    timer = clock.after(LOOK_MS, look)
  }
  let timer = clock.after(LOOK_MS, look)
  try {
    const ended = await child.ended
    return { ...ended, killed }
  } finally {
    timer.cancel()
  }
}
