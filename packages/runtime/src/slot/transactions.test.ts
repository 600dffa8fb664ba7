import { expect, test } from '@jest/globals'
import { silentLogger, transactionalId } from '@tidemark/base'
import { MemoryLog, VirtualClock } from '@tidemark/testkit'
import { Transactions } from './transactions.ts'

test('sessions: the last one is being replaced → its id is still known, for those who take over meanwhile', async () => {
  const clock = new VirtualClock()
  let away = false
  const log = new MemoryLog({ clock, intercept: async ({ call }, run) => {
    if (away && call === 'log.initialise') await clock.sleep(1_000)
    return run()
  } })
  const transactions = new Transactions({ log, clock, logger: silentLogger, idPrefix: 'tidemark.orders.1.slot', alive: () => true, waiting: () => {} })
  expect(transactions.lastId).toBe(undefined)
  await transactions.renew()
  away = true
  const renewed = transactions.renew()
  await clock.advance(500)
  expect(transactions.lastId).toBe('tidemark.orders.1.slot.0')
  await clock.advance(1_000)
  expect(await renewed).toBe('tidemark.orders.1.slot.1')
  expect(transactions.lastId).toBe('tidemark.orders.1.slot.1')
})

test('sessions: the executor of the slot is gone → not one transaction more, and the process is to end', async () => {
  const clock = new VirtualClock()
  const log = new MemoryLog({ clock })
  await log.createTopics([{ topic: 'out', partitions: 1 }])
  let alive = true
  const transactions = new Transactions({ log, clock, logger: silentLogger, idPrefix: 'tidemark.orders.1.slot', alive: () => alive, waiting: () => {} })
  await transactions.renew()
  const write = [{ topic: 'out', partition: 0, records: [{ key: null, value: 'x', timestamp: 0 }] }]
  await transactions.run(write, () => {})
  const [before] = await log.offsets('out')
  alive = false
  await expect(transactions.run(write, () => {})).rejects.toMatchObject({ code: 'SLOT_ORPHANED', action: 'exit' })
  expect((await log.offsets('out'))[0]).toEqual(before)
  expect(transactions.id).toBe(transactionalId('tidemark.orders.1.slot.0'))
})
