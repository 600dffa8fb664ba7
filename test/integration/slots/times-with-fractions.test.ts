// Event times of a user's code may have fractions of a millisecond: what a slot tells its executor, and that the driver, has none.
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { openLocalLog } from '@tidemark/log-local'
import { count, job, json, topic, topicSink } from 'tidemark'
import { SlotFixture } from './slot-fixture.ts'

let open: SlotFixture | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
})

test('event times in microseconds divided by a thousand → status and checkpoint tell whole milliseconds, as messages want them', async () => {
  const name = `fractions-${randomUUID().slice(0, 8)}`
  const [items, out] = [`${name}.items`, `${name}.out`]
  const built = job(name, { version: '1' })
    .source('items', topic(items, { value: json<{ readonly user: string, readonly us: number }>(), timestamp: ({ us }) => us / 1_000, outOfOrderness: 0 }))
    .keyBy(({ user }) => user, { copartitioned: true }).aggregate('n', { n: count() }, { emit: 'updates' }).sink('out', topicSink(out, { value: json() }))
  const fixture = open = await SlotFixture.start((folder) => openLocalLog({ path: join(folder, 'log.db'), clock: realClock }), built, 1, [items, out])
  const running = await fixture.slot()
  fixture.assign(running, fixture.tasks())
  await fixture.log.write([{ topic: items, partition: 0, records: [{ key: 'ann', value: JSON.stringify({ user: 'ann', us: 1_700_000_000_123_999 }) }] }])
  await fixture.until(async () => (await fixture.read(out)).length === 1, 'its result')
  await fixture.snapshot(running, 1)
  const watermarks = (): unknown[] => running.events.flatMap((event) => event.kind === 'status' ? event.tasks.map(({ watermark }) => watermark) : event.kind === 'snapshot-named' ? [event.watermark] : []).filter((one) => one !== undefined)
  await fixture.until(() => watermarks().length >= 2, 'a status and a checkpoint with a watermark')
  expect([...new Set(watermarks())]).toEqual([1_700_000_000_123])
}, 60_000)
