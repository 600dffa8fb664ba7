// Slots get ready before they get tasks: what waits for that, what does not, and which stand by.
import { describe, expect, test } from '@jest/globals'
import { executorId, jobId, slotId, stageId } from '@tidemark/base'
import type { DriverCommand } from './protocol.ts'
import { Cluster, known, ofKind, runRecord } from './cluster.sample.ts'

const refused = (label: string) => ({ kind: 'probed', executor: executorId(label), answer: { kind: 'refused', reason: 'ECONNREFUSED' } }) as const
const prepared = (cluster: Cluster, label: string, among?: readonly DriverCommand[]): string[] => cluster.told(label, 'prepare', among).map(({ slot, job, run }) => `${slot} ${job}/${run}`)
const revoked = (cluster: Cluster, label: string, among: readonly DriverCommand[]): number => cluster.told(label, 'revoke', among).flatMap(({ tasks }) => tasks).length

/** `a` has one slot and all tasks of `orders`, ready; others say when they are. */
const oneWithJob = (tasks = 4): Cluster => {
  const cluster = new Cluster({ slotsGetReady: false })
  cluster.join('a', 1)
  cluster.start(runRecord({ tasks }))
  cluster.ready('a', 0)
  cluster.runs('a')
  return cluster
}

describe('readiness', () => {
  test('planned move: not before the slot it goes to is ready, which is told once', () => {
    const cluster = oneWithJob()
    const joined = cluster.join('b', 1)
    expect(prepared(cluster, 'b', joined)).toEqual(['0 orders/1'])
    const meanwhile = cluster.pass(20_000, ['a', 'b'])
    expect([revoked(cluster, 'a', [...joined, ...meanwhile]), prepared(cluster, 'b', meanwhile)]).toEqual([0, []])
    expect(revoked(cluster, 'a', cluster.ready('b', 0))).toBe(2)
  })

  test('planned move: not while the object store does not answer, which is asked one question at a time and twice a second', () => {
    const cluster = oneWithJob()
    cluster.store = 'silent'
    cluster.join('b', 1)
    const silent = [...cluster.ready('b', 0), ...cluster.pass(5_000, ['a', 'b'])]
    expect([revoked(cluster, 'a', silent), ofKind(silent, 'ask-store').length]).toEqual([0, 11])
    cluster.store = 'later'
    const waiting = cluster.pass(5_000, ['a', 'b'])
    expect([revoked(cluster, 'a', waiting), ofKind(waiting, 'ask-store').length]).toEqual([0, 1])
    expect(revoked(cluster, 'a', cluster.event({ kind: 'store-heard', answers: true }))).toBe(2)
  })

  test('planned move: an old answer says nothing of the store now', () => {
    const cluster = oneWithJob()
    cluster.join('b', 1)
    expect(revoked(cluster, 'a', cluster.ready('b', 0))).toBe(2)
    cluster.store = 'silent'
    cluster.pass(1_050, ['a', 'b'])
    for (const { ref, generation, phase } of cluster.tasksOn('a')) if (phase === 'releasing') cluster.says('a', { kind: 'released', task: ref, generation })
    cluster.runs('b')
    cluster.join('c', 1)
    cluster.ready('c', 0)
    expect(cluster.pass(2_000, ['a', 'b', 'c']).filter(({ kind }) => kind === 'ask-store')).not.toEqual([])
    expect(revoked(cluster, 'a', cluster.commands) + revoked(cluster, 'b', cluster.commands)).toBe(2)
  })

  test('no question for the object store while nothing is to be moved', () => {
    const cluster = oneWithJob()
    cluster.pass(5_000, ['a'])
    expect(ofKind(cluster.commands, 'ask-store')).toEqual([])
  })

  test('planned move: a session of another run is no readiness', () => {
    const cluster = oneWithJob()
    cluster.join('b', 1)
    expect(revoked(cluster, 'a', cluster.ready('b', 0, 'orders', 2))).toBe(0)
  })

  test('death: its tasks go to what is ready, fuller as it is, and not to what still gets ready; they are spread once that is', () => {
    const cluster = oneWithJob()
    cluster.join('b', 1)
    cluster.ready('b', 0)
    for (const task of cluster.tasksOn('a').filter(({ phase }) => phase === 'releasing')) cluster.says('a', { kind: 'released', task: task.ref, generation: task.generation })
    cluster.runs('b')
    cluster.join('c', 1)
    cluster.breaks('a')
    const commands = cluster.event(refused('a'))
    expect(cluster.told('b', 'assign', commands).flatMap(({ tasks }) => tasks)).toHaveLength(2)
    expect(cluster.tasksOn('c')).toEqual([])
    cluster.runs('b')
    expect(revoked(cluster, 'b', cluster.ready('c', 0))).toBe(2)
  })

  test('idle slots: stand by for the job, and one of them takes over at a death', () => {
    const cluster = oneWithJob(1)
    expect(prepared(cluster, 'b', cluster.join('b', 1))).toEqual(['0 orders/1'])
    expect(prepared(cluster, 'c', cluster.join('c', 1))).toEqual(['0 orders/1'])
    cluster.ready('c', 0)
    cluster.breaks('a')
    cluster.event(refused('a'))
    expect([cluster.tasksOn('b').length, cluster.tasksOn('c').length]).toEqual([0, 1])
  })

  test('idle slots: several jobs get one each before one gets a second, and a job that comes later gets a fresh one', () => {
    const cluster = oneWithJob(1)
    cluster.event({ kind: 'job-known', job: known(runRecord({ job: 'second', tasks: 1 })) })
    cluster.event({ kind: 'run-ready', job: jobId('second'), run: 1, notes: [] })
    const joined = cluster.join('b', 5)
    // Slot 0 gets the task that waits.
    expect(cluster.told('b', 'assign', joined).flatMap(({ tasks }) => tasks).map(({ task }) => task.job)).toEqual(['second'])
    expect(prepared(cluster, 'b', joined).toSorted()).toEqual(['1 orders/1', '2 second/1', '3 orders/1', '4 second/1'])
  })

  test('idle slots: of a run that is over → for one that is not', () => {
    const cluster = oneWithJob(1)
    cluster.join('b', 1)
    cluster.ready('b', 0)
    cluster.event({ kind: 'job-known', job: known(runRecord({ job: 'second', tasks: 1 })) })
    cluster.event({ kind: 'run-ready', job: jobId('second'), run: 1, notes: [] })
    for (const { ref, generation } of cluster.tasksOn('b')) cluster.says('b', { kind: 'running', task: ref, generation, recovery: { startedAt: 0, readMs: 1, fencedMs: 1, claimedMs: 1, loadedMs: 1, tailedMs: 1, tailRecords: 0, tailBatches: 0, fencedIds: 0, remarks: [] } })
    expect(prepared(cluster, 'a', cluster.event({ kind: 'cancel', job: jobId('orders') }))).toEqual(['0 second/1'])
  })

  test('drain: waits for the slot that its tasks go to, and no longer than its time', () => {
    const late = oneWithJob()
    late.join('b', 1)
    expect(revoked(late, 'a', late.says('a', { kind: 'draining' }))).toBe(0)
    expect(revoked(late, 'a', late.pass(2_950, ['a', 'b']))).toBe(0)
    expect(revoked(late, 'a', late.pass(50, ['a', 'b']))).toBe(4)

    const soon = oneWithJob()
    soon.join('b', 1)
    soon.says('a', { kind: 'draining' })
    expect(revoked(soon, 'a', soon.ready('b', 0))).toBe(4)
  })

  test('drain: waits for the object store, and no longer than its time', () => {
    const cluster = oneWithJob()
    cluster.store = 'silent'
    cluster.join('b', 1)
    cluster.ready('b', 0)
    expect(revoked(cluster, 'a', [...cluster.says('a', { kind: 'draining' }), ...cluster.pass(2_950, ['a', 'b'])])).toBe(0)
    expect(revoked(cluster, 'a', cluster.pass(50, ['a', 'b']))).toBe(4)
  })

  test('a process that dies before it is ready → the next one is told after a pause that grows, and at once again after one that was', () => {
    const cluster = oneWithJob()
    cluster.join('b', 1)
    const pauseAfterDeath = (): number => {
      const [began, told] = [cluster.now, cluster.told('b', 'prepare').length]
      cluster.says('b', { kind: 'slot-died', slot: 0, slotId: slotId('b-p0'), reason: 'exited with 1', transactionalIds: [], tasks: [] })
      cluster.says('b', { kind: 'slot-started', process: { slot: 0, slotId: slotId('b-p0'), pid: 1, pidStart: '1' } })
      while (cluster.told('b', 'prepare').length === told) cluster.pass(50, ['a', 'b'])
      return cluster.now - began
    }
    expect([pauseAfterDeath(), pauseAfterDeath(), pauseAfterDeath(), pauseAfterDeath()]).toEqual([100, 200, 400, 800])
    cluster.ready('b', 0)
    expect([pauseAfterDeath(), pauseAfterDeath()]).toEqual([0, 100])
  })

  test('a stream breaks and its slot became ready meanwhile, or was never told to → told again when it is back, and says so again; then tasks move there', () => {
    const cluster = oneWithJob()
    cluster.join('b', 1)
    cluster.breaks('b')
    const back = cluster.join('b', 1)
    expect([prepared(cluster, 'b', back), revoked(cluster, 'a', back)]).toEqual([['0 orders/1'], 0])
    expect(revoked(cluster, 'a', cluster.ready('b', 0))).toBe(2)
  })

  test('a stream breaks whose slot is ready → it is when it is back, and is not told again', () => {
    const cluster = oneWithJob()
    cluster.store = 'silent'
    cluster.join('b', 1)
    cluster.ready('b', 0)
    cluster.breaks('b')
    const back = [...cluster.join('b', 1), ...cluster.pass(1_000, ['a', 'b'])]
    expect([prepared(cluster, 'b', back), revoked(cluster, 'a', back)]).toEqual([[], 0])
    cluster.store = 'answers'
    expect(revoked(cluster, 'a', cluster.pass(1_000, ['a', 'b']))).toBe(2)
  })

  test('a stream breaks whose slot, ready for one run, was told to get ready for another → told again when it is back', () => {
    const cluster = oneWithJob(1)
    cluster.join('b', 1)
    cluster.ready('b', 0)
    cluster.event({ kind: 'job-known', job: known(runRecord({ job: 'second', tasks: 1 })) })
    cluster.event({ kind: 'run-ready', job: jobId('second'), run: 1, notes: [] })
    cluster.runs('b')
    expect(prepared(cluster, 'a', cluster.event({ kind: 'cancel', job: jobId('orders') }))).toEqual(['0 second/1'])
    cluster.breaks('a')
    expect(prepared(cluster, 'a', cluster.join('a', 1))).toEqual(['0 second/1'])
  })

  test('a stream breaks on the way of word that a slot is killed → told again when it is back, and no more once its process is another', () => {
    const cluster = new Cluster()
    cluster.join('a', 1)
    cluster.start(runRecord({ tasks: 2 }))
    cluster.runs('a')
    cluster.join('b', 1)
    const kills = (among: readonly DriverCommand[]) => cluster.told('a', 'kill-slot', among).map(({ slot, slotId: id }) => `${slot} ${id}`)
    const held = cluster.tasksOn('a').map(({ ref: task, generation, slot }) => ({ task, generation, slot, transactionalId: 'x' }))
    expect(kills(cluster.pass(5_050, ['a', 'b']))).toEqual(['0 a-p0'])
    cluster.breaks('a')
    expect(kills(cluster.join('a', 1, held))).toEqual(['0 a-p0'])
    cluster.says('a', { kind: 'slot-died', slot: 0, slotId: slotId('a-p0'), reason: 'killed', transactionalIds: ['x'], tasks: held.map(({ task }) => task) })
    cluster.says('a', { kind: 'slot-started', process: { slot: 0, slotId: slotId('a-p1'), pid: 1, pidStart: '1' } })
    cluster.runs('b')
    cluster.breaks('a')
    expect(kills(cluster.join('a', 1))).toEqual([])
  })

  test('another driver: what stands by already is asked again, for it is not known what for', () => {
    const cluster = new Cluster({ epoch: 2, slotsGetReady: false })
    cluster.event({ kind: 'job-known', job: known(runRecord({ tasks: 1 }), { state: 'started' }) })
    cluster.join('a', 1, [{ task: { job: jobId('orders'), run: 1, stage: stageId(0), partition: 0 }, generation: { epoch: 1, counter: 4 }, slot: 0, transactionalId: 'tidemark.orders.1.x.0' }])
    expect(prepared(cluster, 'a')).toEqual([])
    expect(prepared(cluster, 'b', cluster.join('b', 1))).toEqual(['0 orders/1'])
  })
})
