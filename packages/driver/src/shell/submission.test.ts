// What a submission leaves when the driver that takes it is replaced meanwhile, or the object store answers nothing for a while.
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { TidemarkError } from '@tidemark/base'
import type { JobId, ObjectStore } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import { instead } from '@tidemark/testkit'
import { files, generator, job, json, topic, topicSink } from 'tidemark'
import type { LogicalPlan } from 'tidemark'
import type { KnownJob } from '../core/protocol.ts'
import { bundle, JOB, lead, leads, memoryPorts, planOf, storeCheckpoint } from './cluster.sample.ts'
import type { TestPorts } from './cluster.sample.ts'
import { readDefinition, updateDefinition } from './definition.ts'
import { jobHandlers } from './job-handlers.ts'
import type { Leading } from './leading.ts'
import { loadJobs } from './load-jobs.ts'
import type { DriverPorts } from './ports.ts'
import { newestRun } from './start-run.ts'

let ports: TestPorts
let all: Leading[]
beforeEach(async () => {
  ports = await memoryPorts()
  all = []
})
afterEach(() => {
  for (const one of all) one.end(undefined)
})

const begin = (epoch: number, jobs: readonly KnownJob[], own: DriverPorts = ports, damaged?: ReadonlyMap<JobId, TidemarkError>): Leading => {
  const leading = leads(own, epoch, jobs, damaged)
  all.push(leading)
  return leading
}
const comesTo = async (leading: Leading, state: string): Promise<void> => {
  for (const until = performance.now() + 20_000; leading.core.job(JOB)?.state !== state && performance.now() < until;) await ports.clock.sleep(5)
  expect(leading.core.job(JOB)?.state).toBe(state)
}
/** The same store, whose calls a test may hold up, or answer by itself. */
const watched = (calls: Partial<ObjectStore>): DriverPorts => ({ ...ports, store: instead<ObjectStore>(ports.store, calls) })
/** Another driver leads, and has read the jobs, when the one before is about to put its definition. */
const replacedBeforeItsPut = (): { readonly ports: DriverPorts, readonly next: () => Leading, armed: boolean } => {
  let next: Leading | undefined
  const found = {
    armed: false,
    next: () => next ?? begin(6, []),
    ports: watched({
      put: async (key, body) => {
        if (found.armed && key === paths.definition(JOB, 5)) {
          found.armed = false
          await ports.store.putIfAbsent(paths.driverEpoch(6), Buffer.from('{}'))
          next = begin(6, await loadJobs(ports, lead(6)))
        }
        await ports.store.put(key, body)
      },
    }),
  }
  return found
}

test('submit: a restore of a driver that is replaced before its word is stored → it begins nothing, and the run of the present leader keeps its topics', async () => {
  const replaced = replacedBeforeItsPut()
  const first = begin(5, [], replaced.ports)
  const { submit } = jobHandlers(replaced.ports, async () => first)
  await submit({ plan: planOf(), bundle: bundle() })
  await comesTo(first, 'running')
  await storeCheckpoint(ports, 1, 1)
  const topics = await ports.log.listTopics()
  replaced.armed = true
  await expect(submit({ plan: planOf({ version: '2' }), bundle: bundle(), fromCheckpoint: 1 })).rejects.toMatchObject({ code: 'DRIVER_NOT_LEADER' })
  expect(first.core.job(JOB)?.run.record.run).toBe(1)
  expect(replaced.next().core.job(JOB)).toMatchObject({ state: 'running', run: { record: { run: 1 } } })
  expect(await ports.log.listTopics()).toEqual(topics)
  // Whoever reads what is stored goes on with run 1 as well.
  expect(await readDefinition(ports.store, JOB)).toMatchObject({ epoch: 6, run: 1 })
})

test('submit: a first submission of a driver that is replaced before its word is stored → the leaders to come know of no job; asked again it is taken', async () => {
  const replaced = replacedBeforeItsPut()
  const first = begin(5, [], replaced.ports)
  replaced.armed = true
  await expect(jobHandlers(replaced.ports, async () => first).submit({ plan: planOf(), bundle: bundle(), submissionId: 'a' })).rejects.toMatchObject({ code: 'DRIVER_NOT_LEADER' })
  expect(first.core.job(JOB)).toBeUndefined()
  expect(await loadJobs(ports, lead(7))).toEqual([])
  const next = replaced.next()
  expect(await jobHandlers(ports, async () => next).submit({ plan: planOf(), bundle: bundle(), submissionId: 'a' })).toMatchObject({ run: 2, outcome: 'created' })
  await comesTo(next, 'running')
})

test('submit: the object store answers nothing once the submission is accepted → the leader goes on with it when it does, and a cancel behind it is stored', async () => {
  let away = 0
  const own = watched({
    list: (prefix) => {
      if (away === 0 || prefix !== paths.statePrefix(JOB)) return ports.store.list(prefix)
      away -= 1
      throw new TidemarkError('it does not answer', { code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry' })
    },
  })
  const first = begin(5, [], own)
  const { submit, cancel } = jobHandlers(own, async () => first)
  await submit({ plan: planOf(), bundle: bundle() })
  await comesTo(first, 'running')
  await storeCheckpoint(ports, 1, 1)
  away = 2
  expect(await submit({ plan: planOf({ version: '2' }), bundle: bundle(), fromCheckpoint: 1 })).toMatchObject({ run: 2 })
  expect(away).toBe(0)
  await comesTo(first, 'running')
  expect(await cancel(JOB, 'now')).toMatchObject({ run: 2 })
  await comesTo(first, 'cancelled')
  expect(await loadJobs(ports, lead(6))).toEqual([expect.objectContaining({ state: 'cancelled' })])
})

test('submit: the present leader has its own word on a job → a start that one before it still has under way ends nothing and deletes nothing', async () => {
  const first = begin(5, [])
  const { submit } = jobHandlers(ports, async () => first)
  await submit({ plan: planOf(), bundle: bundle() })
  await comesTo(first, 'running')
  await storeCheckpoint(ports, 1, 1)
  const before = await readDefinition(ports.store, JOB)
  if (before === undefined) throw new TypeError('no definition')
  const topics = await ports.log.listTopics()
  // As if it had been read by the next one right before the restore was stored.
  const own = watched({ get: async (key) => (key === paths.run(JOB, 2) ? ports.store.put(paths.definition(JOB, 6), Buffer.from(JSON.stringify({ ...before, epoch: 6 }))).then(() => ports.store.get(key)) : ports.store.get(key)) })
  const late = begin(5, await loadJobs(ports, lead(5)), own)
  expect(await jobHandlers(own, async () => late).submit({ plan: planOf({ version: '2' }), bundle: bundle(), fromCheckpoint: 1 })).toMatchObject({ run: 2 })
  await ports.clock.sleep(100)
  expect(await ports.log.listTopics()).toEqual(topics)
})

test('submit: a restore of a job that is being cancelled → refused, and what is stored is that the job is cancelled', async () => {
  const first = begin(5, [])
  const { submit, cancel } = jobHandlers(ports, async () => first)
  await submit({ plan: planOf(), bundle: bundle() })
  await comesTo(first, 'running')
  await storeCheckpoint(ports, 1, 1)
  const [cancelled, restored] = await Promise.allSettled([cancel(JOB, 'now'), submit({ plan: planOf({ version: '2' }), bundle: bundle(), fromCheckpoint: 1 })])
  expect(cancelled).toMatchObject({ status: 'fulfilled', value: { run: 1 } })
  expect(restored).toMatchObject({ status: 'rejected', reason: { code: 'JOB_BUSY' } })
  await comesTo(first, 'cancelled')
  expect(await loadJobs(ports, lead(6))).toEqual([expect.objectContaining({ state: 'cancelled' })])
})

const readsFiles = (...paths: string[]): LogicalPlan => job('orders', { version: '2' }).source('in', files<string>(paths, { value: json(), timestamp: () => 1 })).sink('out', topicSink('out', { value: json() })).plan()
const generates = (name: string): LogicalPlan => job('orders', { version: '2' }).source(name, generator({ partitions: 2, perSecond: 1, make: (partition) => partition, timestamp: () => 1 })).sink('out', topicSink('out', { value: json() })).plan()
const readsTopic = (name: string): LogicalPlan => job('orders', { version: '2' }).source('in', topic<string>(name, { value: json() })).sink('out', topicSink('out', { value: json() })).plan()
const ofFile = (at: number) => ({ topic: ['/a', '/b'][at] ?? '', partition: 0 })
const ofGenerator = (partition: number) => ({ topic: 'ticks', partition })

test.each([
  ['another topic', readsTopic('in2'), undefined, 'n0 of stage s0 reads topic in2, in the checkpoint in'],
  ['its files in another order', readsFiles('/b', '/a'), ofFile, 'n0 of task s0-0 reads /b/0, in the checkpoint /a/0; n0 of task s0-1 reads /a/0, in the checkpoint /b/0'],
  ['files instead of a topic', readsFiles('/a', '/b'), undefined, 'n0 of task s0-0 reads /a/0, in the checkpoint in/0; n0 of task s0-1 reads /b/0, in the checkpoint in/1'],
  ['a generator of another name', generates('beats'), ofGenerator, 'n0 of task s0-0 reads beats/0, in the checkpoint ticks/0; n0 of task s0-1 reads beats/1, in the checkpoint ticks/1'],
] as const)('submit: a restore that reads %s for a source of the checkpoint → refused, and the job that runs goes on', async (_what, plan, at, says) => {
  const first = begin(5, [])
  const { submit } = jobHandlers(ports, async () => first)
  await submit({ plan: readsTopic('in'), bundle: bundle() })
  await comesTo(first, 'running')
  await storeCheckpoint(ports, 1, 1, at)
  await ports.log.createTopics([{ topic: 'in2', partitions: 2 }])
  await expect(submit({ plan, bundle: bundle(), fromCheckpoint: 1 })).rejects.toMatchObject({
    code: 'CHECKPOINT_INCOMPATIBLE', message: `checkpoint 1 does not fit: ${says}`, hint: expect.stringContaining('what each source reads'),
  })
  expect(first.core.job(JOB)).toMatchObject({ state: 'running', run: { record: { run: 1 } } })
  expect([await newestRun(ports, JOB), (await readDefinition(ports.store, JOB))?.run]).toEqual([1, 1])
})

test.each([
  ['the same files', readsFiles('/a', '/b'), ofFile],
  ['the same generator', generates('ticks'), ofGenerator],
  ['its topic, to which partitions were added', readsTopic('in'), undefined],
] as const)('submit: a restore that reads %s → taken', async (_what, plan, at) => {
  const first = begin(5, [])
  const { submit } = jobHandlers(ports, async () => first)
  await submit({ plan: readsTopic('in'), bundle: bundle() })
  await comesTo(first, 'running')
  await storeCheckpoint(ports, 1, 1, at)
  await ports.log.deleteTopics(['in'])
  await ports.log.createTopics([{ topic: 'in', partitions: 3 }])
  expect(await submit({ plan, bundle: bundle(), fromCheckpoint: 1 })).toMatchObject({ run: 2, outcome: 'restored' })
})

test('submit: the object store answers with errors of any kind behind the stored word → asked again: it is accepted, and begins', async () => {
  let [trouble, asked] = [false, 0]
  const times = new Map<string, number>()
  const answers = (prefix: string): void => {
    asked += 1
    if (!trouble) return
    const time = (times.get(prefix) ?? 0) + 1
    times.set(prefix, time)
    if (time % 2 === 1) throw new TidemarkError('400 RequestTimeout', { code: 'STORE_REFUSED', blame: 'environment', action: 'fail-job' })
  }
  const own = watched({
    put: async (key, body) => {
      await ports.store.put(key, body)
      if (key === paths.definition(JOB, 5)) trouble = true
    },
    list: async (prefix) => {
      if (prefix === paths.driverEpochPrefix || prefix === paths.statePrefix(JOB)) answers(prefix)
      return ports.store.list(prefix)
    },
  })
  const first = begin(5, [], own)
  const { submit } = jobHandlers(own, async () => first)
  expect(await submit({ plan: planOf(), bundle: bundle() })).toMatchObject({ run: 1 })
  await comesTo(first, 'running')
  expect(asked).toBeGreaterThanOrEqual(4)
})

test('restore: its word is stored, the answer lost, and the store answers with an error when it is asked again → it is accepted, and begins', async () => {
  let trouble = 0
  const own = watched({
    put: async (key, body) => {
      await ports.store.put(key, body)
      if (key !== paths.definition(JOB, 5) || trouble !== 1) return
      trouble = 2
      throw new TidemarkError('it does not answer', { code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry' })
    },
    list: async (prefix) => {
      if (prefix !== paths.definitionPrefix(JOB) || trouble !== 2) return ports.store.list(prefix)
      trouble = 3
      throw new TidemarkError('400 RequestTimeout', { code: 'STORE_REFUSED', blame: 'environment', action: 'fail-job' })
    },
  })
  const first = begin(5, [], own)
  const { submit } = jobHandlers(own, async () => first)
  await submit({ plan: planOf(), bundle: bundle() })
  await comesTo(first, 'running')
  await storeCheckpoint(ports, 1, 1)
  trouble = 1
  expect(await submit({ plan: planOf({ version: '2' }), bundle: bundle(), fromCheckpoint: 1 })).toMatchObject({ run: 2 })
  expect(trouble).toBe(3)
  await comesTo(first, 'running')
  expect([first.core.job(JOB)?.run.record.run, (await readDefinition(ports.store, JOB))?.run]).toEqual([2, 2])
})

test('restore: the object store is away when the topics of the run before are to go → they go when it is back', async () => {
  let away = 0
  const own = watched({
    get: async (key) => {
      // Only the clean-up reads the definition when the run has started.
      if (away > 0 && key === paths.definition(JOB, 5) && first.core.job(JOB)?.state === 'running') {
        away -= 1
        throw new TidemarkError('it does not answer', { code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry' })
      }
      return ports.store.get(key)
    },
  })
  const first = begin(5, [], own)
  const { submit } = jobHandlers(own, async () => first)
  await submit({ plan: planOf(), bundle: bundle() })
  await comesTo(first, 'running')
  await storeCheckpoint(ports, 1, 1)
  await submit({ plan: planOf({ version: '2' }), bundle: bundle(), fromCheckpoint: 1 })
  away = 1
  const left = async (): Promise<string[]> => (await ports.log.listTopics()).filter((topic) => topic.startsWith(`tidemark.${JOB}.1.`))
  for (const until = performance.now() + 20_000; (await left()).length > 0 && performance.now() < until;) await ports.clock.sleep(5)
  expect([await left(), away]).toEqual([[], 0])
})

test('load: the object store refuses one read → nobody leads without the job; asked again it is there, and its name is not free', async () => {
  const first = begin(5, [])
  await jobHandlers(ports, async () => first).submit({ plan: planOf(), bundle: bundle() })
  await comesTo(first, 'running')
  let once = true
  const own = watched({
    get: async (key) => {
      if (!once || key !== paths.run(JOB, 1)) return ports.store.get(key)
      once = false
      throw new TidemarkError('400 RequestTimeout', { code: 'STORE_REFUSED', blame: 'environment', action: 'fail-job' })
    },
  })
  await expect(loadJobs(own, lead(6))).rejects.toMatchObject({ code: 'STORE_REFUSED' })
  const next = begin(6, await loadJobs(own, lead(6)), own)
  expect(await jobHandlers(own, async () => next).submit({ plan: planOf(), bundle: bundle() })).toMatchObject({ run: 1, outcome: 'unchanged' })
})

test.each([['', false], ['{}', false], ['{}', true]])('load: the plan of a job is damaged (%j; it is drained: %j) → it is left out, others are not; its name is not free, `--from` takes it on', async (body, draining) => {
  const first = begin(5, [])
  await jobHandlers(ports, async () => first).submit({ plan: planOf(), bundle: bundle() })
  await comesTo(first, 'running')
  await storeCheckpoint(ports, 1, 1)
  const topics = await ports.log.listTopics()
  await ports.store.put(first.core.job(JOB)?.run.record.plan ?? '', Buffer.from(body))
  if (draining) await updateDefinition(ports.store, first.leadership, JOB, 1, { desired: 'cancelled', drain: true })
  const next = begin(6, await loadJobs(ports, lead(6)))
  expect(next.core.job(JOB)).toBeUndefined()
  const { submit } = jobHandlers(ports, async () => next)
  await expect(submit({ plan: planOf(), bundle: bundle() })).rejects.toMatchObject({ code: 'JOB_UNREADABLE', place: { job: JOB, run: 1 }, hint: expect.stringContaining('--from') })
  expect([await ports.log.listTopics(), await readDefinition(ports.store, JOB)]).toEqual([topics, expect.objectContaining({ run: 1, desired: draining ? 'cancelled' : 'running', epoch: 6 })])
  expect(await submit({ plan: planOf({ version: '2' }), bundle: bundle(), fromCheckpoint: 1 })).toMatchObject({ run: 2, outcome: 'restored' })
  await comesTo(next, 'running')
})

test.each([
  ['the definition', () => paths.definition(JOB, 5), 'JOB_DEFINITION_DAMAGED'], ['the run record', () => paths.run(JOB, 1), 'RUN_RECORD_INVALID'], ['the plan', (first: Leading) => first.core.job(JOB)?.run.record.plan ?? '', 'PLAN_INVALID'],
] as const)('load: %s of a job is damaged → the leader tells that it is there and why it goes without it, until `--from` takes it on', async (what, keyOf, code) => {
  const first = begin(5, [])
  await jobHandlers(ports, async () => first).submit({ plan: planOf(), bundle: bundle() })
  await comesTo(first, 'running')
  await storeCheckpoint(ports, 1, 1)
  await ports.store.put(keyOf(first), Buffer.from('{}'))
  const found = new Map<JobId, TidemarkError>()
  const next = begin(6, await loadJobs(ports, lead(6), (job, error) => found.set(job, error)), ports, found)
  const { cancel, damaged, describe, list, submit } = jobHandlers(ports, async () => next)
  expect([await list(), await damaged?.()]).toEqual([[], [{ job: JOB, error: expect.objectContaining({ code, message: expect.stringMatching(/./) }) }]])
  const refused = { code: 'JOB_UNREADABLE', place: { job: JOB }, message: expect.stringContaining(code), hint: expect.stringContaining('from a backup') }
  await expect(describe(JOB)).rejects.toMatchObject(refused)
  await expect(cancel(JOB, 'now')).rejects.toMatchObject(refused)
  await expect(describe('another')).rejects.toMatchObject({ code: 'JOB_UNKNOWN' })
  if (what !== 'the plan') return
  await submit({ plan: planOf({ version: '2' }), bundle: bundle(), fromCheckpoint: 1 })
  expect([await list(), await damaged?.()]).toEqual([[expect.objectContaining({ job: JOB, run: 2 })], []])
})

test.each(['is damaged', 'is gone'])('load: the run record of a job %s → `--from` is refused too, what is there is left alone', async (how) => {
  const first = begin(5, [])
  await jobHandlers(ports, async () => first).submit({ plan: planOf(), bundle: bundle() })
  await comesTo(first, 'running')
  await storeCheckpoint(ports, 1, 1)
  await jobHandlers(ports, async () => first).submit({ plan: planOf({ version: '2' }), bundle: bundle(), fromCheckpoint: 1 })
  await comesTo(first, 'running')
  const topics = await ports.log.listTopics()
  if (how === 'is gone') await ports.store.delete([paths.run(JOB, 2)])
  else await ports.store.put(paths.run(JOB, 2), Buffer.from('{}'))
  const next = begin(6, await loadJobs(ports, lead(6)))
  await expect(jobHandlers(ports, async () => next).submit({ plan: planOf({ version: '3' }), bundle: bundle(), fromCheckpoint: 1 })).rejects.toMatchObject({ code: how === 'is gone' ? 'STORE_NOT_FOUND' : 'RUN_RECORD_INVALID' })
  expect([await ports.log.listTopics(), await readDefinition(ports.store, JOB)]).toEqual([topics, expect.objectContaining({ run: 2, desired: 'running', epoch: 6 })])
})

test('a driver that was replaced and does not know it → it refuses nothing by what it remembers', async () => {
  const first = begin(5, [])
  const { submit } = jobHandlers(ports, async () => first)
  await submit({ plan: planOf(), bundle: bundle() })
  await comesTo(first, 'running')
  await expect(submit({ plan: planOf({ version: '2' }), bundle: bundle() })).rejects.toMatchObject({ code: 'JOB_EXISTS' })
  await ports.store.putIfAbsent(paths.driverEpoch(6), Buffer.from('{}'))
  await expect(submit({ plan: planOf({ version: '2' }), bundle: bundle() })).rejects.toMatchObject({ code: 'DRIVER_NOT_LEADER' })
})

test('submit: a word of a replaced driver came behind the back of the leader → nobody began that, and the name is free', async () => {
  const next = begin(6, await loadJobs(ports, lead(6)))
  await ports.store.put(paths.definition(JOB, 5), Buffer.from(JSON.stringify({ formatVersion: 1, job: JOB, run: 1, desired: 'running', state: 'new', submittedAt: 1, epoch: 5 })))
  expect(await jobHandlers(ports, async () => next).submit({ plan: planOf(), bundle: bundle() })).toMatchObject({ outcome: 'created' })
  await comesTo(next, 'running')
})

test('submit: what is stored of the accepted job is answered with errors that last → the submission ends with the leadership, and the next leader begins it', async () => {
  let asked = 0
  const own = watched({
    list: async (prefix) => {
      if (prefix !== paths.statePrefix(JOB)) return ports.store.list(prefix)
      asked += 1
      if (asked === 2) await ports.store.putIfAbsent(paths.driverEpoch(6), Buffer.from('{}'))
      throw new TidemarkError('400 RequestTimeout', { code: 'STORE_REFUSED', blame: 'environment', action: 'fail-job' })
    },
  })
  const first = begin(5, [], own)
  await expect(jobHandlers(own, async () => first).submit({ plan: planOf(), bundle: bundle(), submissionId: 'a' })).rejects.toMatchObject({ code: 'DRIVER_NOT_LEADER' })
  expect(asked).toBe(2)
  const next = begin(6, await loadJobs(ports, lead(6)))
  expect(await jobHandlers(ports, async () => next).submit({ plan: planOf(), bundle: bundle(), submissionId: 'a' })).toMatchObject({ run: 1, outcome: 'created' })
  await comesTo(next, 'running')
})
