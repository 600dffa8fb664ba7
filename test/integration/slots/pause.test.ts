// A slot whose tasks are told to read nothing more for a while, because a reader of their shuffle is behind.
import { afterEach, expect, test } from '@jest/globals'
import { startCounting } from './counting-slot.ts'
import type { SlotFixture } from './slot-fixture.ts'

let open: SlotFixture | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
})

test('pause: its writers are paused → nothing more is read, a checkpoint is taken all the same; a release is not held up; whoever gets the task reads on', async () => {
  const { fixture, items, out } = await startCounting({ partitions: 1, shuffled: true })
  open = fixture
  const slot = await fixture.slot()
  const tasks = fixture.tasks()
  const [writer] = tasks
  if (writer === undefined) throw new TypeError('no task')
  fixture.assign(slot, tasks)
  await fixture.until(() => slot.events.filter(({ kind }) => kind === 'running').length === tasks.length, 'running')
  const write = (): Promise<unknown> => fixture.log.write([{ topic: items, partition: 0, records: Array.from({ length: 20 }, (_, i) => ({ key: `u${i}`, value: JSON.stringify({ user: `u${i}` }) })) }])
  const outputs = async (): Promise<number> => (await fixture.read(out)).length
  const word = (): { readonly phase: string, readonly waitingFor?: string, readonly next: number } | undefined => {
    const told = slot.events.flatMap((event) => (event.kind === 'status' ? [event] : [])).at(-1)?.tasks.find(({ task }) => task.stage === writer.stage)
    return told === undefined ? undefined : { phase: told.phase, ...(told.waitingFor === undefined ? {} : { waitingFor: told.waitingFor }), next: told.inputs[0]?.next ?? -1 }
  }
  await write()
  await fixture.until(async () => (await outputs()) === 20 && word()?.next === 20, 'the first records')

  slot.slot.handle({ kind: 'pause', tasks: [writer], forMs: 60_000, reason: 'paused: shuffle s is 70 MiB behind' })
  await fixture.until(() => word()?.waitingFor === 'paused: shuffle s is 70 MiB behind', 'its reason')
  await fixture.snapshot(slot, 1)
  await write()
  const told = (): number => slot.events.filter(({ kind }) => kind === 'status').length
  const before = told()
  await fixture.until(() => told() >= before + 5, 'the slot going on')
  // A fetch that was under way when it was told may still have brought something.
  const read = word()?.next ?? -1
  expect(word()).toMatchObject({ phase: 'waiting' })
  await write()
  const later = told()
  await fixture.until(() => told() >= later + 5, 'the slot going on')
  expect(word()?.next).toBe(read)

  slot.slot.handle({ kind: 'revoke', tasks: [writer], reason: 'move' })
  await fixture.until(() => slot.events.some(({ kind }) => kind === 'released'), 'its release')
  fixture.assign(slot, [writer])
  await fixture.until(async () => (await outputs()) === 60, 'all of it')
})
