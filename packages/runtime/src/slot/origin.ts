// The state that a restored run begins with (C3): the manifest's part of the same task, made to look like a snapshot at batch 0.
import type { TaskRef } from '@tidemark/base'
import type { SnapshotRef, SourcePosition, UpstreamMark } from '@tidemark/checkpoint'
import type { SlotOptions } from './ports.ts'

/** In a new run the batches of the upstream tasks count from 1 again. Of one whose batch the cut went through the rest comes first, in flight. */
export const originUpstreams = (marks: readonly UpstreamMark[]): UpstreamMark[] => marks.map((mark) => mark.nextBlock === undefined ? { ...mark, batchId: 0 } : mark)

/** Undefined: the run began empty. Shuffle inputs begin with their in-flight blocks, then at offset 0 of the new run's topic. */
export const originSnapshot = (options: Pick<SlotOptions, 'origin' | 'run'>, task: TaskRef): SnapshotRef | undefined => {
  const part = options.origin?.parts.find((one) => one.stage === task.stage && one.partition === task.partition)
  if (part === undefined) return undefined
  const inputs = options.run.stages.find((stage) => stage.stage === task.stage)?.inputs ?? []
  const positions = part.ref.positions.map((position): SourcePosition => {
    const input = inputs.find((one) => one.input === position.input)
    if (input === undefined || input.kind !== 'shuffle') return position
    const { inFlight: _inFlight, last: _last, ...rest } = position
    return { ...rest, topic: input.topic, next: 0, inFlight: 0 }
  })
  return { ...part.ref, batchId: 0, journalNext: 0, positions }
}
