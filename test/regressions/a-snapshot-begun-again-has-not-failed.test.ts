// A new driver may give a checkpoint the number that the one before it had just given: the walk begins anew, and its word of failure would
// make the driver begin it again, and again.
import { afterEach, expect, test } from '@jest/globals'
import { startCounting } from '../integration/slots/counting-slot.ts'
import type { SlotFixture } from '../integration/slots/slot-fixture.ts'

let open: SlotFixture | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
})

test('snapshot: begun again under its number → no word of failure, and it is named once it may complete', async () => {
  const { fixture } = await startCounting({ partitions: 1 })
  open = fixture
  const slot = await fixture.slot()
  fixture.assign(slot, fixture.tasks())
  await fixture.until(() => slot.events.some((event) => event.kind === 'running'), 'running')
  slot.slot.handle({ kind: 'snapshot-begin', checkpoint: 1, tasks: fixture.tasks() })
  await fixture.snapshot(slot, 1)
  expect(slot.events.filter((event) => event.kind === 'snapshot-failed')).toEqual([])
  slot.slot.handle({ kind: 'snapshot-begin', checkpoint: 2, tasks: fixture.tasks() })
  slot.slot.handle({ kind: 'snapshot-begin', checkpoint: 3, tasks: fixture.tasks() })
  await fixture.until(() => slot.events.some((event) => event.kind === 'snapshot-failed' && event.checkpoint === 2), 'the older number given up')
})
