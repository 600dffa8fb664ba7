// How far a journal is read before anything is decided by it.
import { expect, test } from '@jest/globals'
import { executorId, silentLogger, slotId, transactionalId } from '@tidemark/base'
import type { FetchOptions, FetchRequest, LogReader } from '@tidemark/base'
import { emptyBooks, encodeRecord, encodeSnapshot } from '@tidemark/checkpoint'
import type { JournalRecord } from '@tidemark/checkpoint'
import { MemoryBroker, MemoryLog } from '@tidemark/testkit'
import type { VirtualClock } from '@tidemark/testkit'
import { Claiming } from './claiming.ts'
import { HeldTask } from './held-task.ts'
import { Readers } from './readers.ts'
import { Slices } from './slices.ts'
import { fixture } from './slot.sample.ts'
import { encodeContent } from './snapshot-objects.ts'
import { Takeover } from './takeover.ts'
import { Transactions } from './transactions.ts'

/** Two of them are more than one fetch of a journal asks for. */
const STATE_BYTES = 700_000

/** A journal of several fetches whose last record ends its run; fetches of it, counted from 0, are not answered where `quiet` says so. */
const takenOver = async (quiet: (fetch: number) => boolean, forMs: number): Promise<{ readonly happened: readonly string[], readonly fetches: number }> => {
  const { ports: whole, options: begun, held } = fixture()
  const clock = whole.clock as VirtualClock
  const happened: string[] = []
  let fetches = 0
  const broker = new MemoryBroker({ clock })
  const log = new MemoryLog({ broker, clock })
  const quietly = (reader: LogReader): LogReader => ({
    fetch: async (requests: readonly FetchRequest[], options: FetchOptions) => {
      if (options.maxWaitMs > 0) return reader.fetch(requests, options)
      fetches += 1
      return quiet(fetches - 1) ? [] : reader.fetch(requests, options)
    },
    close: () => reader.close(),
  })
  const ports = { ...whole, log: Object.assign(log, { reader: () => quietly(new MemoryLog({ broker, clock }).reader()), fence: async () => void happened.push('fenced') }) }
  const options = { ...begun, run: { ...begun.run, from: null } }
  await log.createTopics([{ topic: held.journalTopic, partitions: 1 }])
  const before = { task: held.ref, timestamp: 0, generation: { epoch: 0, counter: 1 }, owner: { executor: executorId('old'), slot: 0, slotId: slotId('old') }, transactionalId: transactionalId('old.0') }
  const batches = [1, 2, 3, 4].map((batchId): JournalRecord => ({
    kind: 'commit', ...before, engineVersion: '0.1.0', jobVersion: '1', snapshots: [],
    content: { batchId, positions: [], upstreams: [], idle: false, state: Buffer.alloc(STATE_BYTES), books: emptyBooks, totals: emptyBooks, outbox: { entries: 0, bytes: 0 } },
  }))
  for (const record of [...batches, { kind: 'ended' as const, ...before }]) {
    for (const value of encodeRecord(record)) await log.write([{ topic: held.journalTopic, partition: 0, records: [{ key: null, value }] }])
  }
  const transactions = new Transactions({ log, clock, logger: silentLogger, idPrefix: 'new', alive: () => true, waiting: () => {} })
  const takeover = new Takeover(ports, options, new Claiming(ports, options, transactions), new Readers(ports.log), {
    lastId: () => transactionalId('new.0'), holds: () => true, resume: async () => true,
    claim: async (helds) => { happened.push('claimed'); return new Map(helds.map((one) => [one, { kind: 'give-up', because: 'the test ends', ended: false, withdraw: false }])) },
    giveUp: async (_held, { because }) => void happened.push(`given up: ${because}`),
    fail: async (_held, error) => void happened.push(error.code),
  })
  void takeover.run([held])
  await clock.advance(forMs)
  return { happened, fetches }
}

test('takeover: a fetch in the middle of a journal brings nothing, though there is more → it is read to its end before anybody is fenced', async () => {
  const { happened } = await takenOver((fetch) => fetch > 0 && fetch < 20, 3_000)
  expect(happened).toEqual([expect.stringMatching(/^given up: .*(ended|over)/)])
})

test('takeover: the rest of a journal is not answered at all → given out again after ten seconds, and nobody is fenced', async () => {
  expect((await takenOver((fetch) => fetch > 0, 9_500)).happened).toEqual([])
  const { happened, fetches } = await takenOver((fetch) => fetch > 0, 10_500)
  expect(happened).toEqual(['SLOT_JOURNAL_UNREADABLE'])
  expect(fetches).toBe(101)
})

test('takeover: its journal is longer than what may wait for its snapshot, and the owner before claims again while that is loaded → seen before anybody is fenced, and given up', async () => {
  const { ports: whole, options: begun, held: { ref, journalTopic } } = fixture()
  const clock = whole.clock as VirtualClock
  const held = new HeldTask(() => Object.assign(begun.makeTask(ref), { * applying(): Generator<void> {}, * loadingSnapshot(): Generator<void> {} }), { epoch: 1, counter: 1 }, journalTopic, clock)
  const log = new MemoryLog({ broker: new MemoryBroker({ clock }), clock })
  const happened: string[] = []
  const storeMs = 20_000
  const store = Object.assign(Object.create(whole.store) as typeof whole.store, { get: async (key: string) => { await clock.sleep(storeMs); return whole.store.get(key) } })
  const ports = { ...whole, store, log: Object.assign(log, { fence: async () => void happened.push('fenced') }) }
  await log.createTopics([{ topic: journalTopic, partitions: 1 }])
  const before = { generation: { epoch: 0, counter: 1 }, owner: { executor: executorId('old'), slot: 0, slotId: slotId('old') }, transactionalId: transactionalId('old.0') }
  const encoded = encodeSnapshot({ task: ref, ...before, checkpoint: 1, batchId: 1, keys: 0, timestamp: 0, engineVersion: '0.1.0', jobVersion: '1' }, [encodeContent({ ...held.task.content(), batchId: 1 })])
  const objects = encoded.map(({ body, sha256 }, i) => ({ key: `o${i}`, sizeBytes: body.length, sha256 }))
  for (const [i, { body }] of encoded.entries()) await whole.store.put(`o${i}`, body)
  const write = async (record: JournalRecord): Promise<void> => {
    for (const value of encodeRecord(record)) await log.write([{ topic: journalTopic, partition: 0, records: [{ key: null, value }] }])
  }
  const writeBatches = async (from: number, to: number): Promise<void> => {
    for (let batchId = from; batchId <= to; batchId += 1) await write({
      kind: 'commit', task: ref, timestamp: 0, ...before, engineVersion: '0.1.0', jobVersion: '1', snapshots: batchId === 1 ? [] : [{ ...before, checkpoint: 1, batchId: 1, journalNext: 1, positions: [], keys: 0, objects }],
      content: { batchId, positions: [], upstreams: [], idle: false, state: Buffer.alloc(STATE_BYTES), books: emptyBooks, totals: emptyBooks, outbox: { entries: 0, bytes: 0 } },
    })
  }
  await writeBatches(1, 14)
  const transactions = new Transactions({ log, clock, logger: silentLogger, idPrefix: 'new', alive: () => true, waiting: () => {} })
  const takeover = new Takeover(ports, begun, new Claiming(ports, begun, transactions), new Readers(log), {
    lastId: () => transactionalId('new.0'), holds: () => true, resume: async () => true,
    claim: async (helds) => { happened.push('claimed'); return new Map(helds.map((one) => [one, { kind: 'give-up', because: 'the test ends', ended: false, withdraw: false }])) },
    giveUp: async (_held, { because }) => void happened.push(`given up: ${because}`),
    fail: async (_held, error) => void happened.push(error.code),
  })
  void takeover.run([held])
  await clock.advance(storeMs / 2)
  expect([held.waitingFor, happened]).toEqual(['its snapshot, before more of a long journal is read', []])
  await writeBatches(15, 16)
  await write({ kind: 'claim', task: ref, timestamp: 0, nonce: 'again', ...before, generation: { epoch: 2, counter: 1 } })
  await clock.advance(storeMs)
  expect(happened).toEqual([expect.stringMatching(/^given up: .*generation/)])
})

test('takeover: an owner before that is not fenced yet commits on until the claim → what it committed is decoded in slices too, as the rest of its journal was', async () => {
  const { ports: whole, options: begun, held: { ref, journalTopic } } = fixture()
  const clock = whole.clock as VirtualClock
  const slices = new Slices(clock)
  const runFirst = slices.runFirst.bind(slices)
  let steps = 0
  const counted = function* (all: Iterable<unknown>): Generator<unknown> {
    for (const step of all) {
      steps += 1
      yield step
    }
  }
  Object.assign(slices, { runFirst: (all: Iterable<unknown>) => runFirst(counted(all)) })
  const held = new HeldTask(() => Object.assign(begun.makeTask(ref), { * applying(): Generator<void> {} }), { epoch: 1, counter: 1 }, journalTopic, clock, slices)
  const log = new MemoryLog({ broker: new MemoryBroker({ clock }), clock })
  const ports = { ...whole, log: Object.assign(log, { fence: async () => {} }) }
  const options = { ...begun, run: { ...begun.run, from: null } }
  await log.createTopics([{ topic: journalTopic, partitions: 1 }])
  const before = { generation: { epoch: 0, counter: 1 }, owner: { executor: executorId('old'), slot: 0, slotId: slotId('old') }, transactionalId: transactionalId('old.0') }
  const writeBatches = async (from: number, to: number): Promise<void> => {
    for (let batchId = from; batchId <= to; batchId += 1) {
      const record: JournalRecord = {
        kind: 'commit', task: ref, timestamp: 0, ...before, engineVersion: '0.1.0', jobVersion: '1', snapshots: [],
        content: { batchId, positions: [], upstreams: [], idle: false, state: Buffer.alloc(0), books: emptyBooks, totals: emptyBooks, outbox: { entries: 0, bytes: 0 } },
      }
      for (const value of encodeRecord(record)) await log.write([{ topic: journalTopic, partition: 0, records: [{ key: null, value }] }])
    }
  }
  await writeBatches(1, 5)
  const transactions = new Transactions({ log, clock, logger: silentLogger, idPrefix: 'new', alive: () => true, waiting: () => {} })
  await transactions.renew()
  const claiming = new Claiming(ports, options, transactions)
  const decoded: number[] = []
  const takeover = new Takeover(ports, options, claiming, new Readers(log), {
    lastId: () => transactions.lastId ?? transactionalId('none'), holds: () => true,
    claim: async (helds) => {
      decoded.push(steps)
      await writeBatches(6, 12)
      await claiming.write(helds)
      return new Map()
    },
    resume: async () => {
      decoded.push(steps)
      return true
    },
    giveUp: async (_held, { because }) => { throw new Error(because) },
    fail: async (_held, error) => { throw error },
  })
  const taken = takeover.run([held])
  await clock.advance(1_000)
  await taken
  // With the claim.
  expect(decoded).toEqual([5, 5 + 7 + 1])
})
