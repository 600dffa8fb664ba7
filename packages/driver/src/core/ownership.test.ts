import { describe, expect, test } from '@jest/globals'
import { jobId } from '@tidemark/base'
import { Cluster, ofKind, runRecord } from './cluster.sample.ts'

describe('heartbeats', () => {
  test('a status gathered before the task ran comes after word that it runs → the steps of its recovery stay', () => {
    const cluster = new Cluster()
    cluster.join('a')
    cluster.start(runRecord({ tasks: 1 }))
    const [task] = cluster.tasksOn('a')
    if (task === undefined) throw new TypeError('the task has no owner')
    const steps = { startedAt: 1, readMs: 4, fencedMs: 5, claimedMs: 6, loadedMs: 7, tailedMs: 8, tailRecords: 3, tailBatches: 2, fencedIds: 1, remarks: [] }
    const status = (phase: 'taking-over' | 'running', recovery: typeof steps): void => void cluster.says('a', {
      kind: 'heartbeat', sequence: 1, logs: [], tasks: [{ task: task.ref, generation: task.generation, phase, inputs: [], batchId: 0, stateKeys: 0, stateBytes: 0, recovery, totals: {} }],
    })
    const shown = (): unknown => cluster.core.describe(task.ref.job, cluster.now)?.tasks[0]?.recovery?.steps
    status('taking-over', { ...steps, claimedMs: 0, loadedMs: 0, tailedMs: 0 })
    expect(shown()).toMatchObject({ readMs: 4, tailedMs: 0 })
    cluster.says('a', { kind: 'running', task: task.ref, generation: task.generation, recovery: steps })
    status('taking-over', { ...steps, claimedMs: 0, loadedMs: 0, tailedMs: 0 })
    expect(shown()).toEqual(steps)
    status('running', { ...steps, tailBatches: 9 })
    expect(shown()).toMatchObject({ tailBatches: 9 })
  })
  test.each([[true, true], [false, false]])('an owner says for longer than an assignment may take that it waits, and has begun with the task: %s → described with what for; it keeps the task: %s, else another may fare better', (hasBegun, keeps) => {
    const cluster = new Cluster()
    cluster.join('a')
    cluster.start(runRecord({ tasks: 1 }))
    const [task] = cluster.tasksOn('a')
    if (task === undefined) throw new TypeError('the task has no owner')
    const steps = { startedAt: 1, readMs: 4, fencedMs: 0, claimedMs: 0, loadedMs: 0, tailedMs: 0, tailRecords: 0, tailBatches: 0, fencedIds: 0, remarks: [] }
    const status = { task: task.ref, generation: task.generation, phase: 'taking-over', waitingFor: 'store unreachable: it is away', inputs: [], batchId: 0, stateKeys: 0, stateBytes: 0, totals: {}, ...(hasBegun ? { recovery: steps } : {}) } as const
    for (let beat = 0; beat < 64; beat += 1) {
      cluster.says('a', { kind: 'heartbeat', sequence: beat, logs: [], tasks: [status] })
      if (beat === 10) expect(cluster.core.describe(task.ref.job, cluster.now)?.tasks).toEqual([expect.objectContaining({ phase: 'taking-over', waitingFor: 'store unreachable: it is away', executor: 'a' })])
      cluster.pass(250)
    }
    expect(cluster.eventNames().includes('task.assignment-lost')).toBe(!keeps)
  })
  test.each(['running', 'waiting'] as const)('the word that a task runs is lost with a stream that broke → its status says it (%s): the next checkpoint begins, and a drain', (phase) => {
    const cluster = new Cluster()
    cluster.join('a')
    cluster.start(runRecord({ tasks: 2 }))
    const tasks = cluster.tasksOn('a')
    cluster.breaks('a')
    cluster.join('a', 2, tasks.map(({ ref: task, generation, slot }) => ({ task, generation, slot, transactionalId: 'x' })))
    const says = (told: typeof phase | 'taking-over' | 'releasing', counter = 0): void => void cluster.says('a', { kind: 'heartbeat', sequence: 1, logs: [], tasks: tasks.map(({ ref: task, generation }) => (
      { task, generation: { ...generation, counter: generation.counter + counter }, phase: told, inputs: [], batchId: 1, stateKeys: 0, stateBytes: 0, totals: {} })) })
    says('taking-over')
    says('releasing')
    says(phase, 100)
    expect(cluster.tasksOn('a').map((one) => one.phase)).toEqual(['assigned', 'assigned'])
    says(phase)
    expect(cluster.tasksOn('a').map((one) => one.phase)).toEqual(['running', 'running'])
    says(phase)
    expect(cluster.eventNames().filter((name) => name === 'task.running')).toHaveLength(2)
    expect(ofKind(cluster.pass(30_100, ['a']), 'read-outputs')).toEqual([expect.objectContaining({ checkpoint: 1 })])
    expect(ofKind([...cluster.event({ kind: 'drain', job: jobId('orders') }), ...cluster.pass(100, ['a'])], 'read-outputs')).toEqual([expect.objectContaining({ checkpoint: 2 })])
  })
})
