// A new driver may give a checkpoint the number that the one before it had just given: the walk begins anew, and its word of failure would
// make the driver begin it again, and again.
import { afterEach, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import { openLocalLog } from '@tidemark/log-local'
import { count, job, json, topic, topicSink } from 'tidemark'
import { SlotFixture } from '../integration/slots/slot-fixture.ts'

const counting = (name: string) => job(name, { version: '1' })
  .source('items', topic(`${name}.items`, { value: json<{ readonly user: string }>() }))
  .keyBy((item) => item.user, { copartitioned: true })
  .aggregate('per-user', { count: count() }, { emit: 'updates' })
  .sink('out', topicSink(`${name}.out`, { value: json() }))

let open: SlotFixture | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
})

test('snapshot: begun again under its number → no word of failure, and it is named once it may complete', async () => {
  const name = `again-${randomUUID().slice(0, 8)}`
  const fixture = await SlotFixture.start((folder) => openLocalLog({ path: join(folder, 'log.db'), clock: realClock }), counting(name), 1, [`${name}.items`, `${name}.out`])
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
