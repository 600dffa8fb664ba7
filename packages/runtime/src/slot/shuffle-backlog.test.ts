import { expect, test } from '@jest/globals'
import { jobId, silentLogger, stageId } from '@tidemark/base'
import { InFlightEncoder } from '@tidemark/checkpoint'
import { MemoryBroker, MemoryLog, MemoryObjectStore, VirtualClock } from '@tidemark/testkit'
import { count, job, json, topic, topicSink } from 'tidemark'
import { fixtureOf } from '../task/task-fixture.ts'
import { HeldTask } from './held-task.ts'
import { feedInFlight } from './in-flight.ts'
import { BytesPerOffset, ShuffleEnds } from './shuffle-backlog.ts'
import { statusOf } from './status.ts'

test('backlog: in bytes, by what was fetched of late → not known before anything was; what is old counts less', () => {
  const size = new BytesPerOffset()
  expect([size.of(10), size.of(0)]).toEqual([undefined, 0])
  size.fetched(1_000, 10)
  expect(size.of(5)).toBe(500)
  size.fetched(200_000, 2_000)
  for (let i = 0; i < 20; i += 1) size.fetched(10_000, 1_000)
  expect(size.of(1)).toBeLessThan(15)
  size.fetched(900_000, 1)
  expect(size.of(100)).toBe(90_000_000)
})

const reading = (): { readonly clock: VirtualClock, readonly held: HeldTask, readonly task: string } => {
  const clock = new VirtualClock()
  const fixture = fixtureOf(job('orders', { version: '1' }).source('in', topic('in', { value: json<{ readonly user: string }>() })).keyBy((one) => one.user).aggregate('n', { count: count() }).sink('out', topicSink('out', { value: json() })))
  const held = new HeldTask(() => fixture.task(1), { epoch: 1, counter: 1 }, 'journal', clock)
  return { clock, held, task: `${jobId('orders')} ${stageId(1)}` }
}

test('pause: it holds for as long as was said, and ends at once when that is said → a driver that is away holds nobody up', async () => {
  const { clock, held } = reading()
  expect([held.fetches, held.pausedBecause]).toEqual([true, undefined])
  held.pause(5_000, 'paused: shuffle s is 70 MiB behind')
  expect([held.fetches, held.pausedBecause]).toEqual([false, 'paused: shuffle s is 70 MiB behind'])
  await clock.advance(4_999)
  expect(held.fetches).toBe(false)
  await clock.advance(1)
  expect([held.fetches, held.pausedBecause]).toEqual([true, undefined])
  held.pause(5_000, 'again')
  held.pause(0, '')
  expect(held.fetches).toBe(true)
})

test.each(['it is paused itself', 'it is at its origin\'s blocks'])('ends of shuffles: a task that fetches nothing because %s → is told all the same how far it is behind', async (why) => {
  const { clock, held } = reading()
  const log = new MemoryLog({ clock, broker: new MemoryBroker({ clock }) })
  const [input] = held.task.inputs()
  if (input === undefined) throw new TypeError('no input')
  await log.createTopics([{ topic: input.topic, partitions: 1 }])
  await log.write([{ topic: input.topic, partition: 0, records: [1, 2, 3].map(() => ({ key: null, value: 'x' })) }])
  const ends = new ShuffleEnds({ clock, log, logger: silentLogger }, () => [held])
  const look = async (): Promise<number | undefined> => {
    await clock.advance(600)
    ends.step()
    await clock.advance(10)
    return held.stable.get(`${input.topic}/0`)
  }
  expect(await look()).toBeUndefined()
  if (why === 'it is paused itself') held.pause(60_000, 'paused')
  else held.task.loadSnapshot([], { ...held.task.content(), positions: [{ input: input.input, topic: input.topic, partition: 0, next: 0, inFlight: 0 }], upstreams: [] })
  expect(await look()).toBe(3)
})

test('origin: blocks of a restored run\'s origin say how large the blocks of its shuffle are, before one of those was read', async () => {
  const { clock, held } = reading()
  const [input] = held.task.inputs()
  if (input === undefined) throw new TypeError('no input')
  held.task.loadSnapshot([], { ...held.task.content(), positions: [{ input: input.input, topic: input.topic, partition: 0, next: 0, inFlight: 0 }], upstreams: [] })
  held.stable.set(`${input.topic}/0`, 10)
  expect(statusOf(held).inputs[0]?.behindBytes).toBeUndefined()
  const store = new MemoryObjectStore({ clock })
  const encoder = new InFlightEncoder()
  for (const length of [300, 500]) encoder.add({ input: input.input, value: Buffer.alloc(length) })
  const objects = encoder.finish()
  for (const [i, { body }] of objects.entries()) await store.put(`part-${i}`, body)
  const part = { stage: held.ref.stage, partition: 0, blocks: 2, bytes: 800, objects: objects.map(({ body, sha256 }, i) => ({ key: `part-${i}`, sizeBytes: body.length, sha256 })) }
  await feedInFlight({ clock, logger: silentLogger, store }, { origin: { inFlight: [part] } }, held, () => true)
  expect(statusOf(held).inputs[0]?.behindBytes).toBe(4_000)
})
