// How far a job is that gets its tasks: snapshots loaded, bytes, how fast, the time that is left. Pure: descriptions in, a sentence out.
import { formatDuration, formatSize } from '@tidemark/base'
import type { JobDescription, TaskDescription } from '@tidemark/wire'
import { firstLine, numberOr, plural } from '../format/values.ts'

export interface Restoring {
  readonly tasks: number
  readonly running: number
  /** Have their state, whether from a snapshot or without one. */
  readonly loaded: number
  readonly bytesLoaded: number
  /** Of the checkpoint that the run began from; absent where it did not begin from one. */
  readonly bytes?: number
  /** What is taken over at this time, with what of it is done already: who runs for hours says nothing of the pace. Absent while nobody takes over anything. */
  readonly takeover?: Takeover
}

interface Takeover {
  readonly tasks: number
  readonly loaded: number
  readonly bytesLoaded: number
  /** When the first of them was given out, by the driver's clock. */
  readonly since: number
}

/** Tasks that were lost, or begun, so soon after each other belong together. */
const TOGETHER_MS = 1_000
const SETTLED: ReadonlySet<TaskDescription['phase']> = new Set(['running', 'waiting', 'releasing', 'ended'])

const steps = ({ recovery }: TaskDescription) => recovery?.steps

/** Of one without an owner, the last recovery is told still. */
const isLoaded = (task: TaskDescription): boolean => task.phase === 'running' || (task.phase !== 'unassigned' && (steps(task)?.loadedMs ?? 0) > 0)

/** Of the snapshots that these began from. */
const bytesOf = (tasks: readonly TaskDescription[]): number => tasks.reduce((sum, task) => sum + (steps(task)?.snapshot?.bytes ?? 0), 0)

const takeoverOf = (tasks: readonly TaskDescription[]): Takeover | undefined => {
  const begun = Math.min(...tasks.flatMap(({ phase, recovery }) => SETTLED.has(phase) || phase === 'unassigned' || recovery === undefined ? [] : [recovery.detectedAt]))
  const given = tasks.flatMap((task) => task.phase === 'unassigned' || task.recovery === undefined || task.recovery.detectedAt < begun - TOGETHER_MS ? [] : [{ task, since: task.recovery.assignedAt }])
  if (begun === Infinity || given.length === 0) return undefined
  const loaded = given.flatMap(({ task }) => isLoaded(task) ? [task] : [])
  return { tasks: given.length + tasks.filter(({ phase }) => phase === 'unassigned').length, loaded: loaded.length, bytesLoaded: bytesOf(loaded), since: Math.min(...given.map(({ since }) => since)) }
}

/** Undefined: every task runs, or none is to. */
export const restoringOf = ({ summary, tasks, checkpoints, origin }: JobDescription): Restoring | undefined => {
  const wanted = summary.state === 'running' || summary.state === 'restoring' || summary.state === 'starting' || summary.state === 'draining'
  if (!wanted || tasks.every(({ phase }) => SETTLED.has(phase))) return undefined
  const loaded = tasks.filter(isLoaded)
  const takeover = takeoverOf(tasks)
  const bytes = checkpoints.find(({ checkpoint }) => checkpoint === origin?.checkpoint)?.bytes
  return {
    tasks: tasks.length, running: tasks.filter(({ phase }) => phase === 'running').length, loaded: loaded.length,
    bytesLoaded: bytesOf(loaded), ...(bytes === undefined ? {} : { bytes }), ...(takeover === undefined ? {} : { takeover }),
  }
}

/** What is left at the pace so far; undefined while nothing can be told of it. */
export const leftMs = (done: number, all: number, passedMs: number): number | undefined => (done <= 0 || all <= done || passedMs <= 0 ? undefined : (all - done) * passedMs / done)

const about = (ms: number | undefined): string => ms === undefined ? '' : `, about ${ms < 60_000 ? `${Math.ceil(ms / 1_000)} s` : formatDuration(ms)} left`

/** So far, on average; nothing while nothing can be told of it. */
const rate = (bytes: number, passedMs: number): string => bytes <= 0 || passedMs <= 0 ? '' : `, ${formatSize(Math.round(bytes / passedMs * 1_000))}/s`

const timeLeft = ({ tasks, bytesLoaded, bytes, takeover }: Restoring, at: number): number | undefined => {
  if (takeover === undefined) return undefined
  const passedMs = at - takeover.since
  // Bytes of the checkpoint are of all tasks.
  const byBytes = takeover.tasks === tasks && bytes !== undefined && bytesLoaded > 0 && bytes > bytesLoaded
  return byBytes ? leftMs(bytesLoaded, bytes, passedMs) : leftMs(takeover.loaded, takeover.tasks, passedMs)
}

/** At this time of day. `3 of 8 tasks run; state of 5 loaded, 12.0 MiB of 40.0 MiB, 6.0 MiB/s, about 5 s left` */
export const restoringText = (now: Restoring, at: number): string => {
  const { tasks, running, loaded, bytesLoaded, bytes, takeover } = now
  const amount = bytesLoaded === 0 ? '' : `, ${formatSize(bytesLoaded)}${bytes === undefined || bytes < bytesLoaded ? '' : ` of ${formatSize(bytes)}`}`
  const pace = takeover === undefined ? '' : rate(takeover.bytesLoaded, at - takeover.since)
  return `${running} of ${plural(tasks, 'task')} ${running === 1 ? 'runs' : 'run'}; state of ${loaded} loaded${amount}${pace}${about(timeLeft(now, at))}`
}

/** `4.0 MiB of 12.0 MiB sent, 2.0 MiB/s, about 4 s left` */
export const uploadText = (sent: number, bytes: number, passedMs: number): string =>
  `${formatSize(sent)} of ${formatSize(bytes)} sent${rate(sent, passedMs)}${sent < bytes ? about(leftMs(sent, bytes, passedMs)) : ''}`

/** One line of a job, for whoever has no terminal, and below the events. */
export const summaryText = (job: JobDescription, at: number): string => {
  const { summary } = job
  const restoring = restoringOf(job)
  const tasks = restoring === undefined ? `${summary.tasksRunning} of ${plural(summary.tasks, 'task')} ${summary.tasksRunning === 1 ? 'runs' : 'run'}` : restoringText(restoring, at)
  return [`${summary.job} run ${summary.run} ${summary.state}${summary.reason === undefined ? '' : `: ${firstLine(summary.reason)}`}`, tasks, `lag ${numberOr(summary.lag)}`, summary.checkpoint === undefined ? 'no checkpoint yet' : `checkpoint ${summary.checkpoint}`].join(' · ')
}
