// For the shell's tests: memory ports, a plan, and journals written by owners that the test plays.
import { executorId, jobId, realClock, silentLogger, slotId, transactionalId } from '@tidemark/base'
import type { JobId, Log, ProducerSession, TidemarkError } from '@tidemark/base'
import { ALL_RULES, encodeRecord, formatManifest, paths } from '@tidemark/checkpoint'
import type { Books, CommitRecord, Generation, Manifest, SnapshotRef, Stamp } from '@tidemark/checkpoint'
import { MemoryBroker, MemoryLog, MemoryObjectStore } from '@tidemark/testkit'
import type { LogicalPlan } from 'tidemark'
import { job, json, topic, topicSink } from 'tidemark'
import { DEFAULT_SETTINGS } from '../core/protocol.ts'
import type { KnownJob } from '../core/protocol.ts'
import { Leading } from './leading.ts'
import { makeLeadership } from './ports.ts'
import type { DriverPorts, Leadership } from './ports.ts'

export const JOB = jobId('orders')

export interface TestPorts extends DriverPorts {
  readonly log: MemoryLog
  readonly store: MemoryObjectStore
}

export const memoryPorts = async (): Promise<TestPorts> => {
  const log = new MemoryLog({ clock: realClock, broker: new MemoryBroker({ clock: realClock }) })
  await log.createTopics([{ topic: 'in', partitions: 2 }, { topic: 'out', partitions: 1 }])
  return { log, store: new MemoryObjectStore({ clock: realClock }), clock: realClock, logger: silentLogger }
}

export const lead = (epoch: number, rules = ALL_RULES): Leadership => makeLeadership({ epoch, driver: `d${epoch}`, rules })

/** One stage, copartitioned: two tasks. */
export const planOf = ({ version = '1', input = 'in', output = 'out' } = {}): LogicalPlan =>
  job('orders', { version })
    .source('in', topic<{ readonly user: string, readonly amount: number }>(input, { value: json() }))
    .keyBy((order) => order.user, { copartitioned: true })
    .reduce('totals', (a, b) => ({ user: a.user, amount: a.amount + b.amount }))
    .sink('out', topicSink(output, { value: json() }))
    .plan()

export const bundle = (text = 'export default job'): Buffer => Buffer.from(text)

const BOOKS: Books = { offsets: 0, noRecord: 0, records: 0, shuffleRecords: 0, blocks: 0, folded: 0, passedOn: 0, filtered: 0, late: 0, deadLettered: 0, skipped: 0, emitted: 0 }

/** A complete checkpoint of a run of that plan, without its objects. `at`: which partition of which topic each task has read. */
export const storeCheckpoint = async ({ store }: DriverPorts, run: number, checkpoint: number, at = (partition: number) => ({ topic: 'in', partition })): Promise<void> => {
  const generation = { epoch: 5, counter: 1 }
  const ref = (partition: number): SnapshotRef => ({
    generation, owner: { executor: executorId('e'), slot: 0, slotId: slotId('s') }, transactionalId: transactionalId('x'), checkpoint, batchId: 1, journalNext: 1, positions: [{ input: 'n0', ...at(partition), next: 0 }], keys: 1,
    objects: [{ key: paths.snapshotObject({ job: JOB, run, stage: 's0' as never, partition }, checkpoint, generation, 'n', 0), sizeBytes: 3, sha256: 'b'.repeat(64) }],
  })
  const manifest: Manifest = {
    formatVersion: 1, job: JOB, run, checkpoint, engineVersion: '0.1.0', jobVersion: '1', schemas: {}, driverEpoch: 5, timestamp: 1, inFlight: [], outputs: [{ topic: 'out', partition: 0, next: 0 }],
    parts: [0, 1].map((partition) => ({ stage: 's0' as never, partition, ref: ref(partition), upstreams: [] })),
  }
  await store.put(paths.manifest(JOB, checkpoint), formatManifest(manifest))
}

/** A leadership over `jobs`, without executors. Whoever takes it ends it. */
export const leads = (ports: DriverPorts, epoch: number, jobs: readonly KnownJob[] = [], damaged: ReadonlyMap<JobId, TidemarkError> = new Map()): Leading =>
  new Leading({ ports, leadership: lead(epoch), settings: DEFAULT_SETTINGS, engineVersion: '0.1.0', jobs, damaged, probe: async () => ({ kind: 'silent', reason: 'nobody' }), onStepDown: () => {} })

/** An executor's slot that owns tasks of a run. */
export class PlayedOwner {
  readonly stamp: Stamp
  readonly session: ProducerSession
  readonly #run: number

  constructor(log: Log, run: number, name: string, generation: Generation, id = 1) {
    this.#run = run
    const transactionalId = paths.transactionalId(JOB, run, slotId(name), id)
    this.stamp = { generation, owner: { executor: executorId(`e-${name}`), slot: 0, slotId: slotId(name) }, transactionalId }
    this.session = log.session(transactionalId)
  }

  #topic(): string {
    return paths.journalTopic(JOB, this.#run, 's0')
  }
  #base(partition: number) {
    return { task: { job: JOB, run: this.#run, stage: 's0' as CommitRecord['task']['stage'], partition }, timestamp: 1, ...this.stamp }
  }

  async claim(partition: number): Promise<void> {
    await this.session.append([{ topic: this.#topic(), partition, records: encodeRecord({ kind: 'claim', nonce: 'n', ...this.#base(partition) }).map((value) => ({ key: null, value })) }])
    await this.session.commit()
  }

  async append(partition: number, batchId: number): Promise<void> {
    const record: CommitRecord = { kind: 'commit', ...this.#base(partition), engineVersion: '0', jobVersion: '1', snapshots: [], content: { batchId, positions: [], upstreams: [], idle: false, state: Buffer.alloc(0), books: BOOKS, totals: BOOKS, outbox: { entries: 0, bytes: 0 } } }
    await this.session.append([{ topic: this.#topic(), partition, records: encodeRecord(record).map((value) => ({ key: null, value })) }])
  }

  async commit(partition: number, batchId: number): Promise<void> {
    await this.append(partition, batchId)
    await this.session.commit()
  }
}
