// Jobs over their lives, driver restarts and checkpoints, on virtual time.
import { describe, expect, test } from '@jest/globals'
import { executorId, jobId, stageId } from '@tidemark/base'
import type { SnapshotRef } from '@tidemark/checkpoint'
import type { ErrorMessage } from '@tidemark/wire'
import { Cluster, known, ofKind, runRecord } from './cluster.sample.ts'
import { canMove, transition } from './lifecycle.ts'

const JOB = jobId('orders')
const withJob = (record = runRecord()): Cluster => {
  const cluster = new Cluster()
  cluster.join('a')
  cluster.start(record)
  cluster.runs('a')
  return cluster
}
const error = (action: string): ErrorMessage => ({ code: 'LOG_UNAVAILABLE', message: 'no broker answers', blame: 'environment', action })
const stateOf = (cluster: Cluster) => cluster.core.list(cluster.now)[0]

describe('lifecycle', () => {
  test('an illegal move → throws with both values', () => {
    expect(canMove('cancelled', 'ready')).toBe(false)
    expect(() => transition(JOB, 'cancelled', 'ready')).toThrow(/cancelled: "ready" is no legal move/)
  })
  test('submitted → its topics are made first, tasks are given out only after that', () => {
    const cluster = new Cluster()
    cluster.join('a')
    const commands = cluster.event({ kind: 'job-known', job: known(runRecord()) })
    expect(ofKind(commands, 'start-run')).toEqual([expect.objectContaining({ run: 1, started: false })])
    expect(cluster.tasksOn('a')).toEqual([])
    expect(stateOf(cluster)?.state).toBe('starting')
    cluster.event({ kind: 'run-ready', job: JOB, run: 1, notes: [] })
    expect(cluster.tasksOn('a')).toHaveLength(4)
  })
  test('described → the checkpoint it began from, in words and as a value; begun empty → no value', () => {
    const origin = (record = runRecord()) => withJob(record).core.describe(JOB, 20_000)
    expect(origin(runRecord({ run: 3, from: { checkpoint: 7, run: 2, manifest: 'm' } }))).toMatchObject({ startedFrom: 'checkpoint 7 of run 2', origin: { checkpoint: 7, run: 2 } })
    expect(origin()).toMatchObject({ startedFrom: 'empty' })
    expect(origin()).not.toHaveProperty('origin')
  })
  test('the log is away at the start → tried again, and the job says why', () => {
    const cluster = new Cluster()
    cluster.event({ kind: 'job-known', job: known(runRecord()) })
    cluster.event({ kind: 'procedure-failed', job: JOB, run: 1, error: error('retry') })
    expect(stateOf(cluster)).toMatchObject({ state: 'starting', reason: 'LOG_UNAVAILABLE: no broker answers; it is tried again' })
    const again = ofKind(cluster.pass(1_050), 'start-run')
    expect(again).toHaveLength(1)
    expect(again[0]?.generation.counter).toBe(2)
  })
  test('the start is refused → failed, and that is recorded', () => {
    const cluster = new Cluster()
    cluster.event({ kind: 'job-known', job: known(runRecord()) })
    const commands = cluster.event({ kind: 'procedure-failed', job: JOB, run: 1, error: error('fail-job') })
    expect(ofKind(commands, 'record-failure')).toHaveLength(1)
    expect(stateOf(cluster)?.state).toBe('failed')
  })
  test('a task fails for good → the job fails, every owner is told, nothing is given out any more', () => {
    const cluster = withJob()
    const [task] = cluster.tasksOn('a')
    const commands = cluster.says('a', { kind: 'failed', task: task?.ref as never, generation: task?.generation as never, error: error('fail-job') })
    expect(cluster.told('a', 'revoke', commands).flatMap(({ tasks }) => tasks)).toHaveLength(3)
    expect(stateOf(cluster)).toMatchObject({ state: 'failed', reason: 'no broker answers' })
    expect(cluster.told('a', 'assign', cluster.pass(1_000, ['a']))).toEqual([])
  })
  test('cancel → owners stop, the run is ended, then it is cancelled', () => {
    const cluster = withJob()
    const commands = cluster.event({ kind: 'cancel', job: JOB })
    expect(cluster.told('a', 'revoke', commands)).toEqual([expect.objectContaining({ reason: 'stop' })])
    expect(ofKind(commands, 'cancel-run')).toHaveLength(1)
    cluster.event({ kind: 'run-cancelled', job: JOB, run: 1 })
    expect(stateOf(cluster)?.state).toBe('cancelled')
  })
  test('cancel while its topics are being made → it waits for that, then cancels', () => {
    const cluster = new Cluster()
    cluster.event({ kind: 'job-known', job: known(runRecord()) })
    expect(ofKind(cluster.event({ kind: 'cancel', job: JOB }), 'cancel-run')).toEqual([])
    expect(ofKind(cluster.event({ kind: 'run-ready', job: JOB, run: 1, notes: [] }), 'cancel-run')).toHaveLength(1)
  })
  test('restore → the old run stops, the new one starts when it is ready', () => {
    const cluster = withJob()
    const commands = cluster.event({ kind: 'job-known', job: known(runRecord({ run: 2, from: { run: 1, checkpoint: 3, manifest: 'orders/commits/3.json' } })) })
    expect(cluster.told('a', 'revoke', commands)).toEqual([expect.objectContaining({ reason: 'stop' })])
    expect(ofKind(commands, 'start-run')).toEqual([expect.objectContaining({ run: 2, started: false })])
    expect(stateOf(cluster)).toMatchObject({ state: 'restoring', run: 2 })
    cluster.event({ kind: 'run-ready', job: JOB, run: 2, notes: [] })
    expect(cluster.tasksOn('a').map(({ ref }) => ref.run)).toEqual([2, 2, 2, 2])
  })
  test('ended by somebody else → the job says so', () => {
    const cluster = withJob()
    const [task] = cluster.tasksOn('a')
    cluster.says('a', { kind: 'given-up', task: task?.ref as never, generation: task?.generation as never, reason: 'driver d9 ended this run', ended: true })
    expect(stateOf(cluster)).toMatchObject({ state: 'ended', reason: 'driver d9 ended this run' })
  })
  test('a second job while the first has every slot → the first makes room, the second runs', () => {
    const cluster = withJob()
    cluster.start(runRecord({ job: 'second', tasks: 1 }))
    for (const task of cluster.told('a', 'revoke').flatMap(({ tasks }) => tasks)) cluster.says('a', { kind: 'released', task, generation: cluster.generationOf(task) })
    const slots = Map.groupBy(cluster.tasksOn('a'), ({ slot }) => slot)
    expect([...slots.values()].map((tasks) => new Set(tasks.map(({ ref }) => ref.job)).size)).toEqual([1, 1])
    expect(cluster.waiting('second')).toBe(0)
    expect(cluster.waiting('orders')).toBe(0)
  })
})

describe('a new driver', () => {
  const restarted = (): Cluster => {
    const cluster = new Cluster({ epoch: 2 })
    cluster.event({ kind: 'job-known', job: known(runRecord(), { state: 'started' }) })
    return cluster
  }
  const running = (partitions: readonly number[], counter = 5) => partitions.map((partition) => ({ task: { job: JOB, run: 1, stage: 's0' as never, partition }, generation: { epoch: 1, counter }, slot: 0, transactionalId: 'x' }))

  test('executors report what they run → adopted, nothing is restarted', () => {
    const cluster = restarted()
    const commands = cluster.join('a', 1, running([0, 1, 2, 3]))
    expect(cluster.told('a', 'assign', commands)).toEqual([])
    expect(cluster.told('a', 'revoke', cluster.pass(6_000, ['a']))).toEqual([])
    expect(cluster.tasksOn('a').map(({ generation }) => generation.epoch)).toEqual([1, 1, 1, 1])
  })
  test('what nobody reports is given out after time-out and longest reconnect pause, not before, at the new epoch', () => {
    const cluster = restarted()
    cluster.join('a', 1, running([0, 1]))
    expect(cluster.told('a', 'assign', cluster.pass(3_950, ['a']))).toEqual([])
    expect(stateOf(cluster)?.reason).toMatch(/an executor of the driver before may still run them/)
    const given = cluster.told('a', 'assign', cluster.pass(100, ['a'])).flatMap(({ tasks }) => tasks)
    expect(given.map(({ task, generation }) => [task.partition, generation.epoch])).toEqual([[2, 2], [3, 2]])
  })
  test('a task that was adopted loses its owner → given out at once: nobody unknown can still run it', () => {
    const cluster = restarted()
    cluster.join('a', 1, running([0, 1]))
    cluster.join('b', 1, running([2, 3]))
    cluster.breaks('b')
    const commands = cluster.event({ kind: 'probed', executor: executorId('b'), answer: { kind: 'refused', reason: 'ECONNREFUSED' } })
    expect(cluster.told('a', 'assign', commands).flatMap(({ tasks }) => tasks.map(({ task }) => task.partition)).toSorted()).toEqual([2, 3])
  })
  test('two report the same task → the higher generation has it, the other stops', () => {
    const cluster = restarted()
    cluster.join('a', 1, running([0], 5))
    const commands = cluster.join('b', 1, running([0], 6))
    expect(cluster.told('a', 'revoke', commands)).toEqual([expect.objectContaining({ reason: 'stop' })])
    expect(cluster.tasksOn('b').map(({ generation }) => generation.counter)).toEqual([6])
  })
  test('a task of a run that is not the present one → stopped', () => {
    const cluster = new Cluster({ epoch: 2 })
    cluster.event({ kind: 'job-known', job: known(runRecord({ run: 2 }), { state: 'started' }) })
    expect(cluster.told('a', 'revoke', cluster.join('a', 1, running([0])))).toEqual([expect.objectContaining({ reason: 'stop' })])
  })
  test('a task of a job that it does not know (its files are unreadable) → left alone, and said', () => {
    const cluster = new Cluster({ epoch: 2 })
    const commands = cluster.join('a', 1, running([0]))
    expect(cluster.told('a', 'revoke', commands)).toEqual([])
    expect(cluster.eventNames(commands)).toContain('task.unknown')
  })
  test('an executor runs tasks of a later driver → this one steps down', () => {
    const cluster = new Cluster({ epoch: 2 })
    const later = running([0]).map((one) => ({ ...one, generation: { epoch: 3, counter: 1 } }))
    expect(ofKind(cluster.join('a', 1, later), 'step-down')).toHaveLength(1)
  })
})

/** As the sample's cluster has it. */
const WALL_AT_ZERO = 1_000_000
/** Three intervals of 30 s and the time-out of a checkpoint, 60 s. */
const LATE_MS = 150_000

describe('checkpoints', () => {
  const ref = (partition: number, checkpoint: number): SnapshotRef => ({
    generation: { epoch: 1, counter: 1 }, owner: { executor: executorId('a'), slot: 0, slotId: 'p' as never }, transactionalId: 'x' as never, checkpoint, batchId: 1, journalNext: 1, positions: [], keys: 0, objects: [{ key: `k${partition}`, sizeBytes: 5, sha256: 'a'.repeat(64) }],
  })
  const begun = (): Cluster => {
    const cluster = withJob(runRecord({ tasks: 2, shuffle: true }))
    const commands = cluster.pass(30_050, ['a'])
    expect(ofKind(commands, 'read-outputs')).toEqual([{ kind: 'read-outputs', job: JOB, run: 1, checkpoint: 1 }])
    return cluster
  }
  const named = (cluster: Cluster, stage: string, partition: number) =>
    cluster.says('a', { kind: 'snapshot-named', part: { task: { job: JOB, run: 1, stage: stage as never, partition }, checkpoint: 1, ref: ref(partition, 1), upstreams: [], outbox: stage === 's1' ? [{ sink: 'archive', entries: 2 }] : [] } })

  test('sinks first, then sources, then what is in flight, then the manifest (C1, C2)', () => {
    const cluster = begun()
    const first = cluster.event({ kind: 'outputs-read', job: JOB, checkpoint: 1, outputs: [] })
    expect(cluster.told('a', 'snapshot-begin', first).flatMap(({ tasks }) => tasks)).toHaveLength(4)
    expect(cluster.told('a', 'snapshot-complete', first).flatMap(({ tasks }) => tasks.map(({ stage }) => stage))).toEqual(['s1', 's1'])
    named(cluster, 's1', 0)
    const second = named(cluster, 's1', 1)
    expect(cluster.told('a', 'snapshot-complete', second).flatMap(({ tasks }) => tasks.map(({ stage }) => stage))).toEqual(['s0', 's0'])
    named(cluster, 's0', 0)
    const third = named(cluster, 's0', 1)
    expect(cluster.told('a', 'snapshot-in-flight', third).map(({ task, cuts }) => [task.stage, cuts.length])).toEqual([['s1', 2], ['s1', 2]])
    expect(cluster.core.describe('orders', cluster.now)?.checkpointUnderWay).toMatchObject({ checkpoint: 1, partsNamed: 4, parts: 4 })
    const last = [0, 1].flatMap((partition) => cluster.says('a', { kind: 'in-flight-stored', task: { job: JOB, run: 1, stage: 's1' as never, partition }, checkpoint: 1, objects: [], blocks: 0, bytes: 0 }))
    expect(ofKind(last, 'write-checkpoint').map(({ checkpoint, parts, inFlight }) => [checkpoint, parts.length, inFlight.length])).toEqual([[1, 4, 2]])
    expect(ofKind(last, 'write-checkpoint').flatMap(({ parts }) => parts.map(({ stage, outbox }) => [stage, outbox?.length]))).toEqual([['s0', 0], ['s0', 0], ['s1', 1], ['s1', 1]])
    cluster.event({ kind: 'checkpoint-written', job: JOB, checkpoint: { checkpoint: 1, run: 1, takenAt: 1, bytes: 20, parts: 4 }, retained: [{ checkpoint: 1, run: 1, takenAt: 1, bytes: 20, parts: 4 }] })
    expect(stateOf(cluster)?.checkpoint).toBe(1)
    expect(ofKind(cluster.pass(30_050, ['a']), 'read-outputs').map(({ checkpoint }) => checkpoint)).toEqual([2])
  })
  test('a word of one who is not the owner → not counted', () => {
    const cluster = begun()
    cluster.event({ kind: 'outputs-read', job: JOB, checkpoint: 1, outputs: [] })
    cluster.join('b')
    expect(cluster.told('a', 'snapshot-complete', cluster.says('b', { kind: 'snapshot-named', part: { task: { job: JOB, run: 1, stage: 's1' as never, partition: 0 }, checkpoint: 1, ref: ref(0, 1), upstreams: [] } }))).toEqual([])
    expect(cluster.core.describe('orders', cluster.now)?.checkpointUnderWay?.partsNamed).toBe(0)
  })
  test('a part contradicts the rules → this checkpoint is given up loudly, the driver goes on', () => {
    const cluster = begun()
    cluster.event({ kind: 'outputs-read', job: JOB, checkpoint: 1, outputs: [] })
    const commands = named(cluster, 's0', 0)
    expect(ofKind(commands, 'event')).toEqual([expect.objectContaining({ level: 'error', event: expect.objectContaining({ event: 'checkpoint.given-up' }) })])
    expect(cluster.core.describe('orders', cluster.now)?.checkpointUnderWay).toBeUndefined()
  })
  test('its time is up → given up, the next has the next number', () => {
    const cluster = begun()
    cluster.event({ kind: 'outputs-read', job: JOB, checkpoint: 1, outputs: [] })
    const commands = cluster.pass(61_000, ['a'])
    expect(cluster.eventNames(commands)).toContain('checkpoint.given-up')
    expect(ofKind(commands, 'read-outputs').map(({ checkpoint }) => checkpoint)).toEqual([2])
  })
  test('no checkpoint completes any more → warned of with the age of the newest; one completes → not any more; the same while the job is drained', () => {
    const cluster = begun()
    const warnings = (): readonly string[] | undefined => cluster.core.describe('orders', cluster.now)?.warnings
    const completes = (): void => {
      const { checkpoint = 0 } = cluster.core.describe('orders', cluster.now)?.checkpointUnderWay ?? {}
      const written = { checkpoint, run: 1, takenAt: WALL_AT_ZERO + cluster.now, bytes: 20, parts: 4 }
      cluster.event({ kind: 'checkpoint-written', job: JOB, checkpoint: written, retained: [written] })
    }
    completes()
    cluster.pass(LATE_MS, ['a'])
    expect(warnings()).toEqual([])
    cluster.pass(1_000, ['a'])
    const late = `the newest checkpoint is ${Math.round((LATE_MS + 1_000) / 1_000)} s old`
    expect(warnings()).toEqual([late])
    const { task, generation } = { task: { job: JOB, run: 1, stage: stageId(0), partition: 0 }, generation: cluster.core.describe('orders', cluster.now)?.tasks.find(({ stage, partition }) => stage === 's0' && partition === 0)?.generation }
    if (generation === undefined) throw new Error('the task has an owner')
    cluster.says('a', { kind: 'heartbeat', sequence: 1, logs: [], tasks: [{ task, generation, phase: 'running', inputs: [], batchId: 9, stateKeys: 0, stateBytes: 0, totals: {}, tail: { batches: 9, bytes: LATE_MS + 1_000 } }] })
    expect(cluster.core.describe('orders', cluster.now, 36_000_000)).toMatchObject({
      warnings: [expect.stringMatching(`^${late}; journals and shuffles have grown by .* in 9 batches, .* an hour; .* are free for the log: full in 10\\.0 hours at this rate`)],
      growth: { batches: 9, bytes: LATE_MS + 1_000, bytesPerHour: 3_600_000, freeBytes: 36_000_000, fullInHours: 10 },
    })
    completes()
    expect(warnings()).toEqual([])
    cluster.event({ kind: 'drain', job: JOB })
    cluster.pass(LATE_MS + 1_000, ['a'])
    expect(warnings()).toEqual([expect.stringContaining(late)])
  })
  test('somebody sets offsets of the published group → an event and a warning; by who goes on doing it, once a minute; later the warning is gone', () => {
    const cluster = begun()
    const edited = (): unknown[] => ofKind(cluster.says('a', { kind: 'group-edited', job: JOB, group: 'tidemark.orders', offsets: [{ topic: 'orders', partition: 1, offset: 7 }] }), 'event')
      .map(({ event: { event, job, message, facts } }) => ({ event, job, message, facts }))
    const warnings = (): string => cluster.core.describe('orders', cluster.now)?.warnings.join() ?? ''
    expect(edited()).toEqual([{ event: 'group.offsets-edited', job: JOB, message: expect.stringContaining('somebody set offsets of the group tidemark.orders: orders/1 to 7. It changes nothing'), facts: { group: 'tidemark.orders', offsets: [{ topic: 'orders', partition: 1, offset: 7 }] } }])
    expect(warnings()).toContain('0 s ago somebody set the offsets under which positions are published')
    expect(edited()).toEqual([])
    const told = Array.from({ length: 20 }, () => {
      cluster.pass(4_000, ['a'])
      return edited().length
    })
    expect(told).toEqual(Array.from({ length: 20 }, (_, i) => i === 14 ? 1 : 0))
    cluster.pass(10_000, ['a'])
    expect(warnings()).toContain('10 s ago somebody set')
    expect(edited()).toHaveLength(1)
    expect(cluster.core.events({ job: 'orders', after: 0 }).filter(({ event }) => event === 'group.offsets-edited')).toHaveLength(3)
    cluster.pass(600_000, ['a'])
    expect(warnings()).not.toContain('somebody set')
  })
  test('a task waits for an owner → no checkpoint begins before it has one', () => {
    const cluster = withJob()
    cluster.breaks('a')
    cluster.event({ kind: 'probed', executor: executorId('a'), answer: { kind: 'refused', reason: 'x' } })
    expect(ofKind(cluster.pass(40_000), 'read-outputs')).toEqual([])
  })
  test('a new driver → its numbers go on above all that were ever used', () => {
    const cluster = new Cluster({ epoch: 2 })
    cluster.join('a')
    cluster.start(runRecord(), { checkpointNumber: 41 })
    cluster.runs('a')
    expect(ofKind(cluster.pass(30_050, ['a']), 'read-outputs').map(({ checkpoint }) => checkpoint)).toEqual([42])
  })
})
