// What is in flight may be more than memory holds: it is stored and fed an object at a time.
import { randomBytes } from 'node:crypto'
import { expect, test } from '@jest/globals'
import { executorId, noFaults, realClock, realRandom, silentLogger, slotId, TidemarkError, transactionalId } from '@tidemark/base'
import type { FetchedPartition, LogReader } from '@tidemark/base'
import { encodeBlocks, encodeSnapshot, InFlightEncoder } from '@tidemark/checkpoint'
import type { Manifest, ObjectRef, RunRecord } from '@tidemark/checkpoint'
import { MemoryBroker, MemoryLog } from '@tidemark/testkit'
import type { MemoryObjectStore } from '@tidemark/testkit'
import { ROOMY } from '../task/task-fixture.ts'
import { packShuffled, SHUFFLED_BYTES_MAX } from '../operators/shuffled-value.ts'
import { feedInFlight, storeInFlight } from './in-flight.ts'
import { block, started } from './in-flight.sample.ts'
import { load } from './loading.ts'
import { encodeContent } from './snapshot-objects.ts'

const MIB = 1024 * 1024
const PER_FETCH = 2
const FETCHES = 24

/** Stored by one task, in so many objects; `readBefore`: what was read of the shuffle before each was put. */
const stored = async ({ clock, held, input, store }: ReturnType<typeof started>, bytesMax = Number.MAX_SAFE_INTEGER): Promise<{ readonly objects: readonly ObjectRef[], readonly blocks: number, readonly bytes: number, readonly readBefore: readonly number[] }> => {
  const log = new MemoryLog({ clock, broker: new MemoryBroker({ clock }) })
  const end = FETCHES * PER_FETCH
  let read = 0
  const readBefore: number[] = []
  const reader: Pick<LogReader, 'fetch'> = {
    fetch: async ([request]): Promise<FetchedPartition[]> => {
      const from = request?.offset ?? 0
      const records = Array.from({ length: PER_FETCH }, (_, i) => ({ offset: from + i, timestamp: 0, key: null, value: block(from + i + 1) }))
      read += records.reduce((sum, { value }) => sum + value.length, 0)
      return [{ topic: input.topic, partition: 0, fromOffset: from, records, nextOffset: from + PER_FETCH, startOffset: 0, stableOffset: end }]
    },
  }
  const ports = {
    clock, log: Object.assign(Object.create(log) as MemoryLog, { offsets: async () => [{ partition: 0, start: 0, end, stable: end }] }), random: realRandom, faults: noFaults, logger: silentLogger,
    store: Object.assign(Object.create(store) as MemoryObjectStore, { put: async (key: string, body: Uint8Array) => { readBefore.push(read); await store.put(key, body) }, delete: (keys: readonly string[]) => store.delete(keys) }),
  }
  const ref = { generation: held.generation, owner: { executor: executorId('e'), slot: 0, slotId: slotId('s') }, transactionalId: transactionalId('t'), checkpoint: 7, batchId: 1, journalNext: 0, positions: [{ input: input.input, topic: input.topic, partition: 0, next: 0 }], keys: 0, objects: [] }
  const found = await storeInFlight(ports, reader, held, { checkpoint: 7, ref, cuts: [{ stage: 's0', partition: 0, batchId: end }], bytesMax }, () => true)
  return { ...found, readBefore }
}

test('in flight: far more than an object holds → each is put as soon as it is full, and fed to a restored run while those behind it are not fetched yet', async () => {
  const all = started()
  const { clock, held, input, store } = all
  const { objects, blocks, bytes, readBefore } = await stored(all)
  expect(blocks).toBe(FETCHES * PER_FETCH)
  expect(new Set(objects.map(({ key }) => key)).size).toBe(2)
  expect(bytes).toBeGreaterThan(37 * MIB)
  expect(readBefore[0]).toBeLessThan(35 * MIB)
  expect(readBefore[1]).toBe(bytes)

  held.task.loadSnapshot([], { ...held.task.content(), positions: [{ input: input.input, topic: input.topic, partition: 0, next: 0, inFlight: 0 }], upstreams: [] })
  const fetched: string[] = []
  const reading = Object.assign(Object.create(store) as MemoryObjectStore, { get: async (key: string) => { fetched.push(key); return store.get(key) } })
  const part = { stage: held.ref.stage, partition: held.ref.partition, objects, blocks, bytes }
  let fed = false
  void feedInFlight({ clock, logger: silentLogger, store: reading }, { origin: { inFlight: [part] } }, held, () => true).then(() => { fed = true })
  await clock.advance(1_000)
  expect(fetched).toHaveLength(1)
  expect(held.task.queuedBytes).toBeLessThan(10 * MIB)
  for (let batches = 0; held.task.inputs()[0]?.inFlight !== undefined && batches < 100; batches += 1) {
    held.task.work({ ...ROOMY, recordsMax: 4 }, 0)
    held.task.freeze()
    held.task.committed()
    await clock.advance(10)
    expect(held.task.queuedBytes).toBeLessThan(10 * MIB)
  }
  expect([held.task.failure, held.task.inputs()[0]?.inFlight]).toEqual([undefined, undefined])
  expect(fed).toBe(true)
  expect(fetched).toEqual(objects.map(({ key }) => key))
  expect(held.task.content().totals).toMatchObject({ blocks, shuffleRecords: blocks })
})

test('in flight: of three shuffles, one in part taken by the owner before and one without any → each is fed what is left, in its order, and told its last', async () => {
  const { clock, held, store } = started()
  const offered: unknown[] = []
  Object.assign(held.task, {
    inputs: () => [['a', 1], ['b', 0], ['c', 0]].map(([input, inFlight]) => ({ input, kind: 'shuffle', topic: input, partition: 0, next: 0, inFlight })),
    offerInFlight: (input: string, index: number, last: boolean, value: Buffer | undefined) => void offered.push([input, index, last, value?.toString()]),
  })
  const encoder = new InFlightEncoder()
  for (const name of ['a0', 'b0', 'a1', 'b1', 'a2']) encoder.add({ input: name.slice(0, 1), value: Buffer.from(name) })
  const [object] = encoder.finish()
  if (object === undefined) throw new TypeError('no object')
  await store.put('o', object.body)
  const part = { stage: held.ref.stage, partition: held.ref.partition, objects: [{ key: 'o', sizeBytes: object.body.length, sha256: object.sha256 }], blocks: 5, bytes: 10 }
  await feedInFlight({ clock, logger: silentLogger, store }, { origin: { inFlight: [part] } }, held, () => true)
  expect(offered).toEqual([['b', 0, false, 'b0'], ['a', 1, false, 'a1'], ['a', 2, true, 'a2'], ['b', 1, true, 'b1'], ['c', 0, true, undefined]])
})

const keysIn = async (store: MemoryObjectStore): Promise<string[]> => (await store.list('')).map(({ key }) => key)

test('in flight: there turns out to be too much of it when some is stored already → that goes again, and nothing else does', async () => {
  const all = started()
  const { objects } = await stored(all)
  const { store } = all
  const put: string[] = []
  const seeing = Object.assign(Object.create(store) as MemoryObjectStore, { put: async (key: string, body: Uint8Array) => { put.push(key); await store.put(key, body) }, delete: (keys: readonly string[]) => store.delete(keys) })
  await expect(stored({ ...all, store: seeing }, 36 * MIB)).rejects.toMatchObject({ code: 'CHECKPOINT_IN_FLIGHT_TOO_LARGE' })
  expect(put).toHaveLength(1)
  expect(await keysIn(store)).toEqual(objects.map(({ key }) => key).toSorted())
})

test('in flight: the store takes an object and its answer is lost → it goes again with those before it, and the error is the first one', async () => {
  const all = started()
  const { store } = all
  let puts = 0
  const losing = Object.assign(Object.create(store) as MemoryObjectStore, {
    delete: (keys: readonly string[]) => store.delete(keys),
    put: async (key: string, body: Uint8Array) => {
      await store.put(key, body)
      puts += 1
      if (puts === 2) throw new TidemarkError('put: no answer', { code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry' })
    },
  })
  await expect(stored({ ...all, store: losing })).rejects.toThrow('put: no answer')
  expect([puts, await keysIn(store)]).toEqual([2, []])
  const stuck = Object.assign(Object.create(losing) as MemoryObjectStore, { delete: async () => { throw new TidemarkError('delete: no answer', { code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry' }) } })
  puts = 0
  await expect(stored({ ...all, store: stuck })).rejects.toThrow('put: no answer')
})

/** Two objects, each with one block; the second can be had once `error` is cleared. */
const halfRead = async (error: TidemarkError): Promise<ReturnType<typeof started> & { readonly offered: string[], readonly away: { error: TidemarkError | undefined, tries: number }, readonly feed: (wanted: () => boolean) => Promise<void> }> => {
  const all = started()
  const { clock, held, store } = all
  const offered: string[] = []
  Object.assign(held.task, {
    inputs: () => [{ input: 'a', kind: 'shuffle', topic: 'a', partition: 0, next: 0, inFlight: 0 }],
    offerInFlight: (_input: string, _index: number, _last: boolean, value: Buffer | undefined) => void offered.push(`${value?.toString()}`),
  })
  const objects: ObjectRef[] = []
  const encoder = new InFlightEncoder()
  for (const key of ['first', 'second']) {
    encoder.add({ input: 'a', value: Buffer.from(key) })
    const [object] = encoder.finish()
    if (object === undefined) throw new TypeError('no object')
    await store.put(key, object.body)
    objects.push({ key, sizeBytes: object.body.length, sha256: object.sha256 })
  }
  const away: { error: TidemarkError | undefined, tries: number } = { error, tries: 0 }
  const reading = Object.assign(Object.create(store) as MemoryObjectStore, {
    get: async (key: string) => {
      if (key === 'second' && away.error !== undefined) {
        away.tries += 1
        throw away.error
      }
      return store.get(key)
    },
  })
  const part = { stage: held.ref.stage, partition: held.ref.partition, objects, blocks: 2, bytes: 11 }
  return { ...all, offered, away, feed: (wanted) => feedInFlight({ clock, logger: silentLogger, store: reading }, { origin: { inFlight: [part] } }, held, wanted) }
}
const unavailable = new TidemarkError('get second: it does not answer', { code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry' })

test('in flight: the store goes away midway → the task runs on, says what it waits for, and is fed the rest when it is back', async () => {
  const { clock, held, offered, away, feed } = await halfRead(unavailable)
  let fed = false
  void feed(() => true).then(() => { fed = true })
  await clock.advance(60_000)
  expect([fed, offered]).toEqual([false, []])
  expect(held.waitingFor).toMatch(/^store unreachable: .*it does not answer/)
  expect(away.tries).toBeGreaterThan(100)
  expect(away.tries).toBeLessThan(130)
  away.error = undefined
  await clock.advance(500)
  expect([fed, offered, held.waitingFor]).toEqual([true, ['first', 'second'], undefined])
})

test('in flight: the store is away, and the task waits for something else besides → that stays said', async () => {
  const { clock, held, away, feed } = await halfRead(unavailable)
  held.waitingFor = 'sink out'
  let fed = false
  void feed(() => true).then(() => { fed = true })
  await clock.advance(2_000)
  expect(held.waitingFor).toBe('sink out')
  away.error = undefined
  await clock.advance(500)
  expect([fed, held.waitingFor]).toEqual([true, 'sink out'])
})

test('in flight: the store is away, and the task is let go → nothing is tried any more', async () => {
  const { clock, held, offered, away, feed } = await halfRead(unavailable)
  let [fed, wanted] = [false, true]
  void feed(() => wanted).then(() => { fed = true })
  await clock.advance(2_000)
  wanted = false
  await clock.advance(500)
  const { tries } = away
  await clock.advance(10_000)
  expect([fed, offered, held.waitingFor, away.tries]).toEqual([true, [], undefined, tries])
})

test('in flight: an object is gone for good → rejected at once', async () => {
  const { held, feed } = await halfRead(new TidemarkError('get second: the store has no such object', { code: 'STORE_NOT_FOUND', blame: 'environment', action: 'fail-job' }))
  await expect(feed(() => true)).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' })
  expect(held.waitingFor).toBeUndefined()
})

test('in flight: the cut went between two blocks of a batch of its writer → a run that begins there takes the rest of that batch, then the batches of the new run from 1 on', async () => {
  const { held, input, store } = started(2)
  const { task, ref: { stage, partition } } = held
  const records = ['a', 'b'].map((key) => ({ key, value: packShuffled(randomBytes(SHUFFLED_BYTES_MAX)), timestamp: 0 }))
  const of = (batchId: number, run: number): Buffer[] => encodeBlocks({ stage: 's0', partition: 0, batchId, generation: { epoch: run, counter: 1 }, idle: false }, records)
  const [first = [], second = []] = [of(57, 1), of(58, 1)]
  expect([first.length, second.length]).toEqual([2, 2])
  const content = { ...task.content(), batchId: 4, positions: [{ input: input.input, topic: 'of the run before', partition: 0, next: 8 }], upstreams: [{ input: input.input, partition: 0, idle: false, batchId: 57, nextBlock: 1, blocks: 2 }] }
  const stamp = { generation: held.generation, owner: { executor: executorId('e'), slot: 0, slotId: slotId('s') }, transactionalId: transactionalId('t'), checkpoint: 7, batchId: 4 }
  const encoded = encodeSnapshot({ task: { ...held.ref, run: 1 }, ...stamp, keys: 0, timestamp: 0, engineVersion: '0.1.0', jobVersion: '1' }, [encodeContent(content)])
  for (const [i, { body }] of encoded.entries()) await store.put(`o${i}`, body)
  const part = { stage, partition, upstreams: content.upstreams, ref: { ...stamp, journalNext: 9, positions: content.positions, keys: 0, objects: encoded.map(({ body, sha256 }, i) => ({ key: `o${i}`, sizeBytes: body.length, sha256 })) } }
  const options = { origin: { parts: [part] } as Pick<Manifest, 'parts'> as Manifest, run: { stages: [{ stage, partitions: 1, inputs: [{ input: input.input, kind: 'shuffle', topic: input.topic, partitions: 1 }] }] } as Pick<RunRecord, 'stages'> as RunRecord }
  expect(await load({ clock: realClock, store }, options, held, { kind: 'origin', from: { run: 1, checkpoint: 7, manifest: 'm' }, tailBegin: 0 })).toEqual({ kind: 'loaded' })

  for (const [i, value] of [...first.slice(1), ...second].entries()) task.offerInFlight(input.input, i, i === 2, value)
  task.work(ROOMY, 0)
  const values = of(1, 2)
  task.offer(input.input, { topic: input.topic, partition: 0, fromOffset: 0, records: values.map((value, offset) => ({ offset, timestamp: 0, key: null, value })), nextOffset: values.length, startOffset: 0, stableOffset: values.length })
  task.work(ROOMY, 0)
  task.freeze()
  task.committed()
  expect(task.failure).toBeUndefined()
  expect(task.content()).toMatchObject({ totals: { blocks: 5 }, upstreams: [{ batchId: 1 }] })
})
