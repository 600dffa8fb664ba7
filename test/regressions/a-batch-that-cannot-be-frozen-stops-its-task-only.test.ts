// A batch that is too large to be written, or breaks an invariant, is one task's: the slot's other tasks commit theirs, and the driver is told.
import { afterEach, expect, test } from '@jest/globals'
import { TidemarkError } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'
import { startCounting } from '../integration/slots/counting-slot.ts'
import type { SlotFixture } from '../integration/slots/slot-fixture.ts'

let open: SlotFixture | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
})

test('commit: one task cannot freeze its batch → it has failed with the reason, nothing of it is written, the others go on', async () => {
  const { fixture, items, out } = await startCounting({ partitions: 2 })
  open = fixture
  const make = await fixture.makeTask()
  fixture.makeTask = async () => (ref: TaskRef) => {
    const task = make(ref)
    const freeze = task.freeze.bind(task)
    task.freeze = (generation) => {
      if (ref.partition === 1) throw new TidemarkError('the batch is made to be too large', { code: 'JOURNAL_RECORD_TOO_LARGE', blame: 'user', action: 'fail-job' })
      return freeze(generation)
    }
    return task
  }
  const slot = await fixture.slot()
  fixture.assign(slot, fixture.tasks())
  await fixture.log.write([0, 1].map((partition) => ({ topic: items, partition, records: Array.from({ length: 20 }, () => ({ key: `u${partition}`, value: JSON.stringify({ user: `u${partition}` }) })) })))
  await fixture.until(() => slot.events.some((event) => event.kind === 'failed'), 'the failure')
  expect(slot.events.flatMap((event) => (event.kind === 'failed' ? [`${event.task.partition} ${event.error.code}`] : []))).toEqual(['1 JOURNAL_RECORD_TOO_LARGE'])
  await fixture.until(async () => (await fixture.read(out)).length >= 20, 'the outputs of the other')
  expect((await fixture.read<{ key: string }>(out)).every(({ key }) => key === 'u0')).toBe(true)
})
