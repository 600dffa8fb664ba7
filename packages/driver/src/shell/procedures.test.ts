// Submit, start, end, restore and cancel over ports in memory.
import { beforeEach, describe, expect, test } from '@jest/globals'
import { parseRun, paths, RecordAssembler } from '@tidemark/checkpoint'
import type { JournalRecord } from '@tidemark/checkpoint'
import { TidemarkError, transactionalId } from '@tidemark/base'
import type { Log, ObjectStore, TransactionalId } from '@tidemark/base'
import { instead } from '@tidemark/testkit'
import type { JobState } from '@tidemark/wire'
import { bundle, JOB, lead, memoryPorts, planOf, PlayedOwner, storeCheckpoint } from './cluster.sample.ts'
import type { TestPorts } from './cluster.sample.ts'
import { readDefinition, updateDefinition, writeDefinition } from './definition.ts'
import { endRun } from './end-run.ts'
import { loadJobs } from './load-jobs.ts'
import type { DriverPorts } from './ports.ts'
import { cancelRun, newestRun, readRun, startRun } from './start-run.ts'
import { submit } from './submit.ts'

let ports: TestPorts
const leader = lead(5)
const generation = { epoch: 5, counter: 1 }
beforeEach(async () => {
  ports = await memoryPorts()
})
/** `state`: in which the leader leads the newest run; undefined: it knows of none. */
const send = async (over: { readonly version?: string, readonly input?: string, readonly output?: string, readonly from?: number, readonly id?: string } = {}, state: JobState | undefined = undefined) => {
  const run = await newestRun(ports, JOB)
  return submit(ports, leader, { plan: planOf(over), bundle: bundle(), ...(over.from === undefined ? {} : { fromCheckpoint: over.from }), ...(over.id === undefined ? {} : { submissionId: over.id }) }, () => state === undefined ? undefined : { run, state })
}

const journal = async (run: number, partition: number): Promise<JournalRecord[]> => {
  const reader = ports.log.reader()
  const assembler = new RecordAssembler()
  const [fetched] = await reader.fetch([{ topic: paths.journalTopic(JOB, run, 's0'), partition, offset: 0, maxBytes: 1e6 }], { isolation: 'committed', maxWaitMs: 0 })
  return (fetched?.records ?? []).flatMap(({ value, offset }) => (value ? assembler.push(value, offset)?.record : undefined) ?? [])
}
const topicsLeft = async (): Promise<string[]> => (await ports.log.listTopics()).filter((topic) => topic.startsWith('tidemark.')).toSorted()
const store = (run: number, checkpoint: number): Promise<void> => storeCheckpoint(ports, run, checkpoint)

describe('submit', () => {
  test('a first time → bundle, plan, run record and definition are stored before the answer', async () => {
    const { answer, run } = await send()
    expect(answer).toMatchObject({ job: JOB, run: 1, outcome: 'created', notes: expect.arrayContaining(['run 1 starts empty', 'made the dead letter topic orders.dead-letters']) })
    const record = parseRun(await ports.store.get(paths.run(JOB, 1)), 'run')
    expect(record).toEqual(run?.record)
    expect(record.stages).toEqual([{ stage: 's0', partitions: 2, inputs: [expect.objectContaining({ kind: 'topic', topic: 'in', partitions: 2 })] }])
    expect((await ports.store.get(record.bundle.key)).equals(bundle())).toBe(true)
    expect(await readDefinition(ports.store, JOB)).toMatchObject({ run: 1, desired: 'running', state: 'new', epoch: 5 })
  })
  test('topics that are missing → all named with their paths, nothing stored', async () => {
    await expect(send({ input: 'nowhere', output: 'nor-here' })).rejects.toMatchObject({ code: 'PLAN_INVALID', details: { problems: [
      expect.objectContaining({ path: 'nodes.source:in.topic', code: 'PLAN_TOPIC_MISSING' }), expect.objectContaining({ path: 'nodes.sink:out.topic', code: 'PLAN_TOPIC_MISSING' }),
    ] } })
    expect(await ports.store.list('jobs/')).toEqual([])
  })
  test('topics that are missing, one of them a letter or two off from one that is there → that one is named; a topic of a run, or one farther off, is not', async () => {
    const messages = async (input: string, own: DriverPorts = ports): Promise<unknown> => {
      const error: unknown = await submit(own, leader, { plan: planOf({ input, output: 'nor-here' }), bundle: bundle() }, () => undefined).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'PLAN_INVALID', details: { problems: [{ code: 'PLAN_TOPIC_MISSING' }, { code: 'PLAN_TOPIC_MISSING' }] } })
      return (error as { readonly details: { readonly problems: readonly { readonly message: string }[] } }).details.problems.map(({ message }) => message)
    }
    await ports.log.createTopics([{ topic: 'payments', partitions: 1 }, { topic: paths.journalTopic(JOB, 1, 's0'), partitions: 1 }])
    const not = (topic: string, meant = '') => `topic ${topic} does not exist in ${ports.log.name}${meant}`
    expect(await messages('paymnets')).toEqual([not('paymnets', ': did you mean payments?'), not('nor-here')])
    expect(await messages('Payments')).toEqual([not('Payments', ': did you mean payments?'), not('nor-here')])
    expect(await messages('payment-log')).toEqual([not('payment-log'), not('nor-here')])
    const silent = { ...ports, log: instead<Log>(ports.log, { listTopics: () => Promise.reject(new TidemarkError('away', { code: 'LOG_UNAVAILABLE', blame: 'environment', action: 'retry' })) }) }
    expect(await messages('paymnets', silent)).toEqual([not('paymnets'), not('nor-here')])
  })
  test.each(['compact', 'compact,delete'])('a topic of dead letters with cleanup.policy=%s → refused before anything is stored: it takes none without a key, and keeps one of each; a job that puts none there is taken', async (policy) => {
    await ports.log.createTopics([{ topic: 'orders.dead-letters', partitions: 1, config: { 'cleanup.policy': policy } }])
    await expect(send({ input: 'missing' })).rejects.toMatchObject({ code: 'PLAN_INVALID', details: { problems: [
      expect.objectContaining({ code: 'PLAN_TOPIC_MISSING' }), { path: 'settings.deadLetterTopic', code: 'PLAN_TOPIC_COMPACTED', message: expect.stringMatching(/^topic orders\.dead-letters is compacted: .* cleanup\.policy to delete$/) },
    ] } })
    expect(await ports.store.list('jobs/')).toEqual([])
    const plan = planOf()
    expect(await submit(ports, leader, { plan: { ...plan, settings: { ...plan.settings, onError: 'skip' } }, bundle: bundle() }, () => undefined)).toMatchObject({ answer: { outcome: 'created' } })
  })
  test('the same again → unchanged', async () => {
    await send()
    expect(await send({}, 'running')).toMatchObject({ answer: { run: 1, outcome: 'unchanged' }, run: undefined })
  })
  test('other content under the same name → refused with the way out: one that runs is drained first, so that nothing is put out twice', async () => {
    await send()
    await store(1, 3)
    await expect(send({ version: '2' }, 'running')).rejects.toMatchObject({ code: 'JOB_EXISTS', hint: expect.stringMatching(/^Go on with its state: `tidemark cancel orders`, which prints a number, then `tidemark submit <job file> --from <number>` .*Begin empty: `tidemark cancel orders --now` first\./) })
  })
  test.each(['failed', 'ended'] as const)('other content under the name of a job that has %s → the way out is its newest checkpoint, where it has one; to begin empty it is cancelled without a drain, which would be refused', async (state) => {
    await send()
    const empty = 'Begin empty: `tidemark cancel orders --now` first. Run both: give this one another name.'
    await expect(send({ version: '2' }, state)).rejects.toMatchObject({ code: 'JOB_EXISTS', hint: empty })
    await store(1, 3)
    await store(1, 4)
    await expect(send({ version: '2' }, state)).rejects.toMatchObject({ code: 'JOB_EXISTS', hint: `Go on with its state: \`tidemark submit <job file> --from 4\`. ${empty}` })
  })
  test('while it is cancelled → busy; after that → the next run, empty', async () => {
    await send()
    await expect(send({}, 'cancelling')).rejects.toMatchObject({ code: 'JOB_BUSY' })
    expect(await send({ version: '2' }, 'cancelled')).toMatchObject({ answer: { run: 2, outcome: 'created' } })
  })
  test('from a checkpoint that does not exist → refused', async () => {
    await send()
    await expect(send({ from: 9 }, 'running')).rejects.toMatchObject({ code: 'CHECKPOINT_UNKNOWN' })
  })
  test('from a checkpoint → the next run names a copy of its manifest that is its own', async () => {
    await send()
    await store(1, 3)
    const { answer } = await send({ from: 3, version: '2' }, 'running')
    expect(answer).toMatchObject({ run: 2, outcome: 'restored' })
    const { from } = await readRun(ports, JOB, 2)
    expect(from).toEqual({ run: 1, checkpoint: 3, manifest: expect.stringMatching(/^jobs\/orders\/origins\/2\/[0-9a-f]{64}\.json$/) })
    expect(await ports.store.get(from?.manifest ?? '')).toEqual(await ports.store.get(paths.manifest(JOB, 3)))
  })
  test('the answer was lost and the client submits again, by the same id → no second run, a restore neither, even when it was cancelled since; another id is another submission', async () => {
    expect(await send({ id: 'a' })).toMatchObject({ answer: { run: 1, outcome: 'created' } })
    expect(await send({ id: 'a' }, 'failed')).toMatchObject({ answer: { run: 1, outcome: 'created' }, run: undefined })
    await store(1, 3)
    expect(await send({ from: 3, id: 'b' }, 'running')).toMatchObject({ answer: { run: 2, outcome: 'restored' } })
    for (const state of ['restoring', 'running', 'cancelled'] as const) expect(await send({ from: 3, id: 'b' }, state)).toMatchObject({ answer: { run: 2, outcome: 'restored' }, run: undefined })
    expect(await send({ from: 3, id: 'c' }, 'running')).toMatchObject({ answer: { run: 3, outcome: 'restored' } })
    await expect(send({ id: 'x'.repeat(101) })).rejects.toMatchObject({ code: 'JOB_SUBMISSION_ID', place: { path: 'header.submission_id' } })
  })
  test('stored by a leader that was replaced, behind the back of this one, and submitted again by the same id → begun, as a run of its own', async () => {
    await submit(ports, lead(4), { plan: planOf(), bundle: bundle(), submissionId: 'a' }, () => undefined)
    const { answer, run } = await send({ id: 'a' })
    expect(answer).toMatchObject({ run: 2, outcome: 'created' })
    expect(run?.record).toMatchObject({ run: 2, submissionId: 'a' })
  })
  test('from a checkpoint whose input retention has removed → refused with the range', async () => {
    await send()
    await store(1, 3)
    await ports.log.write([{ topic: 'in', partition: 1, records: [1, 2, 3].map((n) => ({ key: null, value: String(n) })) }])
    await ports.log.trim('in', 1, 2)
    await expect(send({ from: 3 }, 'running')).rejects.toMatchObject({ code: 'CHECKPOINT_INPUT_GONE', details: { gaps: [{ topic: 'in', partition: 1, from: 0, to: 2 }] } })
  })
})

describe('a run record without a definition that names it', () => {
  test('a driver died between the two, and whoever submitted went away → the next ones go on with the run before, also when that is cancelled', async () => {
    await send()
    const definition = await readDefinition(ports.store, JOB)
    if (definition === undefined) throw new TypeError('no definition')
    await store(1, 1)
    await send({ from: 1, version: '2' }, 'running')
    await writeDefinition(ports.store, definition)
    expect((await loadJobs(ports, lead(6)))[0]).toMatchObject({ run: { record: { run: 1 } } })
    await updateDefinition(ports.store, lead(6), JOB, 1, { desired: 'cancelled' })
    expect((await loadJobs(ports, lead(7)))[0]).toMatchObject({ state: 'cancelling', run: { record: { run: 1 } } })
  })
  test('of a first submission → there is no such job; asked again it is run 2', async () => {
    await send()
    await ports.store.delete((await ports.store.list(paths.definitionPrefix(JOB))).map(({ key }) => key))
    expect(await loadJobs(ports, lead(6))).toEqual([])
    expect(await send()).toMatchObject({ answer: { run: 2, outcome: 'created' } })
  })
  test('the object store answers nothing when the definition is to be written → written when it does, then answered; a later leader has written its own → refused', async () => {
    let away = 3
    const real = ports.store
    const store: ObjectStore = Object.assign(Object.create(real) as ObjectStore, {
      get: (key: string) => real.get(key), list: (prefix: string) => real.list(prefix), putIfAbsent: (key: string, body: Uint8Array) => real.putIfAbsent(key, body), delete: (keys: readonly string[]) => real.delete(keys),
      put: async (key: string, body: Uint8Array) => {
        if (paths.parseDefinition(key) === undefined || away === 0) return real.put(key, body)
        away -= 1
        // Done, and not told.
        if (away === 1) await real.put(key, body)
        throw new TidemarkError('it does not answer', { code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry' })
      },
    })
    expect(await submit({ ...ports, store }, leader, { plan: planOf({}), bundle: bundle() }, () => undefined)).toMatchObject({ answer: { run: 1, outcome: 'created' } })
    expect(await readDefinition(ports.store, JOB)).toMatchObject({ run: 1, desired: 'running', state: 'new' })
    await writeDefinition(ports.store, { formatVersion: 1, job: JOB, run: 1, desired: 'running', state: 'new', submittedAt: 0, epoch: 9 })
    await expect(send({ version: '2' }, 'cancelled')).rejects.toMatchObject({ code: 'DRIVER_REPLACED' })
  })
})

describe('end of a run (C3)', () => {
  const begin = async (): Promise<void> => {
    await send()
    await startRun(ports, leader, JOB, 1, generation, false)
  }
  test('tasks with and without an owner → each journal ends with an ended record, the owner can commit no more', async () => {
    await begin()
    const owner = new PlayedOwner(ports.log, 1, 'slot-a', { epoch: 4, counter: 9 })
    await owner.session.initialise()
    await owner.claim(0)
    await owner.commit(0, 1)
    await endRun(ports, leader, await readRun(ports, JOB, 1), generation)
    expect((await journal(1, 0)).map(({ kind }) => kind)).toEqual(['claim', 'commit', 'ended'])
    expect((await journal(1, 1)).map(({ kind }) => kind)).toEqual(['ended'])
    await expect(owner.commit(0, 2)).rejects.toMatchObject({ code: 'LOG_FENCED' })
  })
  test('an owner with an open transaction → aborted by the fence, nothing of it is seen behind the end', async () => {
    await begin()
    const owner = new PlayedOwner(ports.log, 1, 'slot-a', { epoch: 4, counter: 9 })
    await owner.session.initialise()
    await owner.claim(0)
    await owner.append(0, 1)
    await endRun(ports, leader, await readRun(ports, JOB, 1), generation)
    expect((await journal(1, 0)).map(({ kind }) => kind)).toEqual(['claim', 'ended'])
  })
  test('a claimant whose claim is still open is in no journal yet (R8) → found by an uncommitted read and fenced', async () => {
    await begin()
    const owner = new PlayedOwner(ports.log, 1, 'slot-b', { epoch: 4, counter: 9 })
    await owner.session.initialise()
    await owner.append(0, 1)
    await endRun(ports, leader, await readRun(ports, JOB, 1), generation)
    expect((await journal(1, 0)).map(({ kind }) => kind)).toEqual(['ended'])
    await expect(owner.session.commit()).rejects.toMatchObject({ code: 'LOG_FENCED' })
  })
  test('a task was given out at a higher generation → it gives up before it fences anybody (R2)', async () => {
    await begin()
    const owner = new PlayedOwner(ports.log, 1, 'slot-a', { epoch: 6, counter: 1 })
    await owner.session.initialise()
    await owner.claim(0)
    await expect(endRun(ports, leader, await readRun(ports, JOB, 1), generation)).rejects.toMatchObject({ code: 'DRIVER_REPLACED', action: 'retry' })
    await owner.commit(0, 1)
  })
  test('again, by the same driver and by a later one → ended all the same', async () => {
    await begin()
    const record = await readRun(ports, JOB, 1)
    await endRun(ports, leader, record, generation)
    await endRun(ports, leader, record, { epoch: 5, counter: 2 })
    await endRun(ports, lead(6), record, { epoch: 6, counter: 1 })
    expect(new Set((await journal(1, 1)).map(({ kind }) => kind))).toEqual(new Set(['ended']))
  })
  /** Ports whose log first does this whenever a journal is about to be read. */
  const disturbed = (disturb: () => Promise<void>): TestPorts => {
    const reader = ports.log.reader()
    const log = Object.assign(Object.create(ports.log) as object, {
      describeTopics: (topics: readonly string[]) => ports.log.describeTopics(topics), offsets: (topic: string) => ports.log.offsets(topic), session: (id: TransactionalId) => ports.log.session(id), fence: (id: TransactionalId) => ports.log.fence(id),
      reader: () => ({ fetch: async (...asked: Parameters<typeof reader.fetch>) => {
        await disturb()
        return reader.fetch(...asked)
      }, close: () => reader.close() }),
    }) as TestPorts['log']
    return { ...ports, log }
  }
  test('its topics are deleted while it is ended, by a driver that was faster → to be tried again, and then it is over', async () => {
    await begin()
    const record = await readRun(ports, JOB, 1)
    await expect(endRun(disturbed(() => ports.log.deleteTopics([paths.journalTopic(JOB, 1, 's0')])), leader, record, generation)).rejects.toMatchObject({ code: 'RUN_CHANGED_WHILE_ENDED', action: 'retry' })
    expect((await endRun(ports, leader, record, generation)).missing).toHaveLength(1)
  })

  test('a journal is trimmed by its owner while it is about to be read → to be tried again, and then it is ended', async () => {
    await begin()
    const record = await readRun(ports, JOB, 1)
    const owner = new PlayedOwner(ports.log, 1, 'slot-a', { epoch: 4, counter: 9 })
    await owner.session.initialise()
    await owner.claim(0)
    await owner.commit(0, 1)
    await expect(endRun(disturbed(() => ports.log.trim(paths.journalTopic(JOB, 1, 's0'), 0, 2)), leader, record, generation)).rejects.toMatchObject({ code: 'RUN_CHANGED_WHILE_ENDED', action: 'retry' })
    await endRun(ports, leader, record, { epoch: 5, counter: 2 })
    await expect(owner.commit(0, 2)).rejects.toMatchObject({ code: 'LOG_FENCED' })
  })

  test('a journal that is gone → ended before', async () => {
    await begin()
    await ports.log.deleteTopics([paths.journalTopic(JOB, 1, 's0')])
    expect(await endRun(ports, leader, await readRun(ports, JOB, 1), generation)).toEqual({ missing: [paths.journalTopic(JOB, 1, 's0')] })
  })
})

describe('restore and cancel', () => {
  test('restore → run 1 is ended, run 2 is ready, only then run 1 loses its topics; output is told', async () => {
    await send()
    await startRun(ports, leader, JOB, 1, generation, false)
    await store(1, 3)
    await send({ from: 3 }, 'running')
    await ports.log.write([{ topic: 'out', partition: 0, records: [{ key: null, value: 'x' }, { key: null, value: 'y' }] }])
    const ready = await startRun(ports, leader, JOB, 2, { epoch: 5, counter: 2 }, false)
    expect(ready.notes).toEqual(['output of out/0 in [0, 2) was written after checkpoint 3 and is not called back'])
    expect(await topicsLeft()).toEqual([paths.journalTopic(JOB, 1, 's0'), paths.journalTopic(JOB, 2, 's0')])
    expect((await journal(1, 0)).at(-1)?.kind).toBe('ended')
    await ready.cleanUp()
    expect(await topicsLeft()).toEqual([paths.journalTopic(JOB, 2, 's0')])
    expect(await readDefinition(ports.store, JOB)).toMatchObject({ run: 2, state: 'started' })
  })
  test('restore, output topics with many partitions → all that have something behind the checkpoint are asked at once; told of are those with a record, and those that do not answer or are refused', async () => {
    await ports.log.createTopics([{ topic: 'wide', partitions: 5 }])
    await send()
    await startRun(ports, leader, JOB, 1, generation, false)
    await store(1, 3)
    const manifest = JSON.parse((await ports.store.get(paths.manifest(JOB, 3))).toString()) as Record<string, unknown>
    const outputs = [{ topic: 'out', partition: 0, next: 0 }, ...[0, 1, 2, 3, 4].map((partition) => ({ topic: 'wide', partition, next: partition === 3 ? 1 : 0 }))]
    await ports.store.put(paths.manifest(JOB, 3), Buffer.from(JSON.stringify({ ...manifest, outputs })))
    await send({ from: 3 }, 'running')
    const session = ports.log.session(transactionalId('undone'))
    await session.initialise()
    await session.append([0, 1].map((partition) => ({ topic: 'wide', partition, records: [{ key: null, value: 'x' }] })))
    await ports.log.fence(transactionalId('undone'))
    // Behind what was taken back there is a record in 1; in 2 nothing answers; in 3 the one record was there before; 4 can't be read.
    await ports.log.write([1, 2, 3, 4].map((partition) => ({ topic: 'wide', partition, records: [{ key: null, value: 'y' }] })))
    const asked: string[][] = []
    const silent = instead<Log>(ports.log, {
      reader: () => instead(ports.log.reader(), {
        fetch: (wanted, options) => {
          asked.push(wanted.map(({ topic, partition }) => `${topic}/${partition}`))
          if (wanted.some(({ topic, partition }) => topic === 'wide' && partition === 4)) return Promise.reject(new TidemarkError('trimmed', { code: 'LOG_OUT_OF_RANGE', blame: 'environment', action: 'fail-job', topic: 'wide', partition: 4 }))
          return ports.log.reader().fetch(wanted.filter(({ topic, partition }) => topic !== 'wide' || partition !== 2), options)
        },
      }),
    })
    const { notes } = await startRun({ ...ports, log: silent }, leader, JOB, 2, { epoch: 5, counter: 2 }, false)
    expect(notes.map((note) => note.replace(/ in \[.*/, ''))).toEqual(['output of wide/1', 'output of wide/2', 'output of wide/4'])
    expect(asked.filter((topics) => topics[0]?.startsWith('wide'))[0]).toEqual(['wide/0', 'wide/1', 'wide/2', 'wide/4'])
    expect(asked.flat()).not.toContain('out/0')
  })
  test('restore, behind the checkpoint only what ended transactions or was taken back → no output is told of', async () => {
    await send()
    await startRun(ports, leader, JOB, 1, generation, false)
    await store(1, 3)
    await send({ from: 3 }, 'running')
    const session = ports.log.session(transactionalId('undone'))
    await session.initialise()
    await session.append([{ topic: 'out', partition: 0, records: [{ key: null, value: 'x' }] }])
    await ports.log.fence(transactionalId('undone'))
    expect((await ports.log.offsets('out', [0]))[0]?.end).toBeGreaterThan(0)
    expect((await startRun(ports, leader, JOB, 2, { epoch: 5, counter: 2 }, false)).notes).toEqual([])
  })
  test('cancel → ended, topics gone, checkpoints kept, definition says so', async () => {
    await send()
    await startRun(ports, leader, JOB, 1, generation, false)
    await store(1, 3)
    await cancelRun(ports, leader, JOB, 1, { epoch: 5, counter: 2 })
    expect(await topicsLeft()).toEqual([])
    expect(await readDefinition(ports.store, JOB)).toMatchObject({ desired: 'cancelled', state: 'cancelled' })
    expect((await loadJobs(ports, leader)).map(({ state, checkpoints }) => ({ state, checkpoints: checkpoints.map(({ checkpoint }) => checkpoint) }))).toEqual([{ state: 'cancelled', checkpoints: [3] }])
  })
  test('a started run whose journal somebody deleted → refused, never made anew empty', async () => {
    await send()
    await startRun(ports, leader, JOB, 1, generation, false)
    await ports.log.deleteTopics([paths.journalTopic(JOB, 1, 's0')])
    await expect(startRun(ports, leader, JOB, 1, generation, true)).rejects.toMatchObject({ code: 'RUN_TOPICS_GONE', action: 'fail-job' })
  })
})

describe('a new driver', () => {
  test('finds jobs as they were left: started, or being cancelled', async () => {
    await send()
    await startRun(ports, leader, JOB, 1, generation, false)
    expect(await loadJobs(ports, leader)).toEqual([expect.objectContaining({ state: 'started', checkpointNumber: 0 })])
    await updateDefinition(ports.store, leader, JOB, 1, { desired: 'cancelled' })
    expect(await loadJobs(ports, leader)).toEqual([expect.objectContaining({ state: 'cancelling' })])
  })
  test('an old leader writes a definition behind a later one → refused', async () => {
    await send()
    const before = await readDefinition(ports.store, JOB)
    if (!before) throw new Error('no definition')
    await writeDefinition(ports.store, { ...before, epoch: 9 })
    await expect(updateDefinition(ports.store, leader, JOB, 1, { state: 'failed' })).rejects.toMatchObject({ code: 'DRIVER_REPLACED' })
  })
  test('an old leader stood still in the middle of writing a definition, and writes it when the next one leads → nobody reads it', async () => {
    await send()
    const [stops, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const real = ports.store
    const slow = Object.assign(Object.create(real) as ObjectStore, {
      put: async (key: string, body: Uint8Array) => {
        stops.resolve()
        await goesOn.promise
        await real.put(key, body)
      },
      list: (prefix: string) => real.list(prefix), get: (key: string) => real.get(key), delete: (keys: readonly string[]) => real.delete(keys),
    })
    const late = updateDefinition(slow, leader, JOB, 1, { desired: 'cancelled' })
    await stops.promise
    expect(await loadJobs(ports, lead(9))).toEqual([expect.objectContaining({ state: 'new' })])
    goesOn.resolve()
    await late
    expect(await readDefinition(ports.store, JOB)).toMatchObject({ epoch: 9, desired: 'running' })
    expect(await loadJobs(ports, lead(10))).toEqual([expect.objectContaining({ state: 'new' })])
    expect((await ports.store.list(paths.definitionPrefix(JOB))).map(({ key }) => key)).toEqual([paths.definition(JOB, 10)])
  })
})
