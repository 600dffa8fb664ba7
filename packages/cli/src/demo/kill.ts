// SIGKILLs an executor under load and follows what the cluster makes of it, to the first commit of every task that moved.
import { TidemarkError } from '@tidemark/base'
import { taskName } from '@tidemark/checkpoint'
import type { TaskDescription } from '@tidemark/wire'
import type { Child } from '../cluster/child.ts'
import { originOf, STEP_COLUMNS, stepCells } from '../format/recovery.ts'
import { table } from '../format/table.ts'
import { plural } from '../format/values.ts'
import { allRun, byOwner } from './stage.ts'
import type { Stage } from './stage.ts'
import type { Watcher } from './watcher.ts'

export interface Recovery {
  readonly victim: string
  readonly cause: string
  readonly tasks: number
  /** All in ms since the kill: the driver's verdict, and the last first commit of a task that moved. */
  readonly detectedMs: number
  readonly recoveredMs: number
  /** Longest silence of a results partition that the victim wrote, as a reader saw it; and of one that it did not write. */
  readonly gapMs: number
  readonly othersGapMs: number
}

/** Results come every few ms: so much before and after belongs to the picture. */
const AROUND_MS = 250
const SETTLE_MS = 300

const commitOf = (task: TaskDescription): number => (task.recovery?.assignedAt ?? 0) + (task.recovery?.steps?.firstCommitMs ?? 0)

/** The first stage reads the orders and writes the totals, whose silence is measured. */
const writesTotals = (task: TaskDescription): boolean => task.inputs.some(({ topic }) => topic.startsWith('demo.'))

/** The living executor with most tasks of the job, of those that write totals. */
const busiest = (stage: Stage, tasks: readonly TaskDescription[]): { readonly child: Child, readonly owned: readonly TaskDescription[] } => {
  const owners = byOwner(tasks)
  const living = stage.cluster.executors.filter((child) => child.alive).map((child) => ({ child, owned: owners.get(child.name) ?? [] }))
  const [most] = living.filter(({ owned }) => owned.some(writesTotals)).toSorted((a, b) => b.owned.length - a.owned.length)
  if (most === undefined) throw new TidemarkError('no executor owns a task that writes totals', { code: 'DEMO_STUCK', blame: 'bug', action: 'exit' })
  return most
}

/** `whole`: the executor and its slots at once; else the executor alone, whose slots have to notice. */
export const killOne = async (stage: Stage, watcher: Watcher, whole: boolean): Promise<Recovery> => {
  const { tasks } = await stage.until('all tasks running', allRun)
  const { child, owned } = busiest(stage, tasks)
  const lost = new Set(owned.map(taskName))
  stage.say(`SIGKILL to executor ${child.name} (pid ${child.pid}${whole ? ', with its slots' : ''}), owner of ${[...lost].join(', ')}`, 'red')
  const killedAt = stage.clock.now()
  if (whole) child.killGroup()
  else child.signal('SIGKILL')

  const since = (task: TaskDescription): boolean => task.recovery !== undefined && task.recovery.detectedAt >= killedAt && task.recovery.steps?.firstCommitMs !== undefined
  const after = await stage.until(`all tasks of ${child.name} running elsewhere`, (job) => allRun(job) && job.tasks.every((task) => !lost.has(taskName(task)) || (task.executor !== child.name && since(task))))
  const moved = after.tasks.filter((task) => lost.has(taskName(task)))
  const detectedAt = Math.min(...moved.map((task) => task.recovery?.detectedAt ?? Infinity))
  const recoveredAt = Math.max(...moved.map(commitOf))
  const cause = moved[0]?.recovery?.cause ?? ''
  stage.say(`${cause}: known ${Math.round(detectedAt - killedAt)} ms after the kill; ${plural(moved.length, 'task')} moved, the last one's first commit ${Math.round(recoveredAt - killedAt)} ms after it`, 'green')
  for (const line of movedLines(moved, killedAt)) stage.show(line)

  // The reader is a little behind the commits it is to see.
  await stage.clock.sleep(SETTLE_MS, stage.signal)
  const partitions = owned.filter(writesTotals).map((task) => task.partition)
  const others = tasks.filter((task) => task.stage === 's0' && !partitions.includes(task.partition)).map((task) => task.partition)
  const gap = (which: readonly number[]): number => Math.round(watcher.silence(which, killedAt, recoveredAt + AROUND_MS)?.ms ?? 0)
  return { victim: child.name, cause, tasks: moved.length, detectedMs: Math.round(detectedAt - killedAt), recoveredMs: Math.round(recoveredAt - killedAt), gapMs: gap(partitions), othersGapMs: gap(others) }
}

const movedLines = (moved: readonly TaskDescription[], killedAt: number): string[] => {
  const rows = moved.map((task) => [
    taskName(task), task.executor ?? '', String(Math.round((task.recovery?.assignedAt ?? killedAt) - killedAt)), ...stepCells(task.recovery?.steps), task.recovery?.steps === undefined ? '' : originOf(task.recovery.steps),
  ])
  return ['', ...table([{ title: 'task' }, { title: 'moved to' }, { title: 'given out' }, ...STEP_COLUMNS, { title: 'went on from' }], rows).map((line) => `  ${line}`), '  (ms: given out since the kill, the steps since the new owner was told)', '']
}
