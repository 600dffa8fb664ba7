// Fetches are asked by topic and partition: two tasks of a slot that read the same one at different offsets must not take each other's place.
import { afterEach, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import { openLocalLog } from '@tidemark/log-local'
import { job, json, topic, topicSink } from 'tidemark'
import type { Job } from 'tidemark'
import { SlotFixture } from '../integration/slots/slot-fixture.ts'

interface Item {
  readonly n: number
}

const twice = (name: string): Job => {
  const start = job(name, { version: '1' })
  start.source('a', topic(`${name}.items`, { value: json<Item>() })).map((item) => ({ a: item.n })).sink('out-a', topicSink(`${name}.a`, { value: json() }))
  return start.source('b', topic(`${name}.items`, { value: json<Item>() })).map((item) => ({ b: item.n })).sink('out-b', topicSink(`${name}.b`, { value: json() }))
}

let open: SlotFixture | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
})

test('fetching: two sources of one topic in one slot → both get every record', async () => {
  const name = `twice-${randomUUID().slice(0, 8)}`
  const fixture = await SlotFixture.start((folder) => openLocalLog({ path: join(folder, 'log.db'), clock: realClock }), twice(name), 1, [`${name}.items`, `${name}.a`, `${name}.b`])
  open = fixture
  const slot = await fixture.slot()
  fixture.assign(slot, fixture.tasks())
  await fixture.log.write([{ topic: `${name}.items`, partition: 0, records: Array.from({ length: 100 }, (_, n) => ({ key: null, value: JSON.stringify({ n }) })) }])
  for (const out of ['a', 'b']) await fixture.until(async () => (await fixture.read(`${name}.${out}`)).length >= 100, `the outputs of ${out}`)
  for (const out of ['a', 'b']) expect(await fixture.read(`${name}.${out}`)).toHaveLength(100)
})
