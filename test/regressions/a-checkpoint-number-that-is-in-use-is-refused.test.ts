// A driver that does not know yet that it was replaced goes on giving checkpoint numbers; the one that replaced it may give a lower one later.
// A task with a snapshot of the higher number refused it only when it was about to name the lower: by failing.
import { afterEach, expect, test } from '@jest/globals'
import { startCounting } from '../integration/slots/counting-slot.ts'
import type { SlotFixture } from '../integration/slots/slot-fixture.ts'

let open: SlotFixture | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
})

test('snapshot: a lower number than that of a snapshot there is → refused, the task goes on, the next number is taken', async () => {
  const { fixture } = await startCounting({ partitions: 1 })
  open = fixture
  const slot = await fixture.slot()
  fixture.assign(slot, fixture.tasks())
  await fixture.until(() => slot.events.some((event) => event.kind === 'running'), 'running')
  await fixture.snapshot(slot, 3)
  slot.slot.handle({ kind: 'snapshot-begin', checkpoint: 2, tasks: fixture.tasks() })
  slot.slot.handle({ kind: 'snapshot-complete', checkpoint: 2, tasks: fixture.tasks() })
  await fixture.until(() => slot.events.some((event) => event.kind === 'snapshot-failed' && event.checkpoint === 2), 'refused')
  await fixture.snapshot(slot, 4)
  expect(slot.events.filter((event) => event.kind === 'failed')).toEqual([])
})
