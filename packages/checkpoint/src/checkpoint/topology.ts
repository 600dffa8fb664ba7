// Which tasks a run has, and who reads from whom: every task of a shuffle's writing stage writes to every task of the reading one.
import type { StageId } from '@tidemark/base'
import type { RunRecord } from '../run.ts'

/** A task within its run. */
export interface TaskId {
  readonly stage: StageId
  readonly partition: number
}

/** `s0-3`: unique within a run, and how people are told of it. */
export const taskName = ({ stage, partition }: { readonly stage: string, readonly partition: number }): string => `${stage}-${partition}`

export interface CheckpointTask extends TaskId {
  /** Tasks that write what this one reads. */
  readonly writers: readonly TaskId[]
  /** Tasks that read what this one writes. */
  readonly readers: readonly TaskId[]
}

export const topologyOf = (run: RunRecord): CheckpointTask[] => {
  const tasksOf = (stage: StageId): TaskId[] => Array.from({ length: run.stages.find((one) => one.stage === stage)?.partitions ?? 0 }, (_, partition) => ({ stage, partition }))
  const distinct = (stages: readonly StageId[]): TaskId[] => [...new Set(stages)].flatMap(tasksOf)
  return run.stages.flatMap(({ stage }) => {
    const writers = distinct(run.shuffles.filter((shuffle) => shuffle.to === stage).map((shuffle) => shuffle.from))
    const readers = distinct(run.shuffles.filter((shuffle) => shuffle.from === stage).map((shuffle) => shuffle.to))
    return tasksOf(stage).map((task) => ({ ...task, writers, readers }))
  })
}
