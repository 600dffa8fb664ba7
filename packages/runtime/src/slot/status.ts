// What a slot tells of a task a few times a second.
import { wholeMs } from '../watermarks/stage-watermark.ts'
import { newestSnapshot } from './snapshots.ts'
import type { HeldTask } from './held-task.ts'
import type { SlotTaskStatus } from './messages.ts'

export const statusOf = (held: HeldTask): SlotTaskStatus => {
  const { task } = held
  const { watermark } = task
  const snapshot = newestSnapshot(held)
  const content = task.content()
  const waitingFor = held.waitingFor ?? held.pausedBecause
  return {
    task: held.ref,
    generation: held.generation,
    phase: waitingFor !== undefined && held.phase === 'running' ? 'waiting' : held.phase,
    ...(waitingFor === undefined ? {} : { waitingFor }),
    inputs: content.positions.map(({ input, topic, partition, next }) => {
      const key = `${topic}/${partition}`
      const stable = Math.max(next, held.stable.get(key) ?? next)
      const behindBytes = held.sizes.get(key)?.of(stable - next)
      return { input, topic, partition, next, stable, ...(behindBytes === undefined ? {} : { behindBytes }) }
    }),
    batchId: content.batchId,
    ...(watermark === undefined ? {} : { watermark: wholeMs(watermark) }),
    stateKeys: task.stateKeys,
    stateBytes: task.stateBytes,
    ...(snapshot === undefined ? {} : { snapshot }),
    tail: { batches: held.tail.batches, bytes: held.tail.bytes },
    recovery: held.timeline,
    totals: { ...content.totals },
  }
}
