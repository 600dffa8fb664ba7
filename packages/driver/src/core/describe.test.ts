// What is told of a job, on virtual time: what nobody knows is not told as a number, what is no cause for alarm not as one.
import { describe, expect, test } from '@jest/globals'
import { jobId } from '@tidemark/base'
import type { TaskStatus } from '@tidemark/wire'
import { Cluster, runRecord } from './cluster.sample.ts'

/** What its owner says of each task; `behind`: records that are there and not read yet. */
const saysOf = (cluster: Cluster, label: string, phase: TaskStatus['phase'], behind: number): void => {
  cluster.says(label, { kind: 'heartbeat', sequence: 0, logs: [], tasks: cluster.tasksOn(label).map(({ ref, generation }) => ({
    task: ref, generation, phase, inputs: ref.stage === 's0' ? [{ input: 'n0', topic: 'in', partition: ref.partition, next: 10, stable: 10 + behind }] : [], batchId: 1, stateKeys: 0, stateBytes: 0, totals: {},
  })) })
}
const lagsOf = (cluster: Cluster) => {
  const { summary, tasks } = cluster.core.describe('orders', cluster.now) ?? {}
  return { all: summary?.lag, each: tasks?.map(({ lag }) => lag) }
}
const NOBODY_KNOWS = { all: undefined, each: [undefined, undefined] }

describe('lag', () => {
  test('lag, nobody runs the tasks: no executor yet, owners that take them over, an owner that is gone → not known, never 0', () => {
    const cluster = new Cluster()
    cluster.start(runRecord({ tasks: 2 }))
    expect(lagsOf(cluster)).toEqual(NOBODY_KNOWS)
    cluster.join('a')
    expect(lagsOf(cluster)).toEqual(NOBODY_KNOWS)
    saysOf(cluster, 'a', 'taking-over', 0)
    expect(lagsOf(cluster)).toEqual(NOBODY_KNOWS)
    cluster.runs('a')
    saysOf(cluster, 'a', 'running', 7)
    expect(lagsOf(cluster)).toEqual({ all: 14, each: [7, 7] })
    saysOf(cluster, 'a', 'waiting', 9)
    expect(lagsOf(cluster)).toEqual({ all: 18, each: [9, 9] })
    cluster.breaks('a', true)
    expect(lagsOf(cluster)).toEqual(NOBODY_KNOWS)
    expect(cluster.core.list(cluster.now)[0]).not.toHaveProperty('lag')
  })

  test('lag, only tasks behind a shuffle do not run → that of the source topics is known all the same', () => {
    const cluster = new Cluster()
    cluster.join('a')
    cluster.start(runRecord({ tasks: 2, shuffle: true }))
    cluster.runs('a')
    saysOf(cluster, 'a', 'running', 3)
    const [last] = cluster.tasksOn('a').filter(({ ref }) => ref.stage === 's1')
    if (last === undefined) throw new Error('a task behind the shuffle has an owner')
    cluster.says('a', { kind: 'given-up', task: last.ref, generation: last.generation, reason: 'x', ended: false })
    expect(lagsOf(cluster)).toMatchObject({ all: 6 })
    expect(lagsOf(cluster).each?.filter((lag) => lag === undefined)).toHaveLength(1)
  })
})

test('checkpoint, a run that began empty while those of a run before are kept → none of its own yet, and none is overdue; one that began from such a one → that', () => {
  const old = { checkpoint: 7, run: 1, takenAt: 1, bytes: 10, parts: 2 }
  const described = (record: ReturnType<typeof runRecord>) => {
    const cluster = new Cluster()
    cluster.join('a')
    cluster.start({ ...record, run: 2, createdAt: 1_000_000 + cluster.now }, { checkpoints: [old] })
    cluster.runs('a')
    return cluster.core.describe('orders', cluster.now)
  }
  const empty = described(runRecord({ tasks: 2 }))
  expect(empty?.summary).toMatchObject({ state: 'running', run: 2 })
  expect(empty?.summary).not.toHaveProperty('checkpoint')
  expect(empty?.warnings).toEqual([])
  expect(empty?.checkpoints).toEqual([old])
  expect(described({ ...runRecord({ tasks: 2 }), from: { run: 1, checkpoint: 7, manifest: 'm' } })?.summary).toMatchObject({ checkpoint: 7, checkpointAt: 1 })
})

test('tasks, the job is cancelled → none of them waits', () => {
  const cluster = new Cluster()
  cluster.join('a')
  cluster.start(runRecord({ tasks: 2 }))
  cluster.runs('a')
  cluster.event({ kind: 'cancel', job: jobId('orders') })
  cluster.event({ kind: 'run-cancelled', job: jobId('orders'), run: 1 })
  expect(cluster.core.describe('orders', cluster.now)?.summary).toMatchObject({ state: 'cancelled', tasks: 2, tasksRunning: 0, tasksWaiting: 0 })
})

test('phase, what an owner said before it said that the task runs comes after it → it runs', () => {
  const cluster = new Cluster()
  cluster.join('a')
  cluster.start(runRecord({ tasks: 2 }))
  cluster.runs('a')
  saysOf(cluster, 'a', 'taking-over', 0)
  const { summary, tasks } = cluster.core.describe('orders', cluster.now) ?? {}
  expect(summary?.tasksRunning).toBe(2)
  expect(tasks?.map(({ phase }) => phase)).toEqual(['running', 'running'])
})

test('growth, the newest checkpoint is not overdue → what has grown is told, and no hour in which the disk is full', () => {
  const cluster = new Cluster()
  cluster.join('a')
  cluster.start({ ...runRecord({ tasks: 2 }), createdAt: 1_000_000 + cluster.now })
  cluster.runs('a')
  const grows = () => {
    cluster.says('a', { kind: 'heartbeat', sequence: 0, logs: [], tasks: cluster.tasksOn('a').map(({ ref, generation }) => ({ task: ref, generation, phase: 'running', inputs: [], batchId: 9, stateKeys: 0, stateBytes: 0, totals: {}, tail: { batches: 9, bytes: 1_000 } })) })
    return cluster.core.describe('orders', cluster.now, 1_000_000)?.growth
  }
  cluster.pass(25_000, ['a'])
  expect(grows()).toEqual({ batches: 18, bytes: 2_000, bytesPerHour: 288_000, freeBytes: 1_000_000 })
  cluster.pass(130_000, ['a'])
  expect(grows()).toHaveProperty('fullInHours')
})

test('waiting, every slot has another job → what makes a slot free stands there; slots that are not ready yet → not', () => {
  const cluster = new Cluster()
  cluster.join('a', 1)
  cluster.start(runRecord({ tasks: 2 }))
  cluster.runs('a')
  cluster.start(runRecord({ job: 'second', tasks: 2 }))
  const reasonOf = (job: string): string | undefined => cluster.core.describe(job, cluster.now)?.summary.reason
  expect(reasonOf('second')).toBe('2 of 2 tasks wait: no slot is free. A slot runs one job at a time, and other jobs have all of them: start an executor more, or one with more slots (`tidemark dev` takes `--executors` and `--slots`), or cancel another job')
  cluster.join('b', 1, [], 'cold')
  expect(reasonOf('second') ?? '').not.toContain('cancel another job')
})
