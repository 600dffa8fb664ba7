// Jobs for people: the overview, and everything about one.
import { growthInWords, howMany } from '@tidemark/base'
import type { LogGrowth } from '@tidemark/base'
import { taskName } from '@tidemark/checkpoint'
import type { ExecutorDescription, InputStatus, JobDescription, JobSummary, TaskDescription } from '@tidemark/wire'
import type { ExecutorRegistry } from './executors.ts'
import { growthOfJob } from './growth.ts'
import { groupWarning } from './group-edits.ts'
import type { JobEntry, JobTable, Place, TaskEntry } from './jobs.ts'
import { isLive } from './lifecycle.ts'
import { isSilent } from './log-silence.ts'
import type { Out } from './out.ts'

const lagOf = (inputs: readonly InputStatus[]): number => inputs.reduce((sum, { next, stable }) => sum + Math.max(0, stable - next), 0)

/** What is lacking, in one line; undefined while everything has an owner. */
const waitingReason = (job: JobEntry, waiting: readonly TaskEntry[], executors: ExecutorRegistry, nowMs: number): string | undefined => {
  if (!isLive(job.state) || waiting.length === 0) return undefined
  const count = `${waiting.length} of ${howMany(job.tasks.size, 'task')} ${waiting.length === 1 ? 'waits' : 'wait'}`
  const present = executors.present()
  if (present.length === 0) return `${count}: there is no executor`
  if (nowMs < job.adoptUntilMs) return `${count}: an executor of the driver before may still run them`
  const pausing = waiting.filter(({ notBeforeMs }) => nowMs < notBeforeMs)
  if (pausing.length > 0) return `${count}: ${pausing.map(({ ref, cause }) => `${taskName(ref)} (${cause})`).slice(0, 3).join(', ')}`
  if (present.every(({ state }) => state !== 'alive')) return `${count}: no executor takes tasks (${present.map(({ label, state }) => `${label} is ${state}`).join(', ')})`
  if (present.every(({ slots }) => slots.every(({ cutOff }) => cutOff !== undefined))) return `${count}: no executor that is left reaches the log (${present.map(({ label }) => label).join(', ')})`
  return `${count}: no slot is free`
}

export const summarise = (job: JobEntry, executors: ExecutorRegistry, out: Out): JobSummary => {
  const tasks = [...job.tasks.values()]
  const waiting = tasks.filter(({ place }) => place === undefined)
  const reason = job.reason ?? waitingReason(job, waiting, executors, out.nowMs)
  const newest = job.checkpoints[0]
  return {
    job: job.id, version: job.run.record.jobVersion, run: job.run.record.run, state: job.state, ...(reason === undefined ? {} : { reason }),
    tasks: tasks.length, tasksRunning: tasks.filter(({ place }) => place?.phase === 'running').length, tasksWaiting: waiting.length,
    submittedAt: job.run.submittedAt, lag: tasks.reduce((sum, task) => sum + sourceLag(job, task), 0),
    ...(newest === undefined ? {} : { checkpoint: newest.checkpoint, checkpointAt: newest.takenAt }),
    ...(job.finalCheckpoint === undefined ? {} : { finalCheckpoint: job.finalCheckpoint }),
  }
}

/** Of source topics only: blocks of a shuffle are not records. */
const sourceLag = (job: JobEntry, { ref, status }: TaskEntry): number => {
  const sources = new Set(job.run.record.stages.find(({ stage }) => stage === ref.stage)?.inputs.filter(({ kind }) => kind !== 'shuffle').map(({ input }) => input))
  return lagOf((status?.inputs ?? []).filter(({ input }) => sources.has(input)))
}

const phaseOf = ({ place, status }: TaskEntry): TaskDescription['phase'] => {
  if (place === undefined) return 'unassigned'
  if (place.phase === 'releasing') return 'releasing'
  return status?.phase ?? place.phase
}

/** Since when its owner hears nothing of the log; undefined: it does. */
const silenceOf = ({ executor, slot }: Place, executors: ExecutorRegistry): { readonly sinceMs: number, readonly because: string } | undefined => {
  const log = executors.get(executor)?.slots[slot]?.log
  return log !== undefined && isSilent(log) ? { sinceMs: log.silentSinceMs, because: log.because } : undefined
}

const describeTask = (task: TaskEntry, executors: ExecutorRegistry, out: Out): TaskDescription => {
  const { ref, place, status, recovery } = task
  const silence = place && silenceOf(place, executors)
  const sinceWall = silence && out.wall(silence.sinceMs)
  const silent = silence && sinceWall !== undefined ? `log unreachable since ${new Date(sinceWall).toISOString()} (${silence.because})` : undefined
  const waitingFor = silent ?? status?.waitingFor ?? (place === undefined ? task.cause : undefined)
  const phase = phaseOf(task)
  return {
    stage: ref.stage, partition: ref.partition, phase: silent !== undefined && phase === 'running' ? 'waiting' : phase, ...(waitingFor === undefined ? {} : { waitingFor }),
    ...(place === undefined ? {} : { executor: executors.get(place.executor)?.label ?? place.executor, executorId: place.executor, slot: place.slot, generation: place.generation }),
    inputs: status?.inputs ?? [], lag: lagOf(status?.inputs ?? []), ...(sinceWall === undefined ? {} : { lagAsOf: sinceWall }), batchId: status?.batchId ?? 0, ...(status?.watermark === undefined ? {} : { watermark: status.watermark }),
    stateKeys: status?.stateKeys ?? 0, stateBytes: status?.stateBytes ?? 0, ...(status?.snapshot === undefined ? {} : { snapshot: status.snapshot }),
    ...(recovery === undefined ? {} : { recovery }), ...(status?.tail === undefined ? {} : { tail: status.tail }), totals: status?.totals ?? {},
  }
}

const describeExecutors = (executors: ExecutorRegistry, jobs: JobTable, out: Out): ExecutorDescription[] => executors.all().map(({ id, label, state, slots, reason: why, sinceMs }) => {
  const off = slots.filter(({ cutOff }) => cutOff !== undefined)
  const reason = why ?? (off.length === 0 ? undefined : `cut off from the log: ${off.map(({ slot, cutOff }) => `slot ${slot} (${cutOff?.because ?? ''})`).join(', ')}`)
  return {
    executor: id, label, state, slots: slots.length, tasks: jobs.placed(id).length, ...(reason === undefined ? {} : { reason }), since: out.wall(sinceMs),
  }
})

/** No checkpoint for this many intervals is worth a word. */
const LATE_INTERVALS = 3

const warningsOf = (job: JobEntry, growth: LogGrowth | undefined, out: Out): string[] => {
  const warnings: string[] = []
  const newest = job.checkpoints[0]?.takenAt ?? job.run.record.createdAt
  const ageMs = out.wall() - newest
  if (isLive(job.state) && ageMs > LATE_INTERVALS * job.run.settings.checkpointIntervalMs + job.run.settings.checkpointTimeoutMs) warnings.push(`the newest checkpoint is ${Math.round(ageMs / 1_000)} s old${growth === undefined ? '' : `; ${growthInWords(growth)}`}`)
  for (const { ref, recovery } of job.tasks.values()) for (const remark of recovery?.steps?.remarks ?? []) warnings.push(`${taskName(ref)}: ${remark}`)
  const edited = groupWarning(job, out)
  if (edited !== undefined) warnings.push(edited)
  return warnings
}

export const describeJob = (job: JobEntry, executors: ExecutorRegistry, jobs: JobTable, underWay: JobDescription['checkpointUnderWay'], out: Out, freeBytes?: number): JobDescription => {
  const growth = growthOfJob(job, out.wall(), freeBytes)
  const { from } = job.run.record
  return {
    summary: summarise(job, executors, out), tasks: [...job.tasks.values()].map((task) => describeTask(task, executors, out)), checkpoints: job.checkpoints,
    ...(underWay === undefined ? {} : { checkpointUnderWay: underWay }), executors: describeExecutors(executors, jobs, out), warnings: warningsOf(job, growth, out),
    startedFrom: from === null ? 'empty' : `checkpoint ${from.checkpoint} of run ${from.run}`, ...(from === null ? {} : { origin: { checkpoint: from.checkpoint, run: from.run } }), ...(job.error === undefined ? {} : { error: job.error }), ...(growth === undefined ? {} : { growth }),
  }
}
