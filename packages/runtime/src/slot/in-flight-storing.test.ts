// Which of the orders to store what is in flight are carried out, when, and what is answered.
import { expect, test } from '@jest/globals'
import { executorId, slotId, taskKey, transactionalId } from '@tidemark/base'
import type { FetchedPartition, FetchRequest, TaskRef } from '@tidemark/base'
import { MemoryBroker, MemoryLog } from '@tidemark/testkit'
import { block, started } from './in-flight.sample.ts'
import { InFlightStoring } from './in-flight-storing.ts'
import type { SlotCommand, SlotEvent } from './messages.ts'
import { Readers } from './readers.ts'
import { fixture } from './slot.sample.ts'

/** More than an object holds, and a few. */
const [END, FEW] = [48, 8]
const PER_FETCH = 2
const FETCH_MS = 100
/** So many fetches, and more than one object's worth is read. */
const FETCHES_OF_AN_OBJECT = 22
const WHOLE_MS = END / PER_FETCH * FETCH_MS
const FEW_MS = FEW / PER_FETCH * FETCH_MS

const begun = (end = END) => {
  const [one, two] = [started(1), started(2)]
  const { clock, store, input } = one
  const held = new Map([one, two].map((each) => [each.held.key, each.held]))
  const seen = { fetches: 0, side: 0, mostSide: 0 }
  const reader = {
    fetch: async ([request]: readonly FetchRequest[]): Promise<FetchedPartition[]> => {
      const from = request?.offset ?? 0
      seen.fetches += 1
      seen.side += 1
      seen.mostSide = Math.max(seen.mostSide, seen.side)
      await clock.sleep(FETCH_MS)
      seen.side -= 1
      const records = Array.from({ length: PER_FETCH }, (_, i) => ({ offset: from + i, timestamp: 0, key: null, value: block(from + i + 1) }))
      return [{ topic: input.topic, partition: 0, fromOffset: from, records, nextOffset: from + PER_FETCH, startOffset: 0, stableOffset: end }]
    },
    close: async () => {},
  }
  const log = Object.assign(new MemoryLog({ clock, broker: new MemoryBroker({ clock }) }), { reader: () => reader, offsets: async () => [{ partition: 0, start: 0, end, stable: end }] })
  const events: SlotEvent[] = []
  const ports = { ...fixture().ports, clock, log, store, emit: (event: SlotEvent) => void events.push(event) }
  const storing = new InFlightStoring(ports, new Readers(log), (task) => held.get(taskKey(task)))
  const order = (task: TaskRef, checkpoint: number, batchId = end): SlotCommand & { kind: 'snapshot-in-flight' } => ({
    kind: 'snapshot-in-flight', checkpoint, task, cuts: [{ stage: 's0', partition: 0, batchId }], bytesMax: Number.MAX_SAFE_INTEGER,
    ref: { generation: one.held.generation, owner: { executor: executorId('e'), slot: 0, slotId: slotId('s') }, transactionalId: transactionalId('t'), checkpoint, batchId: 1, journalNext: 0, positions: [{ input: input.input, topic: input.topic, partition: 0, next: 0 }], keys: 0, objects: [] },
  })
  return {
    clock, held, one: one.held, two: two.held, seen, order, store: (...said: Parameters<typeof order>) => void storing.store(order(...said)),
    answers: () => events.flatMap((event) => (event.kind === 'in-flight-stored' || event.kind === 'snapshot-failed' ? [[event.kind, event.task.run, event.checkpoint]] : [])),
    stored: () => events.flatMap((event) => (event.kind === 'in-flight-stored' ? event.objects.map(({ key }) => key) : [])).toSorted(),
    inStore: async () => (await store.list('')).map(({ key }) => key).toSorted(),
  }
}

test('in flight: the same order comes again while it is carried out → read and stored once, and answered once; behind the answer it is carried out anew', async () => {
  const { clock, one, seen, store, answers, stored, inStore } = begun(FEW)
  store(one.ref, 7)
  await clock.advance(FEW_MS / 2)
  store(one.ref, 7)
  await clock.advance(FEW_MS)
  expect(answers()).toEqual([['in-flight-stored', 1, 7]])
  expect(seen).toMatchObject({ fetches: FEW / PER_FETCH, mostSide: 1 })
  expect(await inStore()).toEqual(stored())
  store(one.ref, 7)
  await clock.advance(FEW_MS + 1)
  expect(answers()).toHaveLength(2)
})

test.each([['a further number', 8, END], ['the same number with another cut', 7, END - 1]])('in flight: %s is ordered while one is carried out → that stops, what it has stored goes again, and only the new one is answered', async (_what, checkpoint, batchId) => {
  const { clock, one, seen, store, answers, stored, inStore } = begun()
  store(one.ref, 7)
  await clock.advance(FETCHES_OF_AN_OBJECT * FETCH_MS)
  expect(await inStore()).toHaveLength(1)
  store(one.ref, checkpoint, batchId)
  await clock.advance(2 * WHOLE_MS)
  expect(answers()).toEqual([['in-flight-stored', 1, checkpoint]])
  expect(seen.mostSide).toBe(1)
  expect(seen.fetches).toBeLessThanOrEqual(FETCHES_OF_AN_OBJECT + 1 + END / PER_FETCH)
  expect(await inStore()).toEqual(stored())
})

test('in flight: it is ordered for two tasks of a slot → one after the other, both answered', async () => {
  const { clock, one, two, seen, store, answers } = begun(FEW)
  store(one.ref, 7)
  store(two.ref, 7)
  await clock.advance(FEW_MS + 1)
  expect(answers()).toEqual([['in-flight-stored', 1, 7]])
  await clock.advance(FEW_MS + 1)
  expect(answers()).toEqual([['in-flight-stored', 1, 7], ['in-flight-stored', 2, 7]])
  expect(seen.mostSide).toBe(1)
})

test('in flight: the task is let go meanwhile → it stops, leaves nothing behind, and nobody is told; ordered for one that is not held → told at once that it can\'t be', async () => {
  const { clock, held, one, seen, store, answers, inStore } = begun()
  store(one.ref, 7)
  await clock.advance(FETCHES_OF_AN_OBJECT * FETCH_MS)
  held.delete(one.key)
  await clock.advance(WHOLE_MS)
  expect([answers(), await inStore()]).toEqual([[], []])
  expect(seen.fetches).toBeLessThanOrEqual(FETCHES_OF_AN_OBJECT + 1)
  store(one.ref, 8)
  expect(answers()).toEqual([['snapshot-failed', 1, 8]])
})
