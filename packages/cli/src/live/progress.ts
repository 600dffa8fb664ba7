// How far a job is that gets its tasks: snapshots loaded, bytes, the time that is left. Pure: descriptions in, a sentence out.
import { formatDuration, formatSize } from '@tidemark/base'
import type { JobDescription, TaskDescription } from '@tidemark/wire'
import { firstLine, number, plural } from '../format/values.ts'

export interface Restoring {
  readonly tasks: number
  readonly running: number
  /** Have their state, whether from a snapshot or without one. */
  readonly loaded: number
  readonly bytesLoaded: number
  /** Of the checkpoint that the run began from; absent where it did not begin from one. */
  readonly bytes?: number
}

const steps = ({ recovery }: TaskDescription) => recovery?.steps

const isLoaded = (task: TaskDescription): boolean => task.phase === 'running' || (steps(task)?.loadedMs ?? 0) > 0

/** Undefined: every task runs, or none is to. */
export const restoringOf = ({ summary, tasks, checkpoints, startedFrom }: JobDescription): Restoring | undefined => {
  const wanted = summary.state === 'running' || summary.state === 'restoring' || summary.state === 'starting' || summary.state === 'draining'
  if (!wanted || tasks.every(({ phase }) => phase === 'running' || phase === 'waiting' || phase === 'releasing')) return undefined
  const loaded = tasks.filter(isLoaded)
  const origin = /^checkpoint (\d+)/.exec(startedFrom)?.[1]
  const bytes = checkpoints.find(({ checkpoint }) => String(checkpoint) === origin)?.bytes
  return {
    tasks: tasks.length, running: tasks.filter(({ phase }) => phase === 'running').length, loaded: loaded.length,
    bytesLoaded: loaded.reduce((sum, task) => sum + (steps(task)?.snapshot?.bytes ?? 0), 0), ...(bytes === undefined ? {} : { bytes }),
  }
}

/** What is left at the pace so far; undefined while nothing can be told of it. */
export const leftMs = (done: number, all: number, passedMs: number): number | undefined => (done <= 0 || all <= done || passedMs <= 0 ? undefined : (all - done) * passedMs / done)

const about = (ms: number | undefined): string => ms === undefined ? '' : `, about ${ms < 60_000 ? `${Math.ceil(ms / 1_000)} s` : formatDuration(ms)} left`

/** `3 of 8 tasks run; 5 snapshots loaded, 12.0 MiB of 40.0 MiB, about 4s left` */
export const restoringText = (now: Restoring, passedMs: number): string => {
  const { tasks, running, loaded, bytesLoaded, bytes } = now
  const amount = bytesLoaded === 0 ? '' : `, ${formatSize(bytesLoaded)}${bytes === undefined || bytes < bytesLoaded ? '' : ` of ${formatSize(bytes)}`}`
  const left = bytes !== undefined && bytesLoaded > 0 && bytes > bytesLoaded ? leftMs(bytesLoaded, bytes, passedMs) : leftMs(loaded, tasks, passedMs)
  return `${running} of ${plural(tasks, 'task')} ${running === 1 ? 'runs' : 'run'}; state of ${loaded} loaded${amount}${about(left)}`
}

/** `4.0 MiB of 12.0 MiB sent, 2.0 MiB/s, about 4s left` */
export const uploadText = (sent: number, bytes: number, passedMs: number): string => {
  const rate = passedMs > 0 ? `, ${formatSize(Math.round(sent / passedMs * 1_000))}/s` : ''
  return `${formatSize(sent)} of ${formatSize(bytes)} sent${rate}${sent < bytes ? about(leftMs(sent, bytes, passedMs)) : ''}`
}

/** One line of a job, for whoever has no terminal, and below the events. */
export const summaryText = (job: JobDescription, passedMs: number): string => {
  const { summary } = job
  const restoring = restoringOf(job)
  const tasks = restoring === undefined ? `${summary.tasksRunning} of ${plural(summary.tasks, 'task')} ${summary.tasksRunning === 1 ? 'runs' : 'run'}` : restoringText(restoring, passedMs)
  return [`${summary.job} run ${summary.run} ${summary.state}${summary.reason === undefined ? '' : `: ${firstLine(summary.reason)}`}`, tasks, `lag ${number(summary.lag)}`, summary.checkpoint === undefined ? 'no checkpoint yet' : `checkpoint ${summary.checkpoint}`].join(' · ')
}
