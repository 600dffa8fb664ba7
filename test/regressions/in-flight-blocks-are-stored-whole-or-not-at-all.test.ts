// What a checkpoint stores of a shuffle must not end early, for a restore would miss the rest without anybody knowing: not where a fetch
// answers nothing although there is something, and not where another writer's open transaction holds the stable offset.
import { afterEach, expect, test } from '@jest/globals'
import { realClock, transactionalId } from '@tidemark/base'
import { MemoryBroker, MemoryLog } from '@tidemark/testkit'
import { startCounting, startDisturbed } from '../integration/slots/counting-slot.ts'
import type { SlotFixture } from '../integration/slots/slot-fixture.ts'

let open: SlotFixture | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
})

test('checkpoint: fetches of what is in flight answer nothing for a while → it is stored whole all the same', async () => {
  const { fixture, items, out, disturbed } = await startDisturbed({ partitions: 1, shuffled: true })
  open = fixture
  const write = (): Promise<unknown> => fixture.log.write([{ topic: items, partition: 0, records: Array.from({ length: 20 }, (_, i) => ({ key: `u${i}`, value: JSON.stringify({ user: `u${i}` }) })) }])
  const outputs = async (): Promise<number> => (await fixture.read(out)).length
  const slot = await fixture.slot()
  fixture.assign(slot, fixture.tasks())
  await fixture.until(() => slot.events.filter((event) => event.kind === 'running').length === fixture.tasks().length, 'running')
  await fixture.snapshot(slot, 1)
  await write()
  await fixture.until(async () => (await outputs()) >= 20, 'outputs')

  const part = slot.events.flatMap((event) => (event.kind === 'snapshot-named' && event.task.stage === 's1' && event.task.partition === 0 ? [event] : []))[0]
  if (part === undefined) throw new Error('no part')
  const store = (checkpoint: number): void => slot.slot.handle({ kind: 'snapshot-in-flight', checkpoint, task: part.task, ref: part.ref, cuts: [{ stage: 's0', partition: 0, batchId: 1_000 }], bytesMax: 1 << 20 })
  store(1)
  await fixture.until(() => slot.events.some((event) => event.kind === 'in-flight-stored' && event.checkpoint === 1), 'all of it stored')
  const [whole] = slot.events.flatMap((event) => (event.kind === 'in-flight-stored' ? [event.blocks] : []))
  expect(whole).toBeGreaterThan(0)

  const [position] = part.ref.positions
  let asked = 0
  let away = true
  disturbed.disturb = (requests) => {
    if (!away || requests.length !== 1 || requests[0]?.topic !== position?.topic || requests[0]?.offset !== position?.next) return undefined
    asked += 1
    return Promise.resolve('nothing')
  }
  store(2)
  await fixture.until(() => asked > 3, 'it asking again')
  away = false
  await fixture.until(() => slot.events.some((event) => event.kind === 'in-flight-stored' && event.checkpoint === 2), 'all of it stored again')
  expect(slot.events.flatMap((event) => (event.kind === 'in-flight-stored' ? [event.blocks] : []))).toEqual([whole, whole])
})

test('checkpoint: another writer has a transaction open before the blocks of the cut → they are stored all the same, once it has ended', async () => {
  const broker = new MemoryBroker({ clock: realClock })
  const { fixture, items } = await startCounting({ partitions: 1, shuffled: true, openLog: () => new MemoryLog({ broker, clock: realClock }) })
  open = fixture
  const slot = await fixture.slot()
  fixture.assign(slot, fixture.tasks())
  await fixture.until(() => slot.events.filter((event) => event.kind === 'running').length === fixture.tasks().length, 'running')
  await fixture.snapshot(slot, 1)
  const part = slot.events.flatMap((event) => (event.kind === 'snapshot-named' && event.task.stage === 's1' && event.task.partition === 0 ? [event] : []))[0]
  const [position] = part?.ref.positions ?? []
  if (part === undefined || position === undefined) throw new Error('no part')
  const end = async (): Promise<number> => (await fixture.log.offsets(position.topic, [position.partition]))[0]?.end ?? 0

  const other = fixture.log.session(transactionalId(`tidemark.${fixture.run.job}.1.other.0`))
  await other.initialise()
  await other.append([{ topic: position.topic, partition: position.partition, records: [{ key: null, value: 'of a writer that died in its transaction' }] }])
  const before = await end()
  await fixture.log.write([{ topic: items, partition: 0, records: Array.from({ length: 20 }, (_, i) => ({ key: `u${i}`, value: JSON.stringify({ user: `u${i}` }) })) }])
  await fixture.until(async () => (await end()) > before, 'blocks behind the open transaction')
  slot.slot.handle({ kind: 'snapshot-in-flight', checkpoint: 1, task: part.task, ref: part.ref, cuts: [{ stage: 's0', partition: 0, batchId: 1_000 }], bytesMax: 1 << 20 })
  const told = (): number => slot.events.filter((event) => event.kind === 'status').length
  const wordsBefore = told()
  await fixture.until(() => told() >= wordsBefore + 3, 'the slot going on')
  expect(slot.events.filter((event) => event.kind === 'snapshot-failed' || event.kind === 'in-flight-stored')).toEqual([])
  await fixture.log.fence(other.transactionalId)
  await fixture.until(() => slot.events.some((event) => event.kind === 'in-flight-stored'), 'it stored')
  for (const event of slot.events) if (event.kind === 'in-flight-stored') expect(event.blocks).toBeGreaterThan(0)
})
