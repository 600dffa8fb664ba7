// The folder of one Jest run: which processes it started, and in which workers; the addresses of servers that these share, the job files it wrote.
import type { ChildProcess } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { descendants, identify, isAlive, signal } from '../../deploy/services/identity.ts'
import type { ProcessIdentity } from '../../deploy/services/identity.ts'

const PREFIX = 'tidemark-test-'
const VARIABLE = 'TIDEMARK_TEST_RUN'
/** In the repository, because job files import `tidemark` by its name. */
const GENERATED = fileURLToPath(new URL('../generated', import.meta.url))

/** Written under another name and renamed, so that nobody reads half of it. */
export const writeWhole = (file: string, value: unknown): void => {
  writeFileSync(`${file}.${process.pid}`, JSON.stringify(value))
  renameSync(`${file}.${process.pid}`, file)
}

/** Undefined when there is no such file, or no more. */
export const readWhole = <T>(file: string): T | undefined => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch (error) {
    // Under Jest it is no Error of this realm.
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

const self = (): ProcessIdentity => {
  const who = identify(process.pid)
  if (!who) throw new Error('this process cannot find its own start time')
  return who
}

/** Made by Jest's global setup; workers find it by an environment variable. */
export const makeRunFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), PREFIX))
  for (const name of ['processes', 'servers', 'workers']) mkdirSync(join(folder, name))
  writeWhole(join(folder, 'generated.json'), join(GENERATED, basename(folder)))
  writeWhole(join(folder, 'run.json'), self())
  process.env[VARIABLE] = folder
  return folder
}

export const runFolder = (): string => {
  const folder = process.env[VARIABLE]
  if (folder === undefined) throw new Error('servers for tests are started under Jest only: its global setup makes the folder that names them. Elsewhere use deploy/services.')
  return folder
}

/** Where job files are written that a test makes; it goes with the run. Outside of Jest whoever writes one removes it. */
export const generatedFolder = (): string => {
  const run = process.env[VARIABLE]
  const folder = (run === undefined ? undefined : readWhole<string>(join(run, 'generated.json'))) ?? GENERATED
  mkdirSync(folder, { recursive: true })
  return folder
}

const record = (kind: 'processes' | 'workers', who: ProcessIdentity): void => writeWhole(join(runFolder(), kind, `${who.pid}-${who.startedAt.replaceAll(/\W/g, '_')}.json`), who)

let workerRecorded = false

/** So that this very process is ended at the end of the run, whatever its test forgot, and also when Jest itself is killed: together with the worker that started it. */
export const recordProcess = (who: ProcessIdentity): void => {
  if (!existsSync(runFolder())) {
    signal(who, 'SIGKILL')
    throw new Error(`process ${who.pid} was started for a run of tests that is over (${runFolder()} is gone), and ended`)
  }
  record('processes', who)
  if (!workerRecorded && process.pid !== readWhole<ProcessIdentity>(join(runFolder(), 'run.json'))?.pid) record('workers', self())
  workerRecorded = true
}

/** `recorded(spawn(…))`: the same process, ended with the run at the latest. Outside of Jest, where whoever starts a process ends it, too. */
export const recorded = <P extends ChildProcess>(child: P): P => {
  const who = process.env[VARIABLE] === undefined || child.pid === undefined ? undefined : identify(child.pid)
  if (who !== undefined) recordProcess(who)
  return child
}

/** A suite that is skipped for want of servers; told at the end of the run, because Jest's short report shows no titles. */
export const noteMissing = (title: string, reasons: readonly string[]): void => appendFileSync(join(runFolder(), 'skipped.txt'), `skipped: ${title}: ${reasons.join('; ')}\n`)

/** One line for each suite skipped for want of servers. */
export const skippedSuites = (folder: string): string => existsSync(join(folder, 'skipped.txt')) ? readFileSync(join(folder, 'skipped.txt'), 'utf8') : ''

/** With what they started, which may have been taken out of their group. */
const endAll = (folder: string): void => {
  if (!existsSync(folder)) return
  const named = readdirSync(folder).filter((name) => name.endsWith('.json')).flatMap((name) => readWhole<ProcessIdentity>(join(folder, name)) ?? [])
  for (const who of [...named, ...descendants(named)]) signal(who, 'SIGKILL')
}

/** Ends every process of the run that is still there, and removes its folders. Synchronous: also called while this process is ending. */
export const endRun = (folder: string): void => {
  endAll(join(folder, 'processes'))
  // Named by the run: it may be one of another checkout.
  for (const one of [readWhole<string>(join(folder, 'generated.json')), folder]) if (one !== undefined) rmSync(one, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}

/** By Jest itself, told to end in the middle of it: its workers first, also those that have not started anything yet. */
export const endOwnRun = (folder: string): void => {
  for (const who of descendants([self()])) signal(who, 'SIGKILL')
  endRun(folder)
}

/** Of a run whose Jest was killed: its workers first, for they go on with their tests and start more. */
export const endAbandonedRun = (folder: string): void => {
  endAll(join(folder, 'workers'))
  endRun(folder)
}

/** Ends what runs left behind whose Jest was killed, with whoever watched it. */
export const endAbandonedRuns = (): void => {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue
    const folder = join(tmpdir(), name)
    const run = readWhole<ProcessIdentity>(join(folder, 'run.json'))
    if (run && !isAlive(run)) endAbandonedRun(folder)
  }
}
