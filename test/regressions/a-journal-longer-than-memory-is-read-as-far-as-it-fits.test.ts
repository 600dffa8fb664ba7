// What a task has committed in an hour without an object store is longer than memory. Read whole before the snapshot was there, it made the slot that took
// the task over collect garbage until it was killed as stuck, and the next one after it. Bounded for each task, many tasks of one slot would do the same.
import { afterEach, describe, expect, test } from '@jest/globals'
import type { ObjectStore } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { SlotEvent } from '@tidemark/runtime'
import { startCounting } from '../integration/slots/counting-slot.ts'
import type { CountingSlots } from '../integration/slots/counting-slot.ts'
import type { RunningSlot, SlotFixture } from '../integration/slots/slot-fixture.ts'

/** A key is in the journal whenever its count changes. */
const KEY_BYTES = 8_000
const WRITTEN_AT_ONCE = 50
/** Of all journals of a slot together, and what the log answers more than each was asked for: the rest of a batch. */
const aheadBytesMax = (tasks: number): number => (8 + tasks) * 1024 * 1024

const userOf = (partition: number, i: number): string => `${partition}-${i}-`.padEnd(KEY_BYTES, 'x')

/** One event for each of so many keys in each partition. */
const write = async ({ fixture, items }: CountingSlots, keys: number): Promise<void> => {
  for (const { partition } of fixture.tasks()) {
    for (let from = 0; from < keys; from += WRITTEN_AT_ONCE) {
      const users = Array.from({ length: Math.min(WRITTEN_AT_ONCE, keys - from) }, (_, n) => userOf(partition, from + n))
      await fixture.log.write([{ topic: items, partition, records: users.map((user) => ({ key: user, value: JSON.stringify({ user }) })) }])
    }
  }
}

const counted = async ({ fixture, out }: CountingSlots, events: number): Promise<readonly { readonly key: string, readonly count: number }[]> => {
  await fixture.until(async () => (await fixture.log.offsets(out)).reduce((sum, { stable }) => sum + stable, 0) >= events && (await fixture.read(out)).length >= events, `${events} outputs`)
  return fixture.read(out)
}

/** Two checkpoints, and so many keys behind them in each journal; then the slot dies. */
const longTails = async (slots: CountingSlots, keys: number): Promise<void> => {
  const { fixture } = slots
  const tasks = fixture.tasks()
  const first = await fixture.slot()
  fixture.assign(first, tasks)
  for (const checkpoint of [1, 2]) {
    await write(slots, 1)
    await counted(slots, checkpoint * tasks.length)
    await fixture.snapshot(first, checkpoint)
  }
  await write(slots, keys)
  await counted(slots, (2 + keys) * tasks.length)
  first.kill()
}

/** A store that keeps the snapshots of each task back until they are let go. */
const slowStore = ({ store }: SlotFixture): { readonly store: ObjectStore, readonly letGo: (partition: number) => void } => {
  const gates = new Map<number, PromiseWithResolvers<void>>()
  const gate = (partition: number): PromiseWithResolvers<void> => {
    const one = gates.get(partition) ?? Promise.withResolvers<void>()
    gates.set(partition, one)
    return one
  }
  const get = async (key: string): Promise<Buffer> => {
    await gate(paths.parseStateObject(key)?.partition ?? 0).promise
    return store.get(key)
  }
  return { store: Object.assign(Object.create(store) as ObjectStore, { get }), letGo: (partition) => gate(partition).resolve() }
}

const statuses = ({ events }: RunningSlot): (SlotEvent & { readonly kind: 'status' })['tasks'] => events.findLast((event) => event.kind === 'status')?.tasks ?? []
const running = ({ events }: RunningSlot): readonly number[] => events.flatMap((event) => (event.kind === 'running' ? event.task.partition : [])).toSorted()

describe('a journal longer than memory', () => {
  let open: SlotFixture | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
  })

  /** The slot that takes over, at the point where it reads no further. */
  const stopped = async (slots: CountingSlots, store: ObjectStore): Promise<{ readonly slot: RunningSlot, readonly bytes: number }> => {
    const { fixture } = slots
    const slot = await fixture.slot({ store })
    fixture.assign(slot, fixture.tasks())
    await fixture.until(() => statuses(slot).length > 0 && statuses(slot).every(({ waitingFor }) => waitingFor?.includes('snapshot') === true), 'every task waiting for its snapshot')
    return { slot, bytes: statuses(slot).reduce((sum, { tail }) => sum + tail.bytes, 0) }
  }
  const expectExact = async (slots: CountingSlots, keys: number): Promise<void> => {
    const tasks = slots.fixture.tasks()
    await write(slots, keys)
    const totals = await counted(slots, (2 + 2 * keys) * tasks.length)
    const last = new Map(totals.map(({ key, count }) => [key, count]))
    expect([...last.values()].filter((count) => count === 2)).toHaveLength((keys - 1) * tasks.length)
    expect([tasks.map(({ partition }) => last.get(userOf(partition, 0))), totals.length]).toEqual([tasks.map(() => 4), (2 + 2 * keys) * tasks.length])
  }

  test('takeover: the snapshot takes long → the journal behind it is read only so far ahead, then applied as it is read, exact', async () => {
    const slots = await startCounting({ partitions: 1 })
    const { fixture } = slots
    open = fixture
    const keys = 2_000
    await longTails(slots, keys)
    const { store, letGo } = slowStore(fixture)
    const { slot, bytes } = await stopped(slots, store)
    expect(bytes).toBeGreaterThan(0)
    expect(bytes).toBeLessThan(aheadBytesMax(1))
    letGo(0)
    await fixture.until(() => running(slot).length === 1, 'the task running')
    await expectExact(slots, keys)
  }, 120_000)

  test('takeover: four tasks, each with a long journal → what is read ahead is bounded for the slot, and who has its snapshot runs while the others wait for theirs', async () => {
    const slots = await startCounting({ partitions: 4 })
    const { fixture } = slots
    open = fixture
    const keys = 700
    await longTails(slots, keys)
    const { store, letGo } = slowStore(fixture)
    const { slot, bytes } = await stopped(slots, store)
    expect(bytes).toBeGreaterThan(0)
    expect(bytes).toBeLessThan(aheadBytesMax(4))
    expect(keys * KEY_BYTES * 4).toBeGreaterThan(1.5 * aheadBytesMax(4))
    letGo(2)
    await fixture.until(() => running(slot).length === 1, 'the task running whose snapshot is there')
    expect(running(slot)).toEqual([2])
    for (const partition of [3, 1, 0]) letGo(partition)
    await fixture.until(() => running(slot).length === 4, 'all tasks running')
    await expectExact(slots, keys)
  }, 120_000)
})
