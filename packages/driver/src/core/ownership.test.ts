import { describe, expect, test } from '@jest/globals'
import { Cluster, runRecord } from './cluster.sample.ts'

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
})
