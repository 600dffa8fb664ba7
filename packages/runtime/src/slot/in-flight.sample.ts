// A task behind a shuffle, and a block as it stands there: for tests of what is in flight.
import { randomBytes } from 'node:crypto'
import { encodeBlocks } from '@tidemark/checkpoint'
import { MemoryObjectStore, VirtualClock } from '@tidemark/testkit'
import { count, job, json, topic, topicSink } from 'tidemark'
import { packShuffled, SHUFFLED_BYTES_MAX } from '../operators/shuffled-value.ts'
import { fixtureOf } from '../task/task-fixture.ts'
import { HeldTask } from './held-task.ts'

export const started = (run = 1): { readonly clock: VirtualClock, readonly held: HeldTask, readonly input: { readonly input: string, readonly topic: string }, readonly store: MemoryObjectStore } => {
  const clock = new VirtualClock()
  const fixture = fixtureOf(job('orders', { version: '1' }).source('in', topic('in', { value: json<{ readonly user: string }>() })).keyBy((one) => one.user).aggregate('n', { count: count() }).sink('out', topicSink('out', { value: json() })))
  const held = new HeldTask(() => fixture.task(1, 0, run), { epoch: 1, counter: 1 }, 'journal', clock)
  const [input] = held.task.inputs()
  if (input === undefined) throw new TypeError('no input')
  return { clock, held, input, store: new MemoryObjectStore({ clock }) }
}

/** As large as they come, and nothing in them can be packed. */
export const block = (batchId: number): Buffer => {
  const [whole] = encodeBlocks({ stage: 's0', partition: 0, batchId, generation: { epoch: 1, counter: 1 }, idle: false }, [{ key: `u${batchId}`, value: packShuffled(randomBytes(SHUFFLED_BYTES_MAX)), timestamp: 0 }])
  if (whole === undefined) throw new TypeError('no block')
  return whole
}
