// Every message survives the way through protobuf unchanged: proto/ and messages.ts name the same things.
import { describe, expect, test } from '@jest/globals'
import { executorId, jobId, slotId, stageId } from '@tidemark/base'
import type { DriverMessage, ExecutorMessage, JobDescription, RecoveryTimeline, TaskStatus } from './index.ts'
import { clusterMethods, jobMethods } from './services.ts'

const task = { job: jobId('orders'), run: 3, stage: stageId(1), partition: 0 }
const generation = { epoch: 7, counter: 0 }
const process = { slot: 0, slotId: slotId('b2'), pid: 4711, pidStart: '99887766' }
const recovery: RecoveryTimeline = {
  startedAt: 1_700_000_000_123, readMs: 1.25, fencedMs: 2, claimedMs: 3, loadedMs: 4, tailedMs: 5, firstCommitMs: 6.5, snapshot: { checkpoint: 4, keys: 5, bytes: 6 }, tailRecords: 7, tailBatches: 8, fencedIds: 2, remarks: ['newest snapshot is corrupt'],
}
const bareRecovery: RecoveryTimeline = { startedAt: 0, readMs: 0, fencedMs: 0, claimedMs: 0, loadedMs: 0, tailedMs: 0, tailRecords: 0, tailBatches: 0, fencedIds: 0, remarks: [] }
const status: TaskStatus = {
  task, generation, phase: 'waiting', waitingFor: 'outbox full', inputs: [{ input: 'n0', topic: 'in', partition: 2, next: Number.MAX_SAFE_INTEGER, stable: Number.MAX_SAFE_INTEGER }, { input: 's0-n2', topic: 't', partition: 0, next: 1, stable: 2, behindBytes: 3 }],
  batchId: 12, watermark: -5, stateKeys: 1, stateBytes: 2, snapshot: { checkpoint: 1, takenAt: 2, bytes: 3 }, recovery, totals: { folded: 5, late: 0 }, tail: { batches: 3, bytes: 400 },
}
const bareStatus: TaskStatus = { task, generation, phase: 'running', inputs: [], batchId: 0, stateKeys: 0, stateBytes: 0, totals: {} }

const EXECUTOR: { readonly [K in ExecutorMessage['kind']]: readonly Extract<ExecutorMessage, { kind: K }>[] } = {
  register: [{ kind: 'register', executor: executorId('a1'), label: 'west', slots: 2, processes: [process], probeAddress: '127.0.0.1:5', engineVersion: '0.1.0', pid: 5, pidStart: '6', running: [{ task, generation, slot: 1, transactionalId: 'tidemark.orders.3.b2.1' }] }],
  heartbeat: [
    { kind: 'heartbeat', sequence: 0, tasks: [status, bareStatus], logs: [] },
    { kind: 'heartbeat', sequence: 1, tasks: [{ ...bareStatus, watermark: 0, recovery: bareRecovery }], logs: [{ slot: 0, heard: true, silentMs: 0.5 }, { slot: 1, heard: false, silentMs: 5_000, because: 'no answer' }] },
  ],
  'slot-started': [{ kind: 'slot-started', process }],
  'slot-died': [{ kind: 'slot-died', slot: 0, slotId: slotId('b2'), reason: 'exit 137', transactionalIds: ['x'], tasks: [task] }],
  session: [{ kind: 'session', slot: 0, transactionalId: 'x' }],
  running: [{ kind: 'running', task, generation, recovery }],
  released: [{ kind: 'released', task, generation }],
  'given-up': [{ kind: 'given-up', task, generation, reason: '', ended: false }, { kind: 'given-up', task, generation, reason: 'ended', ended: true }],
  failed: [{ kind: 'failed', task, generation, error: { code: 'X', message: 'm', blame: 'user', action: 'fail-job', hint: 'h' } }, { kind: 'failed', task, generation, error: { code: 'X', message: 'm', blame: 'bug', action: 'exit' } }],
  'snapshot-cut': [{ kind: 'snapshot-cut', task, checkpoint: 1, batchId: 9 }],
  'snapshot-named': [{ kind: 'snapshot-named', part: { task, checkpoint: 1, ref: { objects: [{ key: 'k' }] }, upstreams: [], watermark: 0, outbox: [{ sink: 'archive', entries: 2 }] } }, { kind: 'snapshot-named', part: { task, checkpoint: 1, ref: null, upstreams: [1] } }],
  'snapshot-failed': [{ kind: 'snapshot-failed', task, checkpoint: 1, reason: 'store unreachable' }],
  'in-flight-stored': [{ kind: 'in-flight-stored', task, checkpoint: 1, objects: [], blocks: 0, bytes: 0 }],
  draining: [{ kind: 'draining' }],
  'group-edited': [{ kind: 'group-edited', job: task.job, group: 'tidemark.orders', offsets: [{ topic: 'orders', partition: 1, offset: 7 }] }],
  leaving: [{ kind: 'leaving' }],
}
const DRIVER: { readonly [K in DriverMessage['kind']]: readonly Extract<DriverMessage, { kind: K }>[] } = {
  registered: [{ kind: 'registered', driver: 'd', epoch: 1, heartbeatIntervalMs: 250, heartbeatTimeoutMs: 2_000 }],
  'not-leader': [{ kind: 'not-leader' }, { kind: 'not-leader', leader: '127.0.0.1:7' }],
  refused: [{ kind: 'refused', error: { code: 'X', message: 'm', blame: 'environment', action: 'exit', hint: 'h' } }],
  assign: [{ kind: 'assign', epoch: 1, tasks: [{ task, generation, slot: 0 }, { task, generation, slot: 1, slotDied: true, still: true }] }],
  prepare: [{ kind: 'prepare', epoch: 1, slot: 0, job: task.job, run: 2 }],
  revoke: [{ kind: 'revoke', epoch: 1, tasks: [task], reason: 'move' }, { kind: 'revoke', epoch: 1, tasks: [], reason: 'stop' }],
  'snapshot-begin': [{ kind: 'snapshot-begin', epoch: 1, checkpoint: 2, tasks: [task] }, { kind: 'snapshot-begin', epoch: 1, checkpoint: 3, tasks: [task], last: true }],
  'snapshot-complete': [{ kind: 'snapshot-complete', epoch: 1, checkpoint: 2, tasks: [task] }],
  'snapshot-in-flight': [{ kind: 'snapshot-in-flight', epoch: 1, checkpoint: 2, task, ref: { a: 1 }, cuts: [{ stage: 's0', partition: 0, batchId: 4 }], bytesMax: 5 }],
  'snapshot-abandon': [{ kind: 'snapshot-abandon', epoch: 1, checkpoint: 2 }],
  pause: [{ kind: 'pause', epoch: 1, tasks: [task], forMs: 5_000, reason: 'paused: shuffle s0-n2 is 70 MiB behind' }],
  'kill-slot': [{ kind: 'kill-slot', epoch: 1, slot: 0, slotId: slotId('b2'), reason: 'release timed out' }],
  drain: [{ kind: 'drain', epoch: 1 }],
}
const JOB: JobDescription = {
  summary: { job: 'orders', version: '1', run: 1, state: 'running', reason: 'r', tasks: 2, tasksRunning: 1, tasksWaiting: 1, submittedAt: 1, lag: 0, checkpoint: 0, checkpointAt: 5, finalCheckpoint: 6 },
  tasks: [{
    stage: 's0', partition: 0, phase: 'running', waitingFor: 'w', executor: 'west', executorId: 'a1', slot: 0, generation, inputs: status.inputs, lag: 0, batchId: 1, watermark: 2, stateKeys: 3, stateBytes: 4, tail: { batches: 3, bytes: 400 },
    snapshot: { checkpoint: 1, takenAt: 2, bytes: 3 }, recovery: { cause: 'c', detectedAt: 1, assignedAt: 2, steps: recovery }, totals: { folded: 1 },
  }, { stage: 's0', partition: 1, phase: 'unassigned', inputs: [], batchId: 0, stateKeys: 0, stateBytes: 0, totals: {} }],
  checkpoints: [{ checkpoint: 1, run: 1, takenAt: 2, bytes: 3, parts: 4 }], checkpointUnderWay: { checkpoint: 2, startedAt: 3, partsNamed: 0, parts: 4 },
  executors: [{ executor: 'a1', label: 'west', state: 'alive', slots: 2, tasks: 1, reason: 'r', since: 5 }], warnings: ['w'], growth: { batches: 5, bytes: 600, bytesPerHour: 7_000.5, freeBytes: 80_000, fullInHours: 11.5 }, startedFrom: 'checkpoint 0 of run 3', origin: { checkpoint: 0, run: 3 }, error: { code: 'X', message: 'm', blame: 'user', action: 'exit' },
}

describe('cluster.proto', () => {
  test.each(Object.values(EXECUTOR).flat())('executor message $kind → arrives as it was sent', (message) => {
    expect(clusterMethods.Connect.requestDeserialize(clusterMethods.Connect.requestSerialize(message))).toEqual(message)
  })
  test.each(Object.values(DRIVER).flat())('driver message $kind → arrives as it was sent', (message) => {
    expect(clusterMethods.Connect.responseDeserialize(clusterMethods.Connect.responseSerialize(message))).toEqual(message)
  })
  test('a message of an unknown kind → refused with its place', () => {
    expect(() => clusterMethods.Connect.requestDeserialize(Buffer.alloc(0))).toThrow(/known kind/)
  })
  test('an offset that is no safe integer → refused before it is sent', () => {
    const message: ExecutorMessage = { kind: 'snapshot-cut', task, checkpoint: 1, batchId: 2 ** 53 }
    expect(() => clusterMethods.Connect.requestSerialize(message)).toThrow(/safe integer/)
  })
})

describe('jobs.proto', () => {
  test('a full description → arrives as it was sent', () => {
    expect(jobMethods.Describe.responseDeserialize(jobMethods.Describe.responseSerialize({ job: JOB }))).toEqual({ job: JOB })
  })
  test('a bare description → absent fields stay absent', () => {
    const { reason: _reason, checkpoint: _checkpoint, checkpointAt: _at, finalCheckpoint: _final, ...summary } = JOB.summary
    const bare: JobDescription = { summary, tasks: [], checkpoints: [], executors: [], warnings: [], startedFrom: 'empty' }
    expect(jobMethods.Describe.responseDeserialize(jobMethods.Describe.responseSerialize({ job: bare }))).toEqual({ job: bare })
  })
  test('cancel, of a client that knows no modes → now, as it always was', () => {
    const plain = jobMethods.Describe.requestSerialize({ job: 'orders' })
    expect(jobMethods.Cancel.requestDeserialize(plain)).toEqual({ job: 'orders', mode: 'now' })
    for (const mode of ['drain', 'now'] as const) expect(jobMethods.Cancel.requestDeserialize(jobMethods.Cancel.requestSerialize({ job: 'orders', mode }))).toEqual({ job: 'orders', mode })
  })
  test('events and watch requests → arrive as they were sent', () => {
    const event = { sequence: 5, at: 6, event: 'executor.dead', job: 'orders', executor: 'a1', message: 'm', facts: { reason: ['x'] } }
    expect(jobMethods.WatchEvents.responseDeserialize(jobMethods.WatchEvents.responseSerialize(event))).toEqual(event)
    const request = { after: 0, follow: false }
    expect(jobMethods.WatchEvents.requestDeserialize(jobMethods.WatchEvents.requestSerialize(request))).toEqual(request)
  })
})
