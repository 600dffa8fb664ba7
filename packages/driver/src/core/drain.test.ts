// A job that is drained, on virtual time: its tasks stand still, a last checkpoint comes, then the run ends.
import { expect, test } from '@jest/globals'
import { executorId, jobId } from '@tidemark/base'
import type { SnapshotRef } from '@tidemark/checkpoint'
import { Cluster, known, ofKind, runRecord } from './cluster.sample.ts'
import type { DriverCommand } from './protocol.ts'

const JOB = jobId('orders')
const running = (): Cluster => {
  const cluster = new Cluster()
  cluster.join('a')
  cluster.start(runRecord({ tasks: 2 }))
  cluster.runs('a')
  return cluster
}
const stateOf = (cluster: Cluster) => cluster.core.list(cluster.now)[0]
const drain = (cluster: Cluster): DriverCommand[] => [...cluster.event({ kind: 'drain', job: JOB }), ...cluster.pass(50, ['a'])]
const ref = (partition: number, checkpoint: number): SnapshotRef => ({
  generation: { epoch: 1, counter: 1 }, owner: { executor: executorId('a'), slot: 0, slotId: 'p' as never }, transactionalId: 'x' as never, checkpoint, batchId: 1, journalNext: 1, positions: [], keys: 0, objects: [{ key: `k${partition}`, sizeBytes: 5, sha256: 'a'.repeat(64) }],
})
/** Up to where the manifest is asked for. */
const takes = (cluster: Cluster, checkpoint: number): DriverCommand[] => [
  ...cluster.event({ kind: 'outputs-read', job: JOB, checkpoint, outputs: [] }),
  ...[0, 1].flatMap((partition) => cluster.says('a', { kind: 'snapshot-named', part: { task: { job: JOB, run: 1, stage: 's0' as never, partition }, checkpoint, ref: ref(partition, checkpoint), upstreams: [] } })),
]
const written = (cluster: Cluster, checkpoint: number): DriverCommand[] => {
  const description = { checkpoint, run: 1, takenAt: 1, bytes: 10, parts: 2 }
  return cluster.event({ kind: 'checkpoint-written', job: JOB, checkpoint: description, retained: [description] })
}

test('drain → the last checkpoint at once, not at its interval; then owners stop, the run ends, and its number is told', () => {
  const cluster = running()
  expect(ofKind(drain(cluster), 'read-outputs')).toEqual([expect.objectContaining({ checkpoint: 1 })])
  expect(stateOf(cluster)?.state).toBe('draining')
  const commands = takes(cluster, 1)
  expect(cluster.told('a', 'snapshot-begin', commands)).toEqual([expect.objectContaining({ last: true, checkpoint: 1 })])
  expect(ofKind(commands, 'write-checkpoint')).toEqual([expect.objectContaining({ last: true })])
  const end = written(cluster, 1)
  expect(cluster.told('a', 'revoke', end)).toEqual([expect.objectContaining({ reason: 'stop' })])
  expect(ofKind(end, 'cancel-run')).toEqual([expect.objectContaining({ run: 1, finalCheckpoint: 1 })])
  cluster.event({ kind: 'run-cancelled', job: JOB, run: 1 })
  expect(stateOf(cluster)).toMatchObject({ state: 'cancelled', finalCheckpoint: 1 })
  for (const task of cluster.core.describe(JOB, cluster.now)?.tasks ?? []) expect([task.phase, task.waitingFor]).toEqual(['unassigned', undefined])
  expect(cluster.eventNames()).toEqual(expect.arrayContaining(['job.draining', 'job.drained', 'job.cancelled']))
})

test('a task loses its owner while it is drained → the next owner takes it over and takes no input; the last checkpoint begins again', () => {
  const cluster = running()
  drain(cluster)
  takes(cluster, 1)
  cluster.join('b')
  cluster.breaks('a')
  const moved = [...cluster.event({ kind: 'probed', executor: executorId('a'), answer: { kind: 'refused', reason: 'x' } }), ...cluster.pass(1_000, ['b'])]
  expect(cluster.told('b', 'assign', moved).flatMap(({ tasks }) => tasks.map(({ still }) => still))).toEqual([true, true])
  cluster.runs('b')
  // Complete in itself all the same: what the dead owner named is in the journal, and nobody has gone on from there.
  expect(ofKind(written(cluster, 1), 'cancel-run')).toHaveLength(1)
})

test('a checkpoint is under way when a drain begins → it is given up for the last one, which is tried again when it is given up', () => {
  const cluster = running()
  cluster.pass(30_050, ['a'])
  cluster.event({ kind: 'outputs-read', job: JOB, checkpoint: 1, outputs: [] })
  const commands = [...drain(cluster), ...cluster.pass(50, ['a'])]
  expect(cluster.eventNames(commands)).toContain('checkpoint.given-up')
  expect(ofKind(commands, 'read-outputs')).toEqual([expect.objectContaining({ checkpoint: 2 })])
  cluster.event({ kind: 'checkpoint-failed', job: JOB, checkpoint: 2, reason: 'the store is away' })
  expect(ofKind(cluster.pass(1_050, ['a']), 'read-outputs')).toEqual([expect.objectContaining({ checkpoint: 3 })])
})

test('a store that refuses each part at once, while a job is drained → its task walks its state again twice at once, then once a second, until the store takes it', () => {
  const cluster = running()
  drain(cluster)
  cluster.event({ kind: 'outputs-read', job: JOB, checkpoint: 1, outputs: [] })
  const refused = (): DriverCommand[] => cluster.says('a', { kind: 'snapshot-failed', task: { job: JOB, run: 1, stage: 's0' as never, partition: 0 }, checkpoint: 1, reason: 'the bucket is full' })
  const begun = (commands: readonly DriverCommand[]): number => cluster.told('a', 'snapshot-begin', commands).length
  expect([begun(refused()), begun(refused())]).toEqual([1, 1])
  for (let times = 0; times < 5; times += 1) {
    expect(begun([...refused(), ...cluster.pass(950, ['a'])])).toBe(0)
    const again = cluster.pass(100, ['a'])
    expect(cluster.told('a', 'snapshot-begin', again)).toEqual([expect.objectContaining({ last: true, checkpoint: 1, tasks: [expect.objectContaining({ partition: 0 })] })])
    expect(cluster.told('a', 'snapshot-complete', again)).toHaveLength(1)
  }
  // Nothing is told a second time: whoever walks is let walk.
  expect(begun(cluster.pass(5_000, ['a']))).toBe(0)
  expect(ofKind(takes(cluster, 1), 'write-checkpoint')).toEqual([expect.objectContaining({ last: true })])
})

test('the same → why is said before the first pause of that number, not at each, and when its time is up', () => {
  const cluster = running()
  drain(cluster)
  cluster.event({ kind: 'outputs-read', job: JOB, checkpoint: 1, outputs: [] })
  const refused = (): DriverCommand[] => cluster.says('a', { kind: 'snapshot-failed', task: { job: JOB, run: 1, stage: 's0' as never, partition: 0 }, checkpoint: 1, reason: 'the bucket is full' })
  const messages = (commands: readonly DriverCommand[]): string[] => ofKind(commands, 'event').map(({ level, event: { event, message } }) => `${level} ${event}: ${message}`)
  expect(messages([...refused(), ...refused()])).toEqual([])
  expect(messages(refused())).toEqual(['warn checkpoint.part-lost: checkpoint 1: the part of task s0-0 was lost 3 times, now because: the bucket is full; it is asked for again, 1 s after each loss'])
  for (let times = 0; times < 5; times += 1) expect(messages([...cluster.pass(1_050, ['a']), ...refused()])).toEqual([])
  expect(messages(cluster.pass(TIMEOUT_MS, ['a']))).toContain('warn checkpoint.given-up: checkpoint 1 is given up: its time is up; missing: s0-0 (lost: the bucket is full), s0-1')
})

test('the same, and the task loses its owner in the pause → the next owner is told at once, and not again when the pause is over', () => {
  const cluster = running()
  drain(cluster)
  cluster.event({ kind: 'outputs-read', job: JOB, checkpoint: 1, outputs: [] })
  for (let times = 0; times < 3; times += 1) cluster.says('a', { kind: 'snapshot-failed', task: { job: JOB, run: 1, stage: 's0' as never, partition: 0 }, checkpoint: 1, reason: 'the bucket is full' })
  cluster.join('b')
  cluster.breaks('a')
  const moved = cluster.event({ kind: 'probed', executor: executorId('a'), answer: { kind: 'refused', reason: 'x' } })
  expect(cluster.told('b', 'snapshot-begin', moved)).toEqual([])
  expect(cluster.told('b', 'snapshot-begin', cluster.runs('b'))).toHaveLength(2)
  expect(cluster.told('b', 'snapshot-begin', cluster.pass(2_000, ['b']))).toEqual([])
})

test.each(['before its last checkpoint begins', 'before it completes'])('a stream breaks %s and is there again → its tasks are told again at once, who has named its part is not', (when) => {
  const cluster = running()
  drain(cluster)
  const begin = (): DriverCommand[] => cluster.event({ kind: 'outputs-read', job: JOB, checkpoint: 1, outputs: [] })
  const told = when === 'before it completes' ? begin() : []
  if (told.length > 0) cluster.says('a', { kind: 'snapshot-named', part: { task: { job: JOB, run: 1, stage: 's0' as never, partition: 0 }, checkpoint: 1, ref: ref(0, 1), upstreams: [] } })
  const tasks = cluster.tasksOn('a')
  cluster.breaks('a')
  if (told.length === 0) expect(cluster.told('a', 'snapshot-begin', begin())).toEqual([])
  const back = cluster.join('a', 2, tasks.map(({ ref: task, generation, slot }) => ({ task, generation, slot, transactionalId: 'x' })))
  const wanted = told.length > 0 ? [1] : [0, 1]
  for (const kind of ['snapshot-begin', 'snapshot-complete'] as const) expect(cluster.told('a', kind, back).flatMap((one) => one.tasks.map(({ partition }) => partition))).toEqual(wanted)
  expect(cluster.told('a', 'snapshot-begin', back).every(({ last, checkpoint }) => last === true && checkpoint === 1)).toBe(true)
  expect(ofKind(takes(cluster, 1), 'write-checkpoint')).toEqual([expect.objectContaining({ last: true, checkpoint: 1 })])
})

test('a stream breaks while a checkpoint is under way that is not the last → it is told nothing again: a task that had its cut would get a second one', () => {
  const cluster = running()
  cluster.pass(30_050, ['a'])
  cluster.event({ kind: 'outputs-read', job: JOB, checkpoint: 1, outputs: [] })
  const tasks = cluster.tasksOn('a')
  cluster.breaks('a')
  const back = cluster.join('a', 2, tasks.map(({ ref: task, generation, slot }) => ({ task, generation, slot, transactionalId: 'x' })))
  expect(cluster.told('a', 'snapshot-begin', back)).toEqual([])
})

/** Of a run with a shuffle all parts are named, and what is in flight before its two readers is being stored. */
const collecting = (last: boolean): { readonly cluster: Cluster, readonly named: readonly DriverCommand[] } => {
  const cluster = new Cluster()
  cluster.join('a', 4)
  cluster.start(runRecord({ tasks: 2, shuffle: true }))
  cluster.runs('a')
  if (last) drain(cluster)
  else cluster.pass(30_050, ['a'])
  cluster.event({ kind: 'outputs-read', job: JOB, checkpoint: 1, outputs: [] })
  const named = ['s1', 's0'].flatMap((stage) => [0, 1].flatMap((partition) => cluster.says('a', { kind: 'snapshot-named', part: { task: { job: JOB, run: 1, stage: stage as never, partition }, checkpoint: 1, ref: ref(partition, 1), upstreams: [] } })))
  return { cluster, named }
}
const stores = (cluster: Cluster): DriverCommand[] =>
  [0, 1].flatMap((partition) => cluster.says('a', { kind: 'in-flight-stored', task: { job: JOB, run: 1, stage: 's1' as never, partition }, checkpoint: 1, objects: [], blocks: 0, bytes: 0 }))
const TIMEOUT_MS = 60_000

test('what is in flight for a last checkpoint takes longer to store than its timeout → waited for, not begun again beside it; its manifest has its time then', () => {
  const { cluster } = collecting(true)
  expect(cluster.eventNames(cluster.pass(5 * TIMEOUT_MS, ['a']))).not.toContain('checkpoint.given-up')
  expect(ofKind(stores(cluster), 'write-checkpoint')).toEqual([expect.objectContaining({ last: true, checkpoint: 1 })])
  expect(cluster.eventNames(cluster.pass(TIMEOUT_MS - 100, ['a']))).not.toContain('checkpoint.given-up')
  expect(ofKind(written(cluster, 1), 'cancel-run')).toHaveLength(1)
})

test('what is in flight for a last checkpoint is being stored, and not a word of it comes → given up after ten times its timeout, or when its slot says that it came to nothing; then begun again', () => {
  const lost = collecting(true).cluster
  const commands = lost.pass(10 * TIMEOUT_MS + 100, ['a'])
  expect(lost.eventNames(commands)).toContain('checkpoint.given-up')
  expect(ofKind(commands, 'read-outputs')).toEqual([expect.objectContaining({ checkpoint: 2 })])
  const failed = collecting(true).cluster
  failed.pass(2 * TIMEOUT_MS, ['a'])
  const told = [...failed.says('a', { kind: 'snapshot-failed', task: { job: JOB, run: 1, stage: 's1' as never, partition: 0 }, checkpoint: 1, reason: 'x' }), ...failed.pass(50, ['a'])]
  expect(failed.eventNames(told)).toContain('checkpoint.given-up')
  expect(ofKind(told, 'read-outputs')).toEqual([expect.objectContaining({ checkpoint: 2 })])
})

test('a last checkpoint is not named whole, or is not the last → given up when its timeout is over, whatever is being stored', () => {
  const named = running()
  drain(named)
  named.event({ kind: 'outputs-read', job: JOB, checkpoint: 1, outputs: [] })
  expect(named.eventNames(named.pass(TIMEOUT_MS + 100, ['a']))).toContain('checkpoint.given-up')
  const { cluster } = collecting(false)
  expect(cluster.eventNames(cluster.pass(TIMEOUT_MS + 100, ['a']))).toContain('checkpoint.given-up')
})

test.each([[true, Number.MAX_SAFE_INTEGER], [false, 1024 * 1024]])('what is in flight is stored for a checkpoint, the last one: %s → bounded by %i bytes: the tasks of a last one stand still, and it would be the same at each further try', (last, bytesMax) => {
  const { cluster, named } = collecting(last)
  expect(cluster.told('a', 'snapshot-in-flight', named).map((one) => [one.task.stage, one.bytesMax])).toEqual([['s1', bytesMax], ['s1', bytesMax]])
})

test('drain while it starts → drained once it runs: its tasks are given out to stand still', () => {
  const cluster = new Cluster()
  cluster.join('a')
  cluster.event({ kind: 'job-known', job: known(runRecord({ tasks: 2 })) })
  cluster.event({ kind: 'drain', job: JOB })
  expect(stateOf(cluster)?.state).toBe('starting')
  const commands = cluster.event({ kind: 'run-ready', job: JOB, run: 1, notes: [] })
  expect(stateOf(cluster)?.state).toBe('draining')
  expect(cluster.told('a', 'assign', commands).flatMap(({ tasks }) => tasks.map(({ still }) => still))).toEqual([true, true])
})

test('a new driver finds a job that is to be drained → it goes on with that', () => {
  const cluster = new Cluster({ epoch: 2 })
  cluster.event({ kind: 'job-known', job: known(runRecord({ tasks: 2 }), { state: 'started', drain: true, checkpointNumber: 7 }) })
  cluster.event({ kind: 'run-ready', job: JOB, run: 1, notes: [] })
  cluster.join('a', 2, [0, 1].map((partition) => ({ task: { job: JOB, run: 1, stage: 's0' as never, partition }, generation: { epoch: 1, counter: partition + 1 }, slot: 0, transactionalId: 'x' })))
  expect(ofKind(cluster.pass(50, ['a']), 'read-outputs')).toEqual([expect.objectContaining({ checkpoint: 8 })])
  const commands = cluster.event({ kind: 'outputs-read', job: JOB, checkpoint: 8, outputs: [] })
  expect(cluster.told('a', 'snapshot-begin', commands)).toEqual([expect.objectContaining({ last: true })])
})

test('cancel now while it is drained → that ends it, without a last checkpoint; a late manifest changes nothing', () => {
  const cluster = running()
  drain(cluster)
  takes(cluster, 1)
  expect(ofKind(cluster.event({ kind: 'cancel', job: JOB }), 'cancel-run')).toEqual([expect.not.objectContaining({ finalCheckpoint: 1 })])
  written(cluster, 1)
  cluster.event({ kind: 'run-cancelled', job: JOB, run: 1 })
  expect(stateOf(cluster)).toMatchObject({ state: 'cancelled' })
  expect(stateOf(cluster)?.finalCheckpoint).toBeUndefined()
})

test('it fails while it is drained → failed, and not drained any more', () => {
  const cluster = running()
  drain(cluster)
  const [task] = cluster.tasksOn('a')
  cluster.says('a', { kind: 'failed', task: task?.ref as never, generation: task?.generation as never, error: { code: 'X', message: 'it throws', blame: 'user', action: 'fail-job' } })
  expect(stateOf(cluster)?.state).toBe('failed')
  expect(ofKind(written(cluster, 1), 'cancel-run')).toEqual([])
})
