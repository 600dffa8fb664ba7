// What a task has committed in an hour without an object store is longer than memory. Read whole before the snapshot was there, it made the slot that took
// the task over collect garbage until it was killed as stuck, and the next one after it.
import { afterEach, describe, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import type { ObjectStore } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import { startDisturbed } from '../integration/slots/counting-slot.ts'
import type { SlotFixture } from '../integration/slots/slot-fixture.ts'

/** A key is in the journal whenever its count changes. */
const KEY_BYTES = 8_000
const KEYS = 2_000
const WRITTEN_AT_ONCE = 50

describe('a journal longer than memory', () => {
  let open: SlotFixture | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
  })

  test('takeover: the snapshot takes long → the journal behind it is read only so far ahead, then applied as it is read, exact', async () => {
    const { fixture, disturbed, items, out } = await startDisturbed({ partitions: 1 })
    open = fixture
    const [task] = fixture.tasks()
    if (task === undefined) throw new Error('no fixture')
    const journal = paths.journalTopic(task.job, task.run, task.stage)
    const userOf = (i: number): string => `${i}-`.padEnd(KEY_BYTES, 'x')
    const write = async (from: number, to: number): Promise<void> => {
      for (let i = from; i < to; i += WRITTEN_AT_ONCE) {
        await fixture.log.write([{ topic: items, partition: 0, records: Array.from({ length: Math.min(WRITTEN_AT_ONCE, to - i) }, (_, n) => ({ key: userOf(i + n), value: JSON.stringify({ user: userOf(i + n) }) })) }])
      }
    }
    const counted = async (events: number): Promise<readonly { readonly key: string, readonly count: number }[]> => {
      await fixture.until(async () => (await fixture.log.offsets(out)).reduce((sum, { stable }) => sum + stable, 0) >= events && (await fixture.read(out)).length >= events, `${events} outputs`)
      return fixture.read(out)
    }

    const first = await fixture.slot()
    fixture.assign(first, fixture.tasks())
    for (const checkpoint of [1, 2]) {
      await write(0, 1)
      await counted(checkpoint)
      await fixture.snapshot(first, checkpoint)
    }
    await write(0, KEYS)
    await counted(2 + KEYS)
    first.kill()

    let farthest = 0
    disturbed.disturb = (requests) => {
      for (const { topic, offset } of requests) if (topic === journal) farthest = Math.max(offset, farthest)
      return undefined
    }
    const asked: (() => void)[] = []
    const gate = new Promise<void>((resolve) => asked.push(resolve))
    let waiting = false
    const slow: ObjectStore = Object.assign(Object.create(fixture.store) as ObjectStore, {
      get: async (key: string) => {
        waiting = true
        await gate
        return fixture.store.get(key)
      },
    })
    const [offsets] = await fixture.log.offsets(journal)
    const [start, end] = [offsets?.start ?? 0, offsets?.stable ?? 0]
    const second = await fixture.slot({ store: slow })
    fixture.assign(second, fixture.tasks())
    // Scanning back for the newest commit looks at the end first: only what is asked for behind the snapshot's request counts.
    await fixture.until(() => waiting, 'the snapshot asked for')
    farthest = 0
    await fixture.until(() => farthest > start + (end - start) / 10, 'the journal read')
    await realClock.sleep(200)
    expect(farthest).toBeLessThan(start + (end - start) * 0.6)
    asked.forEach((go) => go())
    await fixture.until(() => second.events.some(({ kind }) => kind === 'running'), 'the second slot running')
    await write(0, KEYS)
    const totals = await counted(2 + 2 * KEYS)
    const last = new Map(totals.map(({ key, count }) => [key, count]))
    expect([...last.values()].filter((count) => count === 2)).toHaveLength(KEYS - 1)
    expect([last.get(userOf(0)), totals.length]).toEqual([4, 2 + 2 * KEYS])
  }, 60_000)
})
