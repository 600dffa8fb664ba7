// For the core's tests: a run record, and a core on virtual time with executors that are played by the test.
import { executorId, jobId, slotId, stageId, taskKey } from '@tidemark/base'
import type { JobId, TaskRef } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { Generation, RunRecord } from '@tidemark/checkpoint'
import type { DriverMessage, ExecutorMessage, RecoveryTimeline, RunningTask, SlotLog } from '@tidemark/wire'
import type { JobSettings } from 'tidemark'
import { DriverCore } from './core.ts'
import { DEFAULT_SETTINGS } from './protocol.ts'
import type { DriverCommand, DriverEvent, DriverSettings, KnownJob } from './protocol.ts'

const MIB = 1024 * 1024
const SETTINGS: JobSettings = {
  parallelism: 2, onError: 'dead-letter', deadLetterTopic: 'orders.dead-letters', commitIntervalMinMs: 20, commitIntervalMaxMs: 500, batchOutputBytesMax: MIB, batchStateBytesMax: MIB,
  checkpointIntervalMs: 30_000, checkpointTimeoutMs: 60_000, checkpointInFlightBytesMax: MIB, checkpointsRetained: 10, outboxBytesMax: MIB, shuffleBacklogBytesMax: MIB, futureTimestampBoundMs: 60_000,
}
const HASH = 'a'.repeat(64)

/** One source topic of `tasks` partitions; with `shuffle`, two more tasks that read what those write. */
export const runRecord = ({ job = 'orders', run = 1, tasks = 4, shuffle = false, from = null }: { job?: string, run?: number, tasks?: number, shuffle?: boolean, from?: RunRecord['from'] } = {}): RunRecord => {
  const id = jobId(job)
  const [s0, s1] = [stageId(0), stageId(1)]
  const topic = paths.shuffleTopic(id, run, 's0-n1')
  return {
    formatVersion: 1, job: id, run, jobVersion: '1', planHash: HASH, plan: paths.plan(id, HASH), bundle: { key: paths.bundle(id, HASH), sha256: HASH, sizeBytes: 10 },
    stages: [
      { stage: s0, partitions: tasks, inputs: [{ input: 'n0', kind: 'topic', topic: 'in', partitions: tasks }] },
      ...(shuffle ? [{ stage: s1, partitions: 2, inputs: [{ input: 's0-n1', kind: 'shuffle' as const, topic, partitions: 2 }] }] : []),
    ],
    shuffles: shuffle ? [{ shuffle: 's0-n1', from: s0, to: s1, topic, partitions: 2 }] : [],
    from, createdAt: 1,
  }
}
export const known = (record: RunRecord, over: Partial<KnownJob> = {}): KnownJob => ({ run: { record, settings: SETTINGS, submittedAt: 1 }, state: 'new', checkpoints: [], checkpointNumber: 0, ...over })

const RECOVERY: RecoveryTimeline = { startedAt: 0, readMs: 1, fencedMs: 2, claimedMs: 3, loadedMs: 4, tailedMs: 5, tailRecords: 0, tailBatches: 0, fencedIds: 0, remarks: [] }

type Told<K extends DriverMessage['kind']> = Extract<DriverMessage, { readonly kind: K }>

export class Cluster {
  readonly core: DriverCore
  now = 10_000
  /** Every command so far. */
  readonly commands: DriverCommand[] = []
  readonly #connections = new Map<string, number>()
  #connection = 0
  readonly #silentSince = new Map<string, number | undefined>()
  /** Slots that are told to get ready, or get their first task, are ready at once. */
  readonly #slotsGetReady: boolean
  /** What the object store says when it is asked; `later`: nothing. */
  store: 'answers' | 'silent' | 'later' = 'answers'

  constructor({ epoch = 1, settings = {}, slotsGetReady = true }: { epoch?: number, settings?: Partial<DriverSettings>, slotsGetReady?: boolean } = {}) {
    this.#slotsGetReady = slotsGetReady
    this.core = new DriverCore({ driver: 'd1', epoch, wallOffsetMs: 1_000_000 }, { ...DEFAULT_SETTINGS, ...settings })
    this.event({ kind: 'tick' })
  }

  event(event: DriverEvent): DriverCommand[] {
    const commands = this.core.handle(event, this.now)
    this.commands.push(...commands)
    return [...commands, ...commands.flatMap((command) => this.#answer(command))]
  }

  #answer(command: DriverCommand): DriverCommand[] {
    if (command.kind === 'ask-store') return this.store === 'later' ? [] : this.event({ kind: 'store-heard', answers: this.store === 'answers' })
    if (command.kind !== 'send' || !this.#slotsGetReady) return []
    const { connection, message } = command
    const slots = message.kind === 'prepare' ? [message] : message.kind === 'assign' ? message.tasks.map(({ slot, task }) => ({ slot, job: task.job, run: task.run })) : []
    return slots.flatMap(({ slot, job, run }) => this.#session(connection, slot, job, run))
  }

  #session(connection: number, slot: number, job: JobId, run: number): DriverCommand[] {
    return this.event({ kind: 'message', connection, message: { kind: 'session', slot, transactionalId: paths.transactionalId(job, run, slotId(`${connection}-${slot}`), 0) } })
  }

  /** A slot says that it is ready for this run. */
  ready(label: string, slot: number, job = 'orders', run = 1): DriverCommand[] {
    return this.#session(this.#connections.get(label) ?? -1, slot, jobId(job), run)
  }

  /** From now on no slot of it hears the log, or all hear it again. Of one that this was never called for the driver is told nothing. */
  log(label: string, answers: boolean): void {
    this.#silentSince.set(label, answers ? undefined : this.now)
  }

  #logs(label: string): SlotLog[] {
    if (!this.#silentSince.has(label)) return []
    const since = this.#silentSince.get(label)
    return [0, 1].map((slot) => ({ slot, heard: true, silentMs: since === undefined ? 10 : this.now - since, because: 'no answer in time' }))
  }

  /** Ticks on time; `alive` send heartbeats meanwhile. */
  pass(ms: number, alive: readonly string[] = []): DriverCommand[] {
    const all: DriverCommand[] = []
    for (const end = this.now + ms; this.now < end;) {
      this.now += Math.min(DEFAULT_SETTINGS.tickMs, end - this.now)
      for (const label of alive) all.push(...this.says(label, { kind: 'heartbeat', sequence: 0, tasks: [], logs: this.#logs(label) }))
      all.push(...this.event({ kind: 'tick' }))
    }
    return all
  }

  /** Submitted and its topics made. */
  start(record: RunRecord, over: Partial<KnownJob> = {}): void {
    this.event({ kind: 'job-known', job: known(record, over) })
    this.event({ kind: 'run-ready', job: record.job, run: record.run, notes: [] })
  }

  join(label: string, slots = 2, running: readonly RunningTask[] = [], processes: 'warm' | 'cold' = 'warm'): DriverCommand[] {
    this.#connections.set(label, ++this.#connection)
    return this.event({ kind: 'message', connection: this.#connection, message: {
      kind: 'register', executor: executorId(label), label, slots, probeAddress: `${label}:1`, engineVersion: '0.1.0', pid: 100, pidStart: '7', running,
      processes: processes === 'cold' ? [] : Array.from({ length: slots }, (_, slot) => ({ slot, slotId: slotId(`${label}-p${slot}`), pid: 200 + slot, pidStart: '8' })),
    } })
  }

  says(label: string, message: ExecutorMessage): DriverCommand[] {
    return this.event({ kind: 'message', connection: this.#connections.get(label) ?? -1, message })
  }

  breaks(label: string, goodbye = false): DriverCommand[] {
    return this.event({ kind: 'closed', connection: this.#connections.get(label) ?? -1, goodbye, reason: goodbye ? 'said goodbye' : 'stream ended without goodbye' })
  }

  /** Every task that this executor was told to take and has not been reported about starts running, on a slot that is ready. */
  runs(label: string): DriverCommand[] {
    return this.tasksOn(label).filter(({ phase }) => phase === 'assigned')
      .flatMap(({ ref, generation, slot }) => [...this.ready(label, slot, ref.job, ref.run), ...this.says(label, { kind: 'running', task: ref, generation, recovery: RECOVERY })])
  }

  tasksOn(label: string): { readonly ref: TaskRef, readonly generation: Generation, readonly slot: number, readonly phase: string }[] {
    return ['orders', 'second'].flatMap((job) => [...this.core.job(job)?.tasks.values() ?? []]).flatMap(({ ref, place }) => place?.executor === label ? [{ ref, generation: place.generation, slot: place.slot, phase: place.phase }] : [])
  }

  /** Of its present owner. */
  generationOf(ref: TaskRef): Generation {
    return this.core.job(ref.job)?.tasks.get(taskKey(ref))?.place?.generation ?? { epoch: 0, counter: 0 }
  }

  waiting(job = 'orders'): number {
    return [...this.core.job(job)?.tasks.values() ?? []].filter(({ place }) => place === undefined).length
  }

  told<K extends DriverMessage['kind']>(label: string, kind: K, among: readonly DriverCommand[] = this.commands): Told<K>[] {
    const connection = this.#connections.get(label)
    return among.flatMap((command) => command.kind === 'send' && command.connection === connection && command.message.kind === kind ? [command.message as Told<K>] : [])
  }

  eventNames(among: readonly DriverCommand[] = this.commands): string[] {
    return among.flatMap((command) => command.kind === 'event' ? [command.event.event] : [])
  }
}

export const ofKind = <K extends DriverCommand['kind']>(commands: readonly DriverCommand[], kind: K): Extract<DriverCommand, { readonly kind: K }>[] =>
  commands.filter((command): command is Extract<DriverCommand, { readonly kind: K }> => command.kind === kind)
