// An owner that claims again meets a stray claim in each of its journals: it fences that id and writes each claim once more, one transaction
// after the other. Two at once on one session would lose it again.
import { afterEach, expect, test } from '@jest/globals'
import { executorId, slotId, transactionalId } from '@tidemark/base'
import { encodeRecord, paths } from '@tidemark/checkpoint'
import { startCounting } from '../integration/slots/counting-slot.ts'
import type { SlotFixture } from '../integration/slots/slot-fixture.ts'

let open: SlotFixture | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
})

test('reclaim: a stray claim in several journals → one new session, every task goes on', async () => {
  const { fixture, items, out } = await startCounting({ partitions: 4 })
  open = fixture
  const write = (): Promise<unknown> => fixture.log.write(fixture.tasks().map(({ partition }) => ({ topic: items, partition, records: [{ key: `u${partition}`, value: JSON.stringify({ user: `u${partition}` }) }] })))
  const outputs = async (): Promise<number> => (await fixture.read(out)).length
  let spoil = false
  const slot = await fixture.slot({
    spoil: () => {
      const now = spoil
      spoil = false
      return now ? 'never' : undefined
    },
  })
  fixture.generation()
  fixture.assign(slot, fixture.tasks())
  await write()
  await fixture.until(async () => (await outputs()) >= 4, 'the first outputs')

  const stray = { generation: { epoch: 1, counter: 1 }, owner: { executor: executorId('stray'), slot: 0, slotId: slotId('stray') }, transactionalId: transactionalId(`tidemark.${fixture.run.job}.1.stray.0`) }
  const session = fixture.log.session(stray.transactionalId)
  await session.initialise()
  await session.append(fixture.tasks().map((task) => ({
    topic: paths.journalTopic(task.job, task.run, task.stage), partition: task.partition, records: encodeRecord({ kind: 'claim', task, timestamp: 0, nonce: `n${task.partition}`, ...stray }).map((value) => ({ key: null, value })),
  })))
  await session.commit()
  spoil = true
  await write()
  await fixture.until(async () => (await outputs()) >= 8, 'the next outputs')
  expect(await outputs()).toBe(8)
  expect(slot.events.filter((event) => event.kind === 'session')).toHaveLength(2)
  expect(slot.events.filter((event) => event.kind === 'given-up' || event.kind === 'failed')).toEqual([])
})
