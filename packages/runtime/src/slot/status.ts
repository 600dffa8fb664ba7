// What a slot tells of a task a few times a second.
import { newestSnapshot } from './snapshots.ts'
import type { HeldTask } from './held-task.ts'
import type { SlotTaskStatus } from './messages.ts'

export const statusOf = (held: HeldTask): SlotTaskStatus => {
  const { task } = held
  const { watermark } = task
  const snapshot = newestSnapshot(held)
  const content = task.content()
  return {
    task: held.ref,
    generation: held.generation,
    phase: held.waitingFor !== undefined && held.phase === 'running' ? 'waiting' : held.phase,
    ...(held.waitingFor === undefined ? {} : { waitingFor: held.waitingFor }),
    inputs: content.positions.map(({ input, topic, partition, next }) => ({ input, topic, partition, next, stable: Math.max(next, held.stable.get(`${topic}/${partition}`) ?? next) })),
    batchId: content.batchId,
    ...(watermark === undefined ? {} : { watermark }),
    stateKeys: task.stateKeys,
    stateBytes: task.stateBytes,
    ...(snapshot === undefined ? {} : { snapshot }),
    tail: { batches: held.tail.batches, bytes: held.tail.bytes },
    recovery: held.timeline,
    totals: { ...content.totals },
  }
}
