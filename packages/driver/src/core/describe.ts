// Jobs for people: the overview, and everything about one.
import { growthInWords, howMany } from '@tidemark/base'
import type { LogGrowth } from '@tidemark/base'
import { taskName } from '@tidemark/checkpoint'
import type { CheckpointDescription, ExecutorDescription, InputStatus, JobDescription, JobSummary, TaskDescription } from '@tidemark/wire'
import type { ExecutorRegistry } from './executors.ts'
import { growthOfJob } from './growth.ts'
import { groupWarning } from './group-edits.ts'
import type { JobEntry, JobTable, Place, TaskEntry } from './jobs.ts'
import { isLive, isOver } from './lifecycle.ts'
import { isSilent } from './log-silence.ts'
import type { Out } from './out.ts'

const lagOf = (inputs: readonly InputStatus[]): number => inputs.reduce((sum, { next, stable }) => sum + Math.max(0, stable - next), 0)

/** Who has no owner, or one that still takes it over, has nobody who looks at the log for it: 0 would be an all-clear. */
const isLagKnown = ({ place, status }: TaskEntry): boolean => place !== undefined && status !== undefined && status.phase !== 'taking-over'

const SLOTS_TAKEN = 'A slot runs one job at a time, and other jobs have all of them: start an executor more, or one with more slots (`tidemark dev` takes `--executors` and `--slots`), or cancel another job'

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
  // One without a job has a process that is not ready yet: that passes by itself.
  const usable = present.flatMap(({ state, slots }) => state === 'alive' ? slots.filter(({ cutOff }) => cutOff === undefined) : [])
  const taken = usable.length > 0 && usable.every(({ run }) => run !== undefined && run.job !== job.id)
  return `${count}: no slot is free${taken ? `. ${SLOTS_TAKEN}` : ''}`
}

/** Of this run: those of runs before it are kept, and say nothing of what this one would lose. */
const newestOf = ({ checkpoints, run: { record } }: JobEntry): CheckpointDescription | undefined => checkpoints.find(({ run }) => run === record.run)

/** What the run began from, while that is kept. */
const originOf = ({ checkpoints, run: { record: { from } } }: JobEntry): CheckpointDescription | undefined => checkpoints.find(({ checkpoint }) => checkpoint === from?.checkpoint)

export const summarise = (job: JobEntry, executors: ExecutorRegistry, out: Out): JobSummary => {
  const tasks = [...job.tasks.values()]
  const waiting = tasks.filter(({ place }) => place === undefined)
  const reason = job.reason ?? waitingReason(job, waiting, executors, out.nowMs)
  const newest = newestOf(job) ?? originOf(job)
  const lag = sourceLagOf(job, tasks)
  return {
    job: job.id, version: job.run.record.jobVersion, run: job.run.record.run, state: job.state, ...(reason === undefined ? {} : { reason }),
    tasks: tasks.length, tasksRunning: tasks.filter(({ place }) => place?.phase === 'running').length, tasksWaiting: isLive(job.state) ? waiting.length : 0,
    submittedAt: job.run.submittedAt, ...(lag === undefined ? {} : { lag }),
    ...(newest === undefined ? {} : { checkpoint: newest.checkpoint, checkpointAt: newest.takenAt }),
    ...(job.finalCheckpoint === undefined ? {} : { finalCheckpoint: job.finalCheckpoint }),
  }
}

/** Of source topics only: blocks of a shuffle are not records. Undefined: of a task that reads one it is not known. */
const sourceLagOf = (job: JobEntry, tasks: readonly TaskEntry[]): number | undefined => {
  let sum = 0
  for (const task of tasks) {
    const sources = new Set(job.run.record.stages.find(({ stage }) => stage === task.ref.stage)?.inputs.filter(({ kind }) => kind !== 'shuffle').map(({ input }) => input))
    if (sources.size === 0) continue
    if (!isLagKnown(task)) return undefined
    sum += lagOf((task.status?.inputs ?? []).filter(({ input }) => sources.has(input)))
  }
  return sum
}

const phaseOf = ({ place, status }: TaskEntry): TaskDescription['phase'] => {
  if (place === undefined) return 'unassigned'
  if (place.phase === 'releasing') return 'releasing'
  // Gathered before the owner said that it runs, a status knows less than that word did.
  return status === undefined || (status.phase === 'taking-over' && place.phase === 'running') ? place.phase : status.phase
}

/** Since when its owner hears nothing of the log; undefined: it does. */
const silenceOf = ({ executor, slot }: Place, executors: ExecutorRegistry): { readonly sinceMs: number, readonly because: string } | undefined => {
  const log = executors.get(executor)?.slots[slot]?.log
  return log !== undefined && isSilent(log) ? { sinceMs: log.silentSinceMs, because: log.because } : undefined
}

/** `over`: the tasks of its job wait for nothing any more. */
const describeTask = (task: TaskEntry, over: boolean, executors: ExecutorRegistry, out: Out): TaskDescription => {
  const { ref, place, status, recovery } = task
  const silence = place && silenceOf(place, executors)
  const sinceWall = silence && out.wall(silence.sinceMs)
  const silent = silence && sinceWall !== undefined ? `log unreachable since ${new Date(sinceWall).toISOString()} (${silence.because})` : undefined
  const waitingFor = silent ?? status?.waitingFor ?? (place === undefined && !over ? task.cause : undefined)
  const phase = phaseOf(task)
  return {
    stage: ref.stage, partition: ref.partition, phase: silent !== undefined && phase === 'running' ? 'waiting' : phase, ...(waitingFor === undefined ? {} : { waitingFor }),
    ...(place === undefined ? {} : { executor: executors.get(place.executor)?.label ?? place.executor, executorId: place.executor, slot: place.slot, generation: place.generation }),
    inputs: status?.inputs ?? [], ...(isLagKnown(task) ? { lag: lagOf(status?.inputs ?? []) } : {}), ...(sinceWall === undefined ? {} : { lagAsOf: sinceWall }), batchId: status?.batchId ?? 0, ...(status?.watermark === undefined ? {} : { watermark: status.watermark }),
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

const checkpointAgeMs = (job: JobEntry, out: Out): number => out.wall() - (newestOf(job)?.takenAt ?? job.run.record.createdAt)

const isOverdue = (job: JobEntry, out: Out): boolean => isLive(job.state) && checkpointAgeMs(job, out) > LATE_INTERVALS * job.run.settings.checkpointIntervalMs + job.run.settings.checkpointTimeoutMs

/** Between two checkpoints that come in time everything grows, and is trimmed behind the second: that is no forecast. */
const toldGrowth = (job: JobEntry, out: Out, freeBytes: number | undefined): LogGrowth | undefined => {
  const growth = growthOfJob(job, out.wall(), freeBytes)
  if (growth === undefined || isOverdue(job, out)) return growth
  const { fullInHours: _tooEarly, ...rest } = growth
  return rest
}

const warningsOf = (job: JobEntry, growth: LogGrowth | undefined, out: Out): string[] => {
  const warnings: string[] = []
  if (isOverdue(job, out)) warnings.push(`the newest checkpoint is ${Math.round(checkpointAgeMs(job, out) / 1_000)} s old${growth === undefined ? '' : `; ${growthInWords(growth)}`}`)
  for (const { ref, recovery } of job.tasks.values()) for (const remark of recovery?.steps?.remarks ?? []) warnings.push(`${taskName(ref)}: ${remark}`)
  const edited = groupWarning(job, out)
  if (edited !== undefined) warnings.push(edited)
  return warnings
}

export const describeJob = (job: JobEntry, executors: ExecutorRegistry, jobs: JobTable, underWay: JobDescription['checkpointUnderWay'], out: Out, freeBytes?: number): JobDescription => {
  const growth = toldGrowth(job, out, freeBytes)
  const { from } = job.run.record
  return {
    summary: summarise(job, executors, out), tasks: [...job.tasks.values()].map((task) => describeTask(task, isOver(job.state), executors, out)), checkpoints: job.checkpoints,
    ...(underWay === undefined ? {} : { checkpointUnderWay: underWay }), executors: describeExecutors(executors, jobs, out), warnings: warningsOf(job, growth, out),
    startedFrom: from === null ? 'empty' : `checkpoint ${from.checkpoint} of run ${from.run}`, ...(from === null ? {} : { origin: { checkpoint: from.checkpoint, run: from.run } }), ...(job.error === undefined ? {} : { error: job.error }), ...(growth === undefined ? {} : { growth }),
  }
}
