// Cancel beside a submission of the same job: what is answered is what is stored.
import { afterEach, expect, test } from '@jest/globals'
import { executorId, slotId, TidemarkError, transactionalId } from '@tidemark/base'
import type { Log, ObjectStore } from '@tidemark/base'
import { formatManifest, paths } from '@tidemark/checkpoint'
import { instead } from '@tidemark/testkit'
import { bundle, JOB, lead, leads, memoryPorts, planOf } from './cluster.sample.ts'
import type { KnownJob } from '../core/protocol.ts'
import { readDefinition, updateDefinition } from './definition.ts'
import { jobHandlers } from './job-handlers.ts'
import type { Leading } from './leading.ts'
import { loadJob, loadJobs } from './load-jobs.ts'
import { cancelRun } from './start-run.ts'

let leading: Leading | undefined
afterEach(() => leading?.end(undefined))

test('cancel: while a restore of the job is being taken → it cancels no run that the stored definition says is wanted', async () => {
  const ports = await memoryPorts()
  const now = leads(ports, 5)
  leading = now
  const handlers = jobHandlers(ports, async () => now)
  await handlers.submit({ plan: planOf(), bundle: bundle() })
  for (const until = performance.now() + 20_000; now.core.job(JOB)?.state !== 'running' && performance.now() < until;) await ports.clock.sleep(5)
  const generation = { epoch: 5, counter: 1 }
  await ports.store.put(paths.manifest(JOB, 1), formatManifest({
    formatVersion: 1, job: JOB, run: 1, checkpoint: 1, engineVersion: '0.1.0', jobVersion: '1', schemas: {}, driverEpoch: 5, timestamp: 1, inFlight: [], outputs: [],
    parts: [0, 1].map((partition) => ({ stage: 's0' as never, partition, upstreams: [], ref: {
      generation, owner: { executor: executorId('e'), slot: 0, slotId: slotId('s') }, transactionalId: transactionalId('x'), checkpoint: 1, batchId: 1, journalNext: 1, positions: [{ input: 'n0', topic: 'in', partition, next: 0 }], keys: 0, objects: [],
    } })),
  }))
  const restore = handlers.submit({ plan: planOf({ version: '2' }), bundle: bundle(), fromCheckpoint: 1 })
  const [restored, cancelled] = await Promise.allSettled([restore, handlers.cancel(JOB, 'now')])
  expect(restored).toMatchObject({ status: 'fulfilled', value: { run: 2 } })
  expect(cancelled).toMatchObject({ status: 'rejected', reason: { code: 'JOB_BUSY' } })
  expect(await readDefinition(ports.store, JOB)).toMatchObject({ run: 2, desired: 'running' })
  expect(now.core.job(JOB)?.state).not.toMatch(/cancel/)
})

test('cancel, drained and asked again, then now → what is stored says it each time; a job that has failed is not drained, and that is said', async () => {
  const ports = await memoryPorts()
  const begin = (epoch: number, jobs: readonly KnownJob[]): Leading => {
    leading?.end(undefined)
    return leading = leads(ports, epoch, jobs)
  }
  const comesTo = async (now: Leading, state: string): Promise<void> => {
    for (const until = performance.now() + 20_000; now.core.job(JOB)?.state !== state && performance.now() < until;) await ports.clock.sleep(5)
    expect(now.core.job(JOB)?.state).toBe(state)
  }
  const first = begin(5, [])
  const handlers = jobHandlers(ports, async () => first)
  await handlers.submit({ plan: planOf(), bundle: bundle() })
  await comesTo(first, 'running')
  for (const _again of [1, 2]) {
    expect(await handlers.cancel(JOB, 'drain')).toEqual({ job: JOB, run: 1, state: 'draining' })
    expect(await readDefinition(ports.store, JOB)).toMatchObject({ desired: 'cancelled', drain: true, state: 'started' })
  }
  await expect(handlers.submit({ plan: planOf(), bundle: bundle() })).rejects.toMatchObject({ code: 'JOB_BUSY' })
  expect(await handlers.cancel(JOB, 'now')).toMatchObject({ run: 1 })
  expect(await readDefinition(ports.store, JOB)).toMatchObject({ desired: 'cancelled', drain: false })
  await comesTo(first, 'cancelled')
  expect(await handlers.cancel(JOB, 'drain')).toEqual({ job: JOB, run: 1, state: 'cancelled' })

  expect(await handlers.submit({ plan: planOf(), bundle: bundle() })).toMatchObject({ run: 2 })
  await comesTo(first, 'running')
  await updateDefinition(ports.store, first.leadership, JOB, 2, { state: 'failed' })
  const second = begin(6, [await loadJob(ports, JOB)])
  await expect(jobHandlers(ports, async () => second).cancel(JOB, 'drain')).rejects.toMatchObject({ code: 'JOB_NOT_DRAINABLE', hint: expect.stringContaining('--now') })
  await jobHandlers(ports, async () => second).cancel(JOB, 'now')
  await comesTo(second, 'cancelled')
})

const refused = (): TidemarkError => new TidemarkError('400 RequestTimeout', { code: 'STORE_REFUSED', blame: 'environment', action: 'fail-job' })
/** Of a leader that runs the job: an object store of which a test answers some calls by itself. */
const running = async (calls: (real: ObjectStore) => Partial<ObjectStore>) => {
  const ports = await memoryPorts()
  const own = { ...ports, store: instead<ObjectStore>(ports.store, calls(ports.store)) }
  const now = leads(own, 5)
  leading = now
  const handlers = jobHandlers(own, async () => now)
  const comesTo = async (state: string): Promise<void> => {
    for (const until = performance.now() + 20_000; now.core.job(JOB)?.state !== state && performance.now() < until;) await ports.clock.sleep(5)
    expect(now.core.job(JOB)?.state).toBe(state)
  }
  await handlers.submit({ plan: planOf(), bundle: bundle() })
  await comesTo('running')
  return { ports, handlers, now, comesTo }
}

test.each(['put', 'list'] as const)('cancel: the object store has the word, and then answers %s with an error → asked again, and the job is cancelled by this leader', async (call) => {
  let [armed, asked] = [false, 0]
  const { handlers, comesTo, ports } = await running((real) => ({
    put: async (key, body) => {
      await real.put(key, body)
      if (key !== paths.definition(JOB, 5) || !armed || call !== 'put') return
      armed = false
      asked += 1
      throw refused()
    },
    list: async (prefix) => {
      if (prefix !== paths.driverEpochPrefix || !armed || call !== 'list' || (await readDefinition(real, JOB))?.desired !== 'cancelled') return real.list(prefix)
      armed = false
      asked += 1
      throw refused()
    },
  }))
  armed = true
  expect(await handlers.cancel(JOB, 'now')).toMatchObject({ run: 1 })
  await comesTo('cancelled')
  expect([asked, (await readDefinition(ports.store, JOB))?.state]).toEqual([1, 'cancelled'])
})

test('cancel: the object store answers with an error before anything is sent → refused, and the job goes on, here and in what is stored', async () => {
  let armed = false
  const { handlers, now, ports } = await running((real) => ({ get: async (key) => {
    if (!armed || key !== paths.definition(JOB, 5)) return real.get(key)
    throw refused()
  } }))
  armed = true
  await expect(handlers.cancel(JOB, 'now')).rejects.toMatchObject({ code: 'STORE_REFUSED' })
  expect([now.core.job(JOB)?.state, (await readDefinition(ports.store, JOB))?.desired]).toEqual(['running', 'running'])
})

test('cancel: what is stored names another run than the one that is led → refused, instead of answered and not stored', async () => {
  const { handlers, now, ports } = await running(() => ({}))
  const before = await readDefinition(ports.store, JOB)
  await ports.store.put(paths.definition(JOB, 5), Buffer.from(JSON.stringify({ ...before, run: 2 })))
  await expect(handlers.cancel(JOB, 'now')).rejects.toMatchObject({ code: 'DRIVER_REPLACED' })
  expect(now.core.job(JOB)?.state).toBe('running')
})

test('drain: the leader is replaced before its word that the run is drained is stored → it ends nothing and deletes nothing, and the next one goes on with the drain', async () => {
  const { handlers, ports } = await running(() => ({}))
  await handlers.cancel(JOB, 'drain')
  const topics = await ports.log.listTopics()
  let jobs: readonly KnownJob[] | undefined
  const { store: real } = ports
  const late = { ...ports, store: instead<ObjectStore>(real, { put: async (key, body) => {
    if (key === paths.definition(JOB, 5) && jobs === undefined) {
      await real.putIfAbsent(paths.driverEpoch(6), Buffer.from('{}'))
      jobs = await loadJobs(ports, lead(6))
    }
    await real.put(key, body)
  } }) }
  await expect(cancelRun(late, lead(5), JOB, 1, { epoch: 5, counter: 100 }, 7)).rejects.toMatchObject({ code: 'DRIVER_NOT_LEADER' })
  expect(await ports.log.listTopics()).toEqual(topics)
  const next = leads(ports, 6, jobs ?? [])
  await ports.clock.sleep(100)
  expect(next.core.job(JOB)?.state).toBe('draining')
  next.end(undefined)
})

test.each(['before the run is ended', 'before its topics go'])('cancel: the next driver has its own word on the job %s → this one deletes nothing', async (when) => {
  const { ports } = await running(() => ({}))
  const before = await readDefinition(ports.store, JOB)
  const topics = await ports.log.listTopics()
  const { store: real, log } = ports
  const replaced = async (): Promise<void> => real.put(paths.definition(JOB, 6), Buffer.from(JSON.stringify({ ...before, epoch: 6 })))
  let ended = false
  const late = { ...ports, log: instead<Log>(log, {
    listTopics: () => (when === 'before the run is ended' ? replaced() : Promise.resolve()).then(() => log.listTopics()),
    describeTopics: (asked) => (when === 'before its topics go' ? replaced() : Promise.resolve()).then(() => log.describeTopics(asked)),
    session: (id) => {
      ended = true
      return log.session(id)
    },
  }) }
  await expect(cancelRun(late, lead(5), JOB, 1, { epoch: 5, counter: 100 })).rejects.toMatchObject({ code: 'DRIVER_REPLACED' })
  expect([await log.listTopics(), ended]).toEqual([topics, when === 'before its topics go'])
})

test('cancel: asked of a driver that was replaced and does not know it yet → it answers nothing from memory, neither that the job is cancelled nor that there is none', async () => {
  const { handlers, ports, comesTo } = await running(() => ({}))
  await handlers.cancel(JOB, 'now')
  await comesTo('cancelled')
  expect(await handlers.cancel(JOB, 'now')).toMatchObject({ state: 'cancelled' })
  await expect(handlers.cancel('others', 'now')).rejects.toMatchObject({ code: 'JOB_UNKNOWN' })
  await ports.store.putIfAbsent(paths.driverEpoch(6), Buffer.from('{}'))
  for (const name of [JOB, 'others']) await expect(handlers.cancel(name, 'now')).rejects.toMatchObject({ code: 'DRIVER_NOT_LEADER' })
})
