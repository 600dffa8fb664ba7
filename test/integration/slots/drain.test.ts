// The last checkpoint of a drained run, in a slot whose sink answers late or not at all; time passes when a test says so.
import { randomUUID } from 'node:crypto'
import { afterEach, expect, test } from '@jest/globals'
import { realClock, silentLogger, TidemarkError } from '@tidemark/base'
import type { Clock, TaskRef } from '@tidemark/base'
import { buildManifest, paths } from '@tidemark/checkpoint'
import type { Manifest } from '@tidemark/checkpoint'
import { MemoryBroker, MemoryLog } from '@tidemark/testkit'
import { count, job, json, markerSink, topic } from 'tidemark'
import type { JobSettings } from 'tidemark'
import { SlotFixture } from './slot-fixture.ts'
import type { RunningSlot, SlotChanges } from './slot-fixture.ts'

const USERS = 3

let open: SlotFixture | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
})

const start = async (shuffled: boolean): Promise<{ readonly fixture: SlotFixture, readonly counting: TaskRef, readonly write: (user: number) => Promise<unknown> }> => {
  const name = `drained-${randomUUID().slice(0, 8)}`
  const items = `${name}.items`
  const counts = job(name, { version: '1', parallelism: 1 }).source('items', topic(items, { value: json<{ readonly user: string }>() }))
    .keyBy((item) => item.user, shuffled ? {} : { copartitioned: true }).aggregate('per-user', { count: count() }, { emit: 'updates' }).sink('out', markerSink())
  const broker = new MemoryBroker({ clock: realClock })
  const fixture = open = await SlotFixture.start(() => new MemoryLog({ broker, clock: realClock }), counts, 1, [items])
  const counting = fixture.tasks().at(-1)
  if (counting === undefined) throw new TypeError('no task')
  return { fixture, counting, write: (user) => fixture.log.write([{ topic: items, partition: 0, records: [{ key: `u${user}`, value: JSON.stringify({ user: `u${user}` }) }] }]) }
}

/** A slot with a sink that answers a delivery once it is allowed to, a clock that a test puts forward, and the events that it logs. */
const observed = async (fixture: SlotFixture, options: SlotChanges = {}): Promise<{ readonly running: RunningSlot, readonly asked: readonly number[], readonly logged: readonly string[], readonly pass: (ms: number) => void, readonly answer: () => void, readonly turns: (n: number) => Promise<void> }> => {
  const asked: number[] = []
  const logged: string[] = []
  const waiting: (() => void)[] = []
  let passedMs = 0
  const clock: Clock = { now: () => realClock.now(), monotonic: () => realClock.monotonic() + passedMs, after: (ms, fire) => realClock.after(ms, fire), sleep: (ms, signal) => realClock.sleep(ms, signal) }
  const log = (_facts: object, event: string): void => void logged.push(event)
  const running = await fixture.slot({
    clock, logger: { ...silentLogger, info: log, warn: log, error: log },
    sink: { deliver: ({ batchId }) => new Promise((resolve) => { asked.push(batchId); waiting.push(resolve) }), close: async () => {} },
    ...options,
  })
  const told = (): number => running.events.filter(({ kind }) => kind === 'status').length
  return {
    running, asked, logged, pass: (ms) => { passedMs += ms }, answer: () => waiting.shift()?.(),
    turns: async (n) => {
      const before = told()
      await fixture.until(() => told() >= before + n, 'the slot going on')
    },
  }
}

const runs = (fixture: SlotFixture, { events }: RunningSlot, tasks: readonly TaskRef[]): Promise<void> => fixture.until(() => events.filter(({ kind }) => kind === 'running').length === tasks.length, 'running')
const beginLast = ({ slot }: RunningSlot, checkpoint: number, tasks: readonly TaskRef[]): void => slot.handle({ kind: 'snapshot-begin', checkpoint, tasks, last: true })
const isCut = ({ events }: RunningSlot, checkpoint: number): boolean => events.some((event) => event.kind === 'snapshot-cut' && event.checkpoint === checkpoint)
const undelivered = (logged: readonly string[]): number => logged.filter((event) => event === 'drain.undelivered').length
/** What its part says that sinks have not got. */
const owed = async (fixture: SlotFixture, { events }: RunningSlot, checkpoint: number): Promise<unknown> => {
  const parts = () => events.flatMap((event) => (event.kind === 'snapshot-named' && event.checkpoint === checkpoint ? [event.outbox] : []))
  await fixture.until(() => parts().length > 0, 'its part named')
  return parts()[0]
}

test('drain: a sink has been asked and never answers → the last checkpoint waits for fifteen seconds, not for ever, and what it has not goes along', async () => {
  const { fixture, counting, write } = await start(false)
  const { running, asked, logged, pass, turns } = await observed(fixture)
  fixture.assign(running, [counting])
  await runs(fixture, running, [counting])
  await write(0)
  await fixture.until(() => asked.length === 1, 'the sink asked')
  beginLast(running, 1, [counting])
  running.slot.handle({ kind: 'snapshot-complete', checkpoint: 1, tasks: [counting] })
  await turns(2)
  for (const ms of [9_000, 2_000]) {
    pass(ms)
    await turns(2)
    expect(isCut(running, 1)).toBe(false)
  }
  pass(5_000)
  await fixture.until(() => isCut(running, 1), 'its cut')
  expect(undelivered(logged)).toBe(1)
  expect(await owed(fixture, running, 1)).toEqual([{ sink: 'out', entries: 1 }])
})

test('drain: a task is taken over with entries that no sink has → it delivers nothing until it is told to begin its last checkpoint, and then all before its cut', async () => {
  const { fixture, counting, write } = await start(false)
  const before = await observed(fixture)
  fixture.assign(before.running, [counting])
  await runs(fixture, before.running, [counting])
  for (let user = 0; user < USERS; user += 1) {
    await write(user)
    await fixture.until(() => before.running.events.some((event) => event.kind === 'status' && event.tasks.some(({ inputs, tail }) => (inputs[0]?.next ?? 0) > user && tail.batches > user)), 'the record committed')
  }
  before.running.kill()
  await before.running.ended

  const heir = await observed(fixture)
  fixture.assign(heir.running, [counting], true)
  await runs(fixture, heir.running, [counting])
  await heir.turns(2)
  expect(heir.asked).toEqual([])
  beginLast(heir.running, 1, [counting])
  heir.running.slot.handle({ kind: 'snapshot-complete', checkpoint: 1, tasks: [counting] })
  for (let given = 1; given <= USERS; given += 1) {
    await fixture.until(() => heir.asked.length === given, `delivery ${given}`)
    expect(isCut(heir.running, 1)).toBe(false)
    heir.answer()
  }
  await fixture.until(() => isCut(heir.running, 1), 'its cut')
  expect(heir.asked).toEqual(heir.asked.toSorted((a, b) => a - b))
  expect(undelivered(heir.logged)).toBe(0)
  expect(await owed(fixture, heir.running, 1)).toEqual([])
})

/** A checkpoint with a block of each user in flight before the counting task; what it is a checkpoint of is gone then, as if another run were to begin. */
const withInFlight = async ({ fixture, counting, write }: Awaited<ReturnType<typeof start>>): Promise<Manifest> => {
  const tasks = fixture.tasks()
  const writer = await observed(fixture)
  fixture.assign(writer.running, tasks)
  await runs(fixture, writer.running, tasks)
  await fixture.snapshot(writer.running, 1)
  for (let user = 0; user < USERS; user += 1) {
    await write(user)
    await fixture.until(() => writer.asked.length > user, 'the record')
    writer.answer()
  }
  const parts = writer.running.events.flatMap((event) => (event.kind === 'snapshot-named' ? [{ stage: event.task.stage, partition: event.task.partition, ref: event.ref, upstreams: event.upstreams }] : []))
  const part = parts.find(({ stage }) => stage === counting.stage)
  if (part === undefined) throw new TypeError('no part')
  writer.running.slot.handle({ kind: 'snapshot-in-flight', checkpoint: 1, task: counting, ref: part.ref, cuts: [{ stage: 's0', partition: 0, batchId: 1_000 }], bytesMax: 1 << 20 })
  await fixture.until(() => writer.running.events.some(({ kind }) => kind === 'in-flight-stored'), 'what is in flight stored')
  const inFlight = writer.running.events.flatMap((event) => (event.kind === 'in-flight-stored' ? [{ stage: counting.stage, partition: counting.partition, objects: event.objects, blocks: event.blocks, bytes: event.bytes }] : []))
  writer.running.kill()
  await writer.running.ended
  const { run, log } = fixture
  const topics = [...run.stages.map(({ stage, partitions }) => ({ topic: paths.journalTopic(run.job, run.run, stage), partitions })), ...run.shuffles.map(({ topic: shuffle, partitions }) => ({ topic: shuffle, partitions }))]
  await log.deleteTopics(topics.map(({ topic: name }) => name))
  await log.createTopics(topics)
  return buildManifest(run, { checkpoint: 1, engineVersion: '0.1.0', schemas: {}, driverEpoch: 1, timestamp: 0, parts, inFlight, outputs: [] })
}

test('drain: a restored run has still to read what was in flight, and its outbox is full for longer than a last checkpoint waits → it delivers on until it stands, has no cut before, and its time from there', async () => {
  const started = await start(true)
  const { fixture, counting } = started
  const origin = await withInFlight(started)
  expect(origin.inFlight).toMatchObject([{ blocks: USERS }])
  const one: Partial<JobSettings> = { outboxBytesMax: 1, batchOutputBytesMax: 1 }
  const { running, asked, logged, pass, answer, turns } = await observed(fixture, { origin, settings: one })
  fixture.assign(running, [counting])
  await fixture.until(() => running.events.some((event) => event.kind === 'status' && event.tasks[0]?.waitingFor === 'outbox full'), 'its outbox full')
  expect(asked).toHaveLength(1)

  beginLast(running, 2, [counting])
  running.slot.handle({ kind: 'snapshot-complete', checkpoint: 2, tasks: [counting] })
  await turns(2)
  pass(120_000)
  await turns(2)
  beginLast(running, 3, [counting])
  running.slot.handle({ kind: 'snapshot-complete', checkpoint: 3, tasks: [counting] })
  await turns(2)
  pass(20_000)
  for (let given = 2; given <= USERS; given += 1) {
    answer()
    await fixture.until(() => asked.length === given, `delivery ${given}`)
    pass(6_000)
  }
  await turns(4)
  expect([2, 3].filter((checkpoint) => isCut(running, checkpoint))).toEqual([])
  answer()
  await fixture.until(() => running.events.some((event) => event.kind === 'snapshot-named' && event.checkpoint === 3), 'its part')
  const [last] = running.events.flatMap((event) => (event.kind === 'snapshot-named' && event.checkpoint === 3 ? [event.ref] : []))
  expect(last?.positions.map(({ inFlight }) => inFlight)).toEqual([undefined])
  expect(undelivered(logged)).toBe(0)
})

test('drain: such a run is cancelled after all, without a last checkpoint → the task is released though its cut is still to come, and it has none', async () => {
  const started = await start(true)
  const { fixture, counting } = started
  const { running, turns } = await observed(fixture, { origin: await withInFlight(started), settings: { outboxBytesMax: 1, batchOutputBytesMax: 1 } })
  fixture.assign(running, [counting])
  await fixture.until(() => running.events.some((event) => event.kind === 'status' && event.tasks[0]?.waitingFor === 'outbox full'), 'its outbox full')
  beginLast(running, 2, [counting])
  running.slot.handle({ kind: 'snapshot-complete', checkpoint: 2, tasks: [counting] })
  await turns(2)
  running.slot.handle({ kind: 'revoke', reason: 'stop', tasks: [counting] })
  await fixture.until(() => running.events.some(({ kind }) => kind === 'released'), 'released')
  await turns(2)
  expect(isCut(running, 2)).toBe(false)
  expect(running.events.filter(({ kind }) => kind === 'failed')).toEqual([])
})

test('drain: a sink is away for longer than a last checkpoint waits, which is given up, and back for the next one → that one waits for it, and leaves nothing undelivered', async () => {
  const { fixture, counting, write } = await start(false)
  const delivered: number[] = []
  let [away, tries] = [true, 0]
  const { running, logged, pass, turns } = await observed(fixture, {
    sink: {
      deliver: async ({ batchId }) => {
        tries += 1
        if (away) throw new TidemarkError('it is away', { code: 'SINK_AWAY', blame: 'environment', action: 'retry' })
        delivered.push(batchId)
      },
      close: async () => {},
    },
  })
  fixture.assign(running, [counting])
  await runs(fixture, running, [counting])
  await write(0)
  await fixture.until(() => tries > 0, 'the sink asked')
  beginLast(running, 1, [counting])
  running.slot.handle({ kind: 'snapshot-complete', checkpoint: 1, tasks: [counting] })
  await turns(2)
  pass(10_000)
  await fixture.until(() => isCut(running, 1), 'its cut without what the sink has not')
  expect(undelivered(logged)).toBe(1)

  away = false
  beginLast(running, 1, [counting])
  await turns(2)
  expect(delivered).toEqual([])
  beginLast(running, 2, [counting])
  running.slot.handle({ kind: 'snapshot-complete', checkpoint: 2, tasks: [counting] })
  await fixture.until(() => isCut(running, 2), 'its cut')
  expect(delivered).toHaveLength(1)
  expect(undelivered(logged)).toBe(1)
})
