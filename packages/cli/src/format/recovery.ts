// A takeover, step by step: what `describe` and the demo print of it.
import { formatSize } from '@tidemark/base'
import { taskName } from '@tidemark/checkpoint'
import type { RecoveryTimeline, TaskDescription } from '@tidemark/wire'
import type { Paint } from '../terminal.ts'
import { table } from './table.ts'
import type { Column } from './table.ts'
import { plural, timeOfDay } from './values.ts'

const STEPS = [['read', 'readMs'], ['fenced', 'fencedMs'], ['claimed', 'claimedMs'], ['loaded', 'loadedMs'], ['tailed', 'tailedMs'], ['first commit', 'firstCommitMs']] as const

export const STEP_COLUMNS: readonly Column[] = STEPS.map(([title]) => ({ title, align: 'right' }))

/** Milliseconds since the new owner was told, in the order of STEP_COLUMNS. */
export const stepCells = (steps: RecoveryTimeline | undefined): string[] => STEPS.map(([, field]) => {
  const ms = steps?.[field]
  return ms === undefined ? '…' : String(Math.round(ms))
})

/** From which state it went on: snapshot, keys, and the tail of the journal behind it. */
export const originOf = ({ snapshot, tailRecords, tailBatches }: RecoveryTimeline): string =>
  `${snapshot === undefined ? "the journal's start" : `snapshot ${snapshot.checkpoint} (${plural(snapshot.keys, 'key')}, ${formatSize(snapshot.bytes)})`} + tail of ${plural(tailRecords, 'record')} in ${plural(tailBatches, 'batch', 'batches')}`

export const recoveryLines = (tasks: readonly TaskDescription[], paint: Paint): string[] => {
  const taken = tasks.flatMap((task) => task.recovery === undefined ? [] : [{ task, recovery: task.recovery }])
  if (taken.length === 0) return []
  const rows = taken.map(({ task, recovery }) => [
    taskName(task), timeOfDay(recovery.detectedAt), timeOfDay(recovery.assignedAt), ...stepCells(recovery.steps), recovery.steps === undefined ? '' : String(recovery.steps.fencedIds),
    recovery.steps === undefined ? 'under way' : originOf(recovery.steps),
  ])
  return [
    ...table([{ title: 'task' }, { title: 'detected' }, { title: 'assigned' }, ...STEP_COLUMNS, { title: 'ids fenced', align: 'right' }, { title: 'went on from' }], rows),
    paint('dim', 'steps in ms since the new owner was told; without input a first commit waits for some, or for idleAfter'),
    ...[...Map.groupBy(taken, ({ recovery }) => recovery.cause)].flatMap(([cause, same]) => [
      `${cause}: ${same.map(({ task }) => taskName(task)).join(', ')}`, ...same.flatMap(({ task, recovery }) => (recovery.steps?.remarks ?? []).map((remark) => `  ${taskName(task)}: ${remark}`)),
    ]),
  ]
}
