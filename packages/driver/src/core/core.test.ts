// Executors that join, die, hang, come back and leave: what the driver does about their tasks.
import { describe, expect, test } from '@jest/globals'
import { executorId, slotId, taskKey } from '@tidemark/base'
import { compareGenerations } from '@tidemark/checkpoint'
import { Cluster, ofKind, runRecord } from './cluster.sample.ts'

const twoWithJob = (): Cluster => {
  const cluster = new Cluster()
  cluster.join('a')
  cluster.join('b')
  cluster.start(runRecord())
  cluster.runs('a')
  cluster.runs('b')
  return cluster
}
const refused = (label: string) => ({ kind: 'probed', executor: executorId(label), answer: { kind: 'refused', reason: 'ECONNREFUSED' } }) as const

describe('death', () => {
  test('stream ends without goodbye, probe refused → dead at once, its tasks go to the survivor with new generations', () => {
    const cluster = twoWithJob()
    const before = cluster.tasksOn('b')
    const survivors = cluster.tasksOn('a')
    expect(ofKind(cluster.breaks('b'), 'probe')).toEqual([{ kind: 'probe', executor: 'b', address: 'b:1', deadlineMs: 200 }])
    const commands = cluster.event(refused('b'))
    expect(cluster.core.events({ after: 0 }).at(-1 - before.length)).toMatchObject({ event: 'executor.dead', facts: { reason: 'stream ended without goodbye, probe refused', tasks: 2 } })
    const moved = cluster.told('a', 'assign', commands).flatMap(({ tasks }) => tasks)
    expect(moved.map(({ task }) => taskKey(task)).toSorted()).toEqual(before.map(({ ref }) => taskKey(ref)).toSorted())
    for (const { task, generation } of moved) expect(compareGenerations(generation, before.find(({ ref }) => taskKey(ref) === taskKey(task))?.generation ?? generation)).toBeGreaterThan(0)
    expect(cluster.tasksOn('a').filter(({ ref }) => survivors.some((one) => taskKey(one.ref) === taskKey(ref)))).toEqual(survivors)
    expect(cluster.told('a', 'revoke', commands)).toEqual([])
  })

  test('one slot, one task of it → said as of one', () => {
    const cluster = new Cluster()
    cluster.join('a', 1)
    cluster.start(runRecord({ tasks: 1 }))
    cluster.runs('a')
    cluster.breaks('a')
    cluster.event(refused('a'))
    expect(cluster.core.events({ after: 0 }).flatMap(({ event, message }) => event === 'executor.joined' || event === 'executor.dead' ? message : [])).toEqual(['executor a joins with 1 slot and 0 tasks', 'executor a is dead: stream ended without goodbye, probe refused; 1 task moves'])
    expect(cluster.core.list(cluster.now)[0]?.reason).toBe('1 of 1 task waits: there is no executor')
  })

  test('the verdict → its newest ids are fenced and its processes named, before anybody is told to take over', () => {
    const cluster = twoWithJob()
    cluster.says('b', { kind: 'session', slot: 0, transactionalId: 'id-1' })
    cluster.says('b', { kind: 'session', slot: 0, transactionalId: 'id-2' })
    cluster.says('b', { kind: 'session', slot: 1, transactionalId: 'id-3' })
    cluster.breaks('b')
    const commands = cluster.event(refused('b'))
    expect(ofKind(commands, 'fence')).toEqual([expect.objectContaining({ ids: ['id-2', 'id-3'] })])
    expect(ofKind(commands, 'kill')).toEqual([expect.objectContaining({ processes: [{ pid: 100, pidStart: '7' }, { pid: 200, pidStart: '8' }, { pid: 201, pidStart: '8' }] })])
    expect(commands.findIndex(({ kind }) => kind === 'fence')).toBeLessThan(commands.findIndex((command) => command.kind === 'send' && command.message.kind === 'assign'))
  })

  test('no answer to the probe → dead after the grace, not before', () => {
    const cluster = twoWithJob()
    cluster.breaks('b')
    cluster.event({ kind: 'probed', executor: executorId('b'), answer: { kind: 'silent', reason: 'no answer' } })
    cluster.pass(150, ['a'])
    expect(cluster.waiting() + cluster.tasksOn('b').length).toBe(2)
    cluster.pass(50, ['a'])
    expect(cluster.tasksOn('b')).toEqual([])
    expect(cluster.tasksOn('a')).toHaveLength(4)
  })

  test('stream ends, the probe is answered, it reconnects → nothing moves', () => {
    const cluster = twoWithJob()
    const before = cluster.tasksOn('b')
    cluster.breaks('b')
    cluster.event({ kind: 'probed', executor: executorId('b'), answer: { kind: 'identified', executor: executorId('b') } })
    cluster.pass(500, ['a'])
    const commands = cluster.join('b', 2, before.map(({ ref, generation, slot }) => ({ task: ref, generation, slot, transactionalId: 'x' })))
    cluster.pass(3_000, ['a', 'b'])
    expect(cluster.tasksOn('b')).toEqual(before)
    expect(cluster.told('b', 'assign', commands)).toEqual([])
    expect(cluster.eventNames()).not.toContain('executor.dead')
  })

  test('driver watches heartbeats, time-out = failure: a hang, no heartbeat for the time-out → dead, its stream is cut', () => {
    const cluster = twoWithJob()
    cluster.pass(1_950, ['a'])
    expect(cluster.tasksOn('b')).toHaveLength(2)
    const commands = cluster.pass(100, ['a'])
    expect(cluster.tasksOn('b')).toEqual([])
    expect(ofKind(commands, 'disconnect')).toHaveLength(1)
  })

  test('the driver itself was paused → nobody is declared dead, everybody gets a new period', () => {
    const cluster = twoWithJob()
    cluster.now += 30_000
    cluster.event({ kind: 'tick' })
    cluster.pass(1_900)
    expect(cluster.eventNames()).toContain('driver.was-paused')
    expect(cluster.tasksOn('a').length + cluster.tasksOn('b').length).toBe(4)
    cluster.pass(200)
    expect(cluster.eventNames().filter((name) => name === 'executor.dead')).toHaveLength(2)
  })

  test('the last executor dies → tasks wait and the job says why; a new one gets them within its registration', () => {
    const cluster = new Cluster()
    cluster.join('a')
    cluster.start(runRecord())
    cluster.breaks('a')
    cluster.event(refused('a'))
    expect(cluster.core.list(cluster.now)[0]).toMatchObject({ state: 'running', tasksWaiting: 4, reason: '4 of 4 tasks wait: there is no executor' })
    expect(cluster.told('c', 'assign', cluster.join('c')).flatMap(({ tasks }) => tasks)).toHaveLength(4)
  })

  test('a dead one speaks again on its old stream → it is cut and must register; what others have now it must stop', () => {
    const cluster = twoWithJob()
    const before = cluster.tasksOn('b')
    cluster.pass(2_100, ['a'])
    expect(ofKind(cluster.says('b', { kind: 'heartbeat', sequence: 9, tasks: [], logs: [] }), 'disconnect')).toHaveLength(1)
    const commands = cluster.join('b', 2, before.map(({ ref, generation, slot }) => ({ task: ref, generation, slot, transactionalId: 'x' })))
    expect(cluster.told('b', 'revoke', commands)).toEqual([expect.objectContaining({ reason: 'stop', tasks: before.map(({ ref }) => ref) })])
  })
})

describe('a slot dies', () => {
  test('only its tasks move, its ids are fenced', () => {
    const cluster = new Cluster()
    cluster.join('a')
    cluster.start(runRecord())
    cluster.runs('a')
    const [mine, others] = [cluster.tasksOn('a').filter(({ slot }) => slot === 0), cluster.tasksOn('a').filter(({ slot }) => slot === 1)]
    const commands = cluster.says('a', { kind: 'slot-died', slot: 0, slotId: slotId('a-p0'), reason: 'signal SIGKILL', transactionalIds: ['id-9'], tasks: mine.map(({ ref }) => ref) })
    expect(ofKind(commands, 'fence')).toEqual([expect.objectContaining({ ids: ['id-9'] })])
    expect(cluster.told('a', 'assign', commands).flatMap(({ tasks }) => tasks)).toHaveLength(2)
    expect(cluster.tasksOn('a').filter(({ ref }) => others.some((one) => one.ref === ref))).toEqual(others)
  })
  test('word of the death of an earlier process of that slot → the tasks of the present one stay', () => {
    const cluster = new Cluster()
    cluster.join('a', 1)
    cluster.start(runRecord({ tasks: 1 }))
    cluster.runs('a')
    const before = cluster.tasksOn('a')
    cluster.says('a', { kind: 'slot-died', slot: 0, slotId: slotId('of old'), reason: 'exit', transactionalIds: [], tasks: before.map(({ ref }) => ref) })
    expect(cluster.tasksOn('a')).toEqual(before)
  })
  test('again and again → the pauses grow', () => {
    const cluster = new Cluster()
    cluster.join('a', 1)
    cluster.start(runRecord({ tasks: 1 }))
    const given: number[] = []
    for (let i = 0; i < 6; i++) {
      const [task] = cluster.tasksOn('a')
      const began = cluster.now
      cluster.says('a', { kind: 'failed', task: task?.ref as never, generation: task?.generation as never, error: { code: 'X', message: 'x', blame: 'environment', action: 'restart-task' } })
      while (cluster.waiting() > 0) cluster.pass(50, ['a'])
      given.push(cluster.now - began)
    }
    expect(given).toEqual([0, 200, 400, 800, 1_600, 3_200])
  })
})

describe('planned moves', () => {
  test('an executor joins → it is told only after the release is reported (R7)', () => {
    const cluster = new Cluster()
    cluster.join('a')
    cluster.start(runRecord())
    cluster.runs('a')
    const joined = cluster.join('b')
    const leaving = cluster.told('a', 'revoke', joined).flatMap(({ tasks }) => tasks)
    expect(leaving).toHaveLength(2)
    expect(cluster.told('b', 'assign', joined)).toEqual([])
    const commands = leaving.flatMap((task) => cluster.says('a', { kind: 'released', task, generation: cluster.generationOf(task) }))
    expect(cluster.told('b', 'assign', commands).flatMap(({ tasks }) => tasks).map(({ task }) => task)).toEqual(leaving)
    expect(ofKind(commands, 'fence')).toEqual([])
  })
  test('an executor joins whose slot processes are still starting → nothing moves before they are there', () => {
    const cluster = new Cluster()
    cluster.join('a')
    cluster.start(runRecord())
    cluster.runs('a')
    expect(cluster.told('a', 'revoke', cluster.join('b', 2, [], 'cold'))).toEqual([])
    const commands = cluster.says('b', { kind: 'slot-started', process: { slot: 0, slotId: slotId('b-p0'), pid: 1, pidStart: '1' } })
    expect(cluster.told('a', 'revoke', commands).flatMap(({ tasks }) => tasks)).toHaveLength(1)
  })
  test('a death while another executor is still starting → its tasks go where a process waits', () => {
    const cluster = twoWithJob()
    cluster.join('c', 2, [], 'cold')
    cluster.breaks('b')
    const commands = cluster.event(refused('b'))
    expect(cluster.told('a', 'assign', commands).flatMap(({ tasks }) => tasks)).toHaveLength(2)
  })
  test('a release takes too long → that slot is killed and fenced, all its tasks go on elsewhere', () => {
    const cluster = new Cluster()
    cluster.join('a')
    cluster.start(runRecord())
    cluster.runs('a')
    for (const slot of [0, 1]) cluster.says('a', { kind: 'session', slot, transactionalId: `id-${slot}` })
    const [stuck] = cluster.told('a', 'revoke', cluster.join('b')).flatMap(({ tasks }) => tasks)
    const slot = cluster.tasksOn('a').find(({ ref }) => ref === stuck)?.slot
    const commands = cluster.pass(5_050, ['a', 'b'])
    expect(cluster.told('a', 'kill-slot', commands)).toContainEqual(expect.objectContaining({ slot, slotId: `a-p${slot}` }))
    expect(ofKind(commands, 'fence')).toContainEqual(expect.objectContaining({ ids: [`id-${slot}`] }))
    expect(cluster.waiting()).toBe(0)
    expect(cluster.tasksOn('a').filter((one) => one.slot === slot)).toEqual([])
  })
  test('SIGTERM of an executor → every task is released and given to others, then it may go', () => {
    const cluster = twoWithJob()
    const commands = cluster.says('b', { kind: 'draining' })
    const leaving = cluster.told('b', 'revoke', commands).flatMap(({ tasks, reason }) => reason === 'move' ? tasks : [])
    expect(leaving).toHaveLength(2)
    for (const task of leaving) cluster.says('b', { kind: 'released', task, generation: cluster.generationOf(task) })
    expect(cluster.tasksOn('a')).toHaveLength(4)
    cluster.says('b', { kind: 'leaving' })
    cluster.breaks('b', true)
    expect(cluster.eventNames()).toContain('executor.left')
    expect(cluster.eventNames()).not.toContain('executor.dead')
    expect(ofKind(cluster.commands, 'fence')).toEqual([])
  })
  test('the only executor drains → it is emptied all the same, and the job says so', () => {
    const cluster = new Cluster()
    cluster.join('a')
    cluster.start(runRecord())
    cluster.runs('a')
    const commands = cluster.says('a', { kind: 'draining' })
    for (const task of cluster.told('a', 'revoke', commands).flatMap(({ tasks }) => tasks)) cluster.says('a', { kind: 'released', task, generation: cluster.generationOf(task) })
    expect(cluster.waiting()).toBe(4)
    expect(cluster.core.list(cluster.now)[0]?.reason).toBe('4 of 4 tasks wait: no executor takes tasks (a is draining)')
  })
  test('an assignment that its executor never speaks of → given out again with a new generation', () => {
    const cluster = new Cluster()
    cluster.join('a', 1)
    cluster.start(runRecord({ tasks: 1 }))
    const [before] = cluster.tasksOn('a')
    cluster.pass(15_100, ['a'])
    const [after] = cluster.tasksOn('a')
    expect(compareGenerations(after?.generation as never, before?.generation as never)).toBeGreaterThan(0)
  })
})

describe('a cluster that keeps changing', () => {
  test('slots start one after the other → each task moves once at most, and then nothing moves any more', () => {
    const cluster = new Cluster()
    cluster.join('a')
    cluster.start(runRecord())
    cluster.runs('a')
    cluster.join('b', 2, [], 'cold')
    const moved = new Map<string, number>()
    const settle = (): void => {
      for (let round = 0; round < 20; round++) {
        cluster.pass(50, ['a', 'b'])
        for (const label of ['a', 'b']) {
          cluster.runs(label)
          for (const { ref, generation, phase } of cluster.tasksOn(label)) {
            if (phase !== 'releasing') continue
            moved.set(taskKey(ref), (moved.get(taskKey(ref)) ?? 0) + 1)
            cluster.says(label, { kind: 'released', task: ref, generation })
          }
        }
      }
    }
    for (const slot of [0, 1]) {
      cluster.says('b', { kind: 'slot-started', process: { slot, slotId: slotId(`b-p${slot}`), pid: slot, pidStart: '1' } })
      settle()
    }
    expect([...moved.values()]).toEqual([1, 1])
    expect([cluster.tasksOn('a').length, cluster.tasksOn('b').length]).toEqual([2, 2])
  })
})
