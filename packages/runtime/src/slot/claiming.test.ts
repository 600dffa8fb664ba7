import { expect, test } from '@jest/globals'
import { executorId, silentLogger, slotId, transactionalId } from '@tidemark/base'
import { emptyBooks, emptyChain, encodeRecord, JournalCursor } from '@tidemark/checkpoint'
import type { CommitRecord } from '@tidemark/checkpoint'
import type { VirtualClock } from '@tidemark/testkit'
import { Claiming } from './claiming.ts'
import { fixture } from './slot.sample.ts'
import { Transactions } from './transactions.ts'

/** Two of them are more than one fetch of a journal asks for. */
const STATE_BYTES = 700_000

test('takeover: the journal is damaged behind what the first fetch gave → told as damage, not as a hole that reading it twice would make of it', async () => {
  const { ports, options, held } = fixture()
  const { log } = ports
  await log.createTopics([{ topic: held.journalTopic, partitions: 1 }])
  const owner = { generation: { epoch: 0, counter: 1 }, owner: { executor: executorId('old'), slot: 0, slotId: slotId('old') }, transactionalId: transactionalId('old.0') }
  const batch = (batchId: number): Buffer[] => encodeRecord({
    kind: 'commit', task: held.ref, timestamp: 0, ...owner, engineVersion: '0.1.0', jobVersion: '1', snapshots: [],
    content: { batchId, positions: [], upstreams: [], idle: false, state: Buffer.alloc(STATE_BYTES), books: emptyBooks, totals: emptyBooks, outbox: { entries: 0, bytes: 0 } },
  } satisfies CommitRecord)
  const journal = [...batch(1), ...batch(2), ...batch(3), ...batch(4)]
  journal.at(-1)?.subarray(-8).fill(0xff)
  for (const value of journal) await log.write([{ topic: held.journalTopic, partition: 0, records: [{ key: null, value }] }])
  const transactions = new Transactions({ log, clock: ports.clock, logger: silentLogger, idPrefix: 'new', alive: () => true, waiting: () => {} })
  const claiming = new Claiming(ports, options, transactions)
  await transactions.renew()
  held.startOver(new JournalCursor(held.ref, held.journalTopic, 0, emptyChain()))
  await claiming.write([held])

  await expect(claiming.settle(held, log.reader(), () => Promise.reject(new Error('claimed again')))).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT', place: { offset: 3 } })
  expect(held.timeline.tailBatches).toBeGreaterThan(0)
})

test('R8: own batches were committed behind the open claim of one that stands still, which hides all that is behind it → the next own claim looks where that one lies, fences it, and owns', async () => {
  const { ports, options, held } = fixture()
  const { log } = ports
  const clock = ports.clock as VirtualClock
  await log.createTopics([{ topic: held.journalTopic, partitions: 1 }])
  const late = { executor: executorId('late'), slot: 0, slotId: slotId('late') }
  const standing = log.session(transactionalId('late.0'))
  await standing.initialise()
  await standing.append(encodeRecord({ kind: 'claim', task: held.ref, timestamp: 0, nonce: 'late', generation: { epoch: 0, counter: 1 }, owner: late, transactionalId: transactionalId('late.0') }).map((value) => ({ topic: held.journalTopic, partition: 0, records: [{ key: null, value }] })))
  const own: CommitRecord = {
    kind: 'commit', task: held.ref, timestamp: 0, generation: held.generation, owner: options.owner, transactionalId: transactionalId('own.0'), engineVersion: '0.1.0', jobVersion: '1', snapshots: [],
    content: { batchId: 1, positions: [], upstreams: [], idle: false, state: Buffer.alloc(0), books: emptyBooks, totals: emptyBooks, outbox: { entries: 0, bytes: 0 } },
  }
  const cursor = new JournalCursor(held.ref, held.journalTopic, 0, emptyChain())
  held.startOver(cursor)
  const session = log.session(transactionalId('own.0'))
  await session.initialise()
  await session.append(encodeRecord(own).map((value) => ({ topic: held.journalTopic, partition: 0, records: [{ key: null, value }] })))
  const [at] = await session.commit()
  cursor.passed(own, at?.baseOffset ?? -1, (at?.baseOffset ?? -1) + 1, { ends: true })
  const transactions = new Transactions({ log, clock, logger: silentLogger, idPrefix: 'own.again', alive: () => true, waiting: () => {} })
  const claiming = new Claiming(ports, options, transactions)
  await transactions.renew()
  await claiming.write([held])

  const settled = claiming.settle(held, log.reader(), () => Promise.reject(new Error('claimed again')))
  await clock.advance(1_000)
  expect(held.timeline.fencedIds).toBe(1)
  expect(await settled).toEqual({ kind: 'own' })
})
