// What `describe` and `jobs` print.
import { formatSize, growthInWords, trimmedInWords } from '@tidemark/base'
import { taskName } from '@tidemark/checkpoint'
import type { DamagedJob, JobDescription, JobState, JobSummary, TaskDescription } from '@tidemark/wire'
import type { Paint, Style } from '../terminal.ts'
import { recoveryLines } from './recovery.ts'
import { facts, table } from './table.ts'
import { ago, eventTime, firstLine, number, numberOr, plural } from './values.ts'

const STATE_STYLE: Readonly<Record<JobState, Style>> = {
  submitted: 'yellow', starting: 'yellow', running: 'green', restoring: 'yellow', draining: 'yellow', cancelling: 'yellow', cancelled: 'dim', failed: 'red', ended: 'dim',
}

/** Nothing of it runs, and nothing will by itself. */
export const isOver = (state: JobState): boolean => state === 'cancelled' || state === 'ended' || state === 'failed'

/** A job of which `jobs` knows no more than that it is there. */
export interface ListedDamage extends DamagedJob {
  readonly state: 'damaged'
  readonly reason: string
}

export const jobTable = (jobs: readonly JobSummary[], damaged: readonly ListedDamage[], now: number, paint: Paint): string[] => jobs.length + damaged.length === 0 ? ['no jobs'] : table(
  [{ title: 'job' }, { title: 'version' }, { title: 'run', align: 'right' }, { title: 'state' }, { title: 'tasks', align: 'right' }, { title: 'lag', align: 'right' }, { title: 'checkpoint' }, { title: 'reason' }],
  [
    ...jobs.map((job) => [job.job, job.version, String(job.run), paint(STATE_STYLE[job.state], job.state), `${job.tasksRunning}/${job.tasks}`, isOver(job.state) ? '-' : numberOr(job.lag), checkpointOf(job, now), firstLine(job.reason ?? '')]),
    ...damaged.map(({ job, state, reason }) => [job, '', '', paint('red', state), '', '', '', firstLine(reason)]),
  ],
)

const noCheckpoint = (state: JobState): string => isOver(state) ? 'none' : 'none yet'

const checkpointOf = ({ checkpoint, checkpointAt, state }: JobSummary, now: number): string => {
  if (checkpoint === undefined) return noCheckpoint(state)
  return checkpointAt === undefined ? String(checkpoint) : `${checkpoint}, ${ago(checkpointAt, now)}`
}

export const describeLines = (job: JobDescription, now: number, paint: Paint): string[] => {
  const { summary } = job
  const head = facts([
    ['job', `${paint('bold', summary.job)} version ${summary.version}, run ${summary.run}, started from ${job.startedFrom}`],
    ['state', paint(STATE_STYLE[summary.state], summary.state) + (summary.reason === undefined ? '' : `: ${firstLine(summary.reason)}`)],
    ['tasks', `${summary.tasksRunning} of ${summary.tasks} running, ${summary.tasksWaiting} waiting`],
    ['lag', lagLine(job)],
    ['checkpoint', checkpointLine(job, now)],
    ...job.growth === undefined ? [] : [['since snapshots', job.growth.fullInHours === undefined ? trimmedInWords(job.growth) : growthInWords(job.growth)] as const],
  ])
  const error = job.error === undefined ? [] : [paint('red', `${job.error.code}: ${job.error.message}`), ...job.error.hint === undefined ? [] : [`  ${job.error.hint}`]]
  return [
    ...head, ...job.warnings.map((warning) => paint('yellow', `warning: ${warning}`)), ...error,
    ...section('executors', executorLines(job, now, paint), paint), ...section('tasks', taskLines(job.tasks, now), paint), ...section('last recovery of each task', recoveryLines(job.tasks, paint), paint),
  ]
}

const section = (title: string, lines: readonly string[], paint: Paint): string[] => lines.length === 0 ? [] : ['', paint('bold', title), ...lines]

const lagLine = ({ summary: { lag, state }, tasks }: JobDescription): string => {
  if (isOver(state)) return '-'
  if (lag === undefined) return '?: nobody knows it of tasks that do not run'
  return `${plural(lag, 'record')}${tasks.some(({ lagAsOf }) => lagAsOf !== undefined) ? ' or more: owners that hear nothing of the log told it last' : ''}`
}

const checkpointLine = ({ summary, checkpoints, checkpointUnderWay: now }: JobDescription, at: number): string => {
  const [own, newest] = [checkpoints.find(({ run }) => run === summary.run), checkpoints[0]]
  const done = own !== undefined ? `${own.checkpoint}, ${ago(own.takenAt, at)}: ${formatSize(own.bytes)} in ${plural(own.parts, 'part')}` : `${noCheckpoint(summary.state)}${newest === undefined ? '' : ` of this run; the newest of the runs before is ${newest.checkpoint}, ${ago(newest.takenAt, at)}`}`
  return now === undefined ? done : `${done}; ${now.checkpoint} under way for ${ago(now.startedAt, at).replace(/ ago$/, '')}, ${now.partsNamed} of ${plural(now.parts, 'part')}`
}

const executorLines = ({ executors, summary: { state } }: JobDescription, now: number, paint: Paint): string[] => executors.length === 0 ? [isOver(state) ? 'none' : 'none: tasks wait for one'] : table(
  [{ title: 'executor' }, { title: 'state' }, { title: 'since' }, { title: 'slots', align: 'right' }, { title: 'tasks', align: 'right' }, { title: 'id' }, { title: 'reason' }],
  executors.map((one) => [one.label, paint(one.state === 'alive' ? 'green' : one.state === 'dead' ? 'red' : 'yellow', one.state), ago(one.since, now), String(one.slots), String(one.tasks), one.executor.slice(0, 8), one.reason ?? '']),
)

/** An owner that went on from it does not know when the one before took it. */
const snapshotCell = ({ snapshot, phase }: TaskDescription, now: number): string =>
  snapshot === undefined ? phase === 'unassigned' ? '' : 'none yet' : `${snapshot.checkpoint}, ${snapshot.takenAt === 0 ? 'by the owner before' : ago(snapshot.takenAt, now)}`

const taskLines = (tasks: readonly TaskDescription[], now: number): string[] => tasks.length === 0 ? [] : table(
  [
    { title: 'task' }, { title: 'owner' }, { title: 'phase' }, { title: 'generation', align: 'right' }, { title: 'batch', align: 'right' }, { title: 'lag', align: 'right' }, { title: 'watermark' },
    { title: 'keys', align: 'right' }, { title: 'state', align: 'right' }, { title: 'snapshot' },
  ],
  tasks.map((task) => [
    taskName(task), task.executor === undefined ? '' : `${task.executor}${task.slot === undefined ? '' : ` #${task.slot}`}`, task.waitingFor === undefined ? task.phase : `${task.phase}: ${task.waitingFor}`,
    task.generation === undefined ? '' : `${task.generation.epoch}.${task.generation.counter}`, number(task.batchId), `${task.lagAsOf === undefined || task.lag === undefined ? '' : '≥ '}${numberOr(task.lag)}`, task.watermark === undefined ? '' : eventTime(task.watermark),
    number(task.stateKeys), formatSize(task.stateBytes), snapshotCell(task, now),
  ]),
)
