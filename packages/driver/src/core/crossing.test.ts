// Words of executors that cross the driver's commands, or that went missing: what they say of one ownership changes no other.
import { describe, expect, test } from '@jest/globals'
import { slotId } from '@tidemark/base'
import { Cluster, runRecord } from './cluster.sample.ts'

describe('crossing words', () => {
  test('release: the word of an earlier ownership is no release of the present one', () => {
    const cluster = new Cluster()
    cluster.join('a', 1)
    cluster.start(runRecord({ tasks: 1 }))
    cluster.runs('a')
    const [task] = cluster.tasksOn('a')
    if (task === undefined) throw new Error('nobody has it')
    cluster.says('a', { kind: 'draining' })
    expect(cluster.tasksOn('a').map(({ phase }) => phase)).toEqual(['releasing'])
    cluster.says('a', { kind: 'released', task: task.ref, generation: { ...task.generation, counter: task.generation.counter - 1 } })
    expect(cluster.tasksOn('a').map(({ phase }) => phase)).toEqual(['releasing'])
    cluster.says('a', { kind: 'released', task: task.ref, generation: task.generation })
    expect(cluster.waiting()).toBe(1)
  })

  test('release: an executor that does not have the task says generation 0.0 → it is free', () => {
    const cluster = new Cluster()
    cluster.join('a', 1)
    cluster.start(runRecord({ tasks: 1 }))
    cluster.runs('a')
    const [task] = cluster.tasksOn('a')
    if (task === undefined) throw new Error('nobody has it')
    cluster.says('a', { kind: 'draining' })
    cluster.says('a', { kind: 'released', task: task.ref, generation: { epoch: 0, counter: 0 } })
    expect(cluster.waiting()).toBe(1)
  })

  test('a slot dies whose process the driver was never told of → the tasks that it had move all the same', () => {
    const cluster = new Cluster()
    cluster.join('a', 1, [], 'cold')
    cluster.start(runRecord({ tasks: 2 }))
    cluster.runs('a')
    const before = cluster.tasksOn('a')
    expect(before).toHaveLength(2)
    const commands = cluster.says('a', { kind: 'slot-died', slot: 0, slotId: slotId('unheard'), reason: 'out of memory', transactionalIds: [], tasks: before.map(({ ref }) => ref) })
    expect(cluster.told('a', 'assign', commands).flatMap(({ tasks }) => tasks)).toHaveLength(2)
  })

  test('a slot gets tasks of another run, a fresh process takes them, and dies → they move', () => {
    const cluster = new Cluster()
    cluster.join('a', 1)
    cluster.start(runRecord({ tasks: 2 }))
    cluster.says('a', { kind: 'slot-died', slot: 0, slotId: slotId('a-p0'), reason: 'it gets another job', transactionalIds: [], tasks: [] })
    cluster.says('a', { kind: 'slot-started', process: { slot: 0, slotId: slotId('a-p1'), pid: 2, pidStart: '2' } })
    cluster.runs('a')
    const before = cluster.tasksOn('a')
    const commands = cluster.says('a', { kind: 'slot-died', slot: 0, slotId: slotId('a-p1'), reason: 'killed by SIGKILL', transactionalIds: [], tasks: before.map(({ ref }) => ref) })
    expect(cluster.told('a', 'assign', commands).flatMap(({ tasks }) => tasks)).toHaveLength(2)
  })
})
