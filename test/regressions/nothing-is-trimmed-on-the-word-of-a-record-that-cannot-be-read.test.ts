// A zombie dies inside a claim: its transaction stays open, and hides what the owner commits behind it until the broker ends it. The owner
// trimmed its journal all the same; whoever took over then saw a journal that begins behind everything it could read, and called the state lost.
import { afterEach, expect, test } from '@jest/globals'
import { realClock, transactionalId } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import { MemoryLog } from '@tidemark/testkit'
import { startCounting } from '../integration/slots/counting-slot.ts'
import type { SlotFixture } from '../integration/slots/slot-fixture.ts'

let open: SlotFixture | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
})

test('trimming: the record that allows it is hidden behind an open transaction → the journal stays, and is trimmed once it can be read', async () => {
  const { fixture, items, out } = await startCounting({ partitions: 1, openLog: () => new MemoryLog({ clock: realClock }) })
  open = fixture
  const { log } = fixture
  const journal = paths.journalTopic(fixture.run.job, 1, 's0')
  const slot = await fixture.slot()
  fixture.assign(slot, fixture.tasks())
  await fixture.until(() => slot.events.some((event) => event.kind === 'running'), 'running')
  const item = (user: string) => log.write([{ topic: items, partition: 0, records: [{ key: user, value: JSON.stringify({ user }) }] }])
  const start = async (): Promise<number> => (await log.offsets(journal))[0]?.start ?? -1
  await item('a')
  await fixture.until(async () => (await fixture.read(out)).length === 1, 'a batch')
  const zombie = log.session(transactionalId(`zombie-${fixture.run.job}`))
  await zombie.initialise()
  await zombie.append([{ topic: journal, partition: 0, records: [{ key: null, value: 'a claim that is never committed' }] }])

  await fixture.snapshot(slot, 1)
  await fixture.snapshot(slot, 2)
  await realClock.sleep(700)
  expect(await start()).toBe(0)
  await log.fence(zombie.transactionalId)
  await fixture.snapshot(slot, 3)
  await fixture.until(async () => (await start()) > 0, 'trimmed')
})
