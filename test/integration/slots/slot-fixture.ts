// Slots in this process over a log and a store: a job, its run, and slots that can be cut off as if killed.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { executorId, jobId, noFaults, realClock, realRandom, silentLogger, slotId, stageId, TidemarkError } from '@tidemark/base'
import type { Clock, FaultPoints, Log, Logger, ObjectStore, OutboxSink, ProducerSession, TaskRef, TransactionalId } from '@tidemark/base'
import { ALL_RULES, paths } from '@tidemark/checkpoint'
import type { Generation, Manifest, RunRecord } from '@tidemark/checkpoint'
import { openLocalStore } from '@tidemark/store-local'
import { cutStages, jobFunctions, planHash } from 'tidemark'
import type { Job, JobSettings } from 'tidemark'
import { createTask, Slot } from '@tidemark/runtime'
import type { SlotEvent, Task } from '@tidemark/runtime'

/** `folder`: for a log that lives in one; removed with the fixture. */
export type OpenLog = (folder: string) => Log

export interface SlotChanges {
  readonly faults?: FaultPoints
  readonly origin?: Manifest
  /** Asked at each commit; `lost`: it commits and the answer gets lost; `never`: the request gets lost. */
  readonly spoil?: () => 'lost' | 'never' | undefined
  readonly store?: ObjectStore
  readonly clock?: Clock
  readonly logger?: Logger
  readonly sink?: OutboxSink
  readonly settings?: Partial<JobSettings>
}

export interface RunningSlot {
  readonly slot: Slot
  readonly events: SlotEvent[]
  /** As if its process were gone: it can neither read nor commit any more. */
  kill(): void
  readonly ended: Promise<unknown>
}

export class SlotFixture {
  readonly log: Log
  readonly store: ObjectStore
  readonly job: Job
  readonly run: RunRecord
  readonly #folder = mkdtempSync(join(tmpdir(), 'tidemark-slot-'))
  readonly #slots: RunningSlot[] = []
  #counter = 0

  private constructor(openLog: OpenLog, job: Job, partitions: number) {
    this.log = openLog(this.#folder)
    this.store = openLocalStore({ root: join(this.#folder, 'store') })
    this.job = job
    this.run = runOf(job, partitions)
  }

  static async start(openLog: OpenLog, job: Job, partitions: number, topics: readonly string[]): Promise<SlotFixture> {
    const fixture = new SlotFixture(openLog, job, partitions)
    const { run, log } = fixture
    await log.createTopics([...topics.map((topic) => ({ topic, partitions, config: { 'retention.ms': '-1' } })), { topic: job.plan().settings.deadLetterTopic, partitions: 1 },
      ...run.stages.map(({ stage, partitions: tasks }) => ({ topic: paths.journalTopic(run.job, run.run, stage), partitions: tasks })), ...run.shuffles.map(({ topic, partitions: tasks }) => ({ topic, partitions: tasks }))])
    return fixture
  }

  tasks(): TaskRef[] {
    return this.run.stages.flatMap(({ stage, partitions }) => Array.from({ length: partitions }, (_, partition) => ({ job: this.run.job, run: this.run.run, stage, partition })))
  }

  generation(): Generation {
    this.#counter += 1
    return { epoch: 1, counter: this.#counter }
  }

  /** Makes tasks of this job: empty ones, as every owner begins. */
  async makeTask(): Promise<(ref: TaskRef) => Task> {
    const plan = this.job.plan()
    const topics = await this.log.describeTopics(await this.log.listTopics())
    return (ref) => createTask({ ref, plan, physical: cutStages(plan), functions: jobFunctions(this.job), run: this.run, topics, partitionFor: (key, partitions) => this.log.partitionFor(key, partitions), clock: realClock })
  }

  /** What is not said is the fixture's, or does nothing. */
  async slot(options: SlotChanges = {}): Promise<RunningSlot> {
    const events: SlotEvent[] = []
    let alive = true
    const dead = (): never => {
      throw new Error('this slot was killed')
    }
    const real = this.log
    const own: Log = options.spoil === undefined ? real : Object.assign(Object.create(real) as Log, { session: (id: TransactionalId) => spoiled(real.session(id), options.spoil ?? (() => undefined)) })
    const log = new Proxy(own, {
      get: (_target, name) => {
        if (!alive) return dead
        const value: unknown = Reflect.get(name === 'session' ? own : real, name)
        return typeof value === 'function' ? value.bind(name === 'session' ? own : real) : value
      },
    })
    const plan = this.job.plan()
    const slot = new Slot({
      log, store: options.store ?? this.store, clock: options.clock ?? realClock, random: realRandom, logger: options.logger ?? silentLogger, faults: options.faults ?? noFaults, alive: () => alive, emit: (event) => void events.push(event),
      reader: () => this.log.reader(), sink: () => options.sink ?? { deliver: async () => {}, close: async () => {} },
    }, {
      owner: { executor: executorId(realRandom.uuid()), slot: 0, slotId: slotId(realRandom.uuid()) }, run: options.origin === undefined ? this.run : restored(this.run, options.origin), origin: options.origin, settings: { ...plan.settings, ...options.settings }, engineVersion: '0.1.0', rules: ALL_RULES,
      makeTask: await this.makeTask(),
    })
    const running: RunningSlot = { slot, events, kill: () => { alive = false; slot.stop() }, ended: slot.run().catch((error: unknown) => error) }
    this.#slots.push(running)
    return running
  }

  assign(running: RunningSlot, tasks: readonly TaskRef[], still = false): void {
    running.slot.handle({ kind: 'assign', tasks: tasks.map((task) => ({ task, generation: this.generation(), still })) })
  }

  /** A checkpoint of every task: begun, cut, named. */
  async snapshot(running: RunningSlot, checkpoint: number): Promise<void> {
    running.slot.handle({ kind: 'snapshot-begin', checkpoint, tasks: this.tasks() })
    running.slot.handle({ kind: 'snapshot-complete', checkpoint, tasks: this.tasks() })
    await this.until(() => running.events.filter((event) => event.kind === 'snapshot-named' && event.checkpoint === checkpoint).length === this.tasks().length, `snapshot ${checkpoint} of every task`)
  }

  /** Every value of a topic, parsed, in partition and offset order. */
  async read<T>(topic: string): Promise<T[]> {
    const reader = this.log.reader()
    const found: T[] = []
    for (const { partition, start, stable } of await this.log.offsets(topic)) {
      for (let offset = start; offset < stable;) {
        const [fetched] = await reader.fetch([{ topic, partition, offset, maxBytes: 1 << 20 }], { isolation: 'committed', maxWaitMs: 0 })
        if (fetched === undefined) break
        for (const record of fetched.records) if (record.value !== null) found.push(JSON.parse(record.value.toString()) as T)
        offset = fetched.nextOffset
      }
    }
    await reader.close()
    return found
  }

  async until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
    for (const began = performance.now(); performance.now() - began < 20_000;) {
      if (await condition()) return
      await realClock.sleep(5)
    }
    throw new Error(`waited in vain for: ${what}\n${this.#slots.map(({ events }) => JSON.stringify(events.filter((event) => event.kind !== 'status').slice(-10))).join('\n')}`)
  }

  async stop(): Promise<void> {
    for (const one of this.#slots) one.slot.stop()
    await Promise.all(this.#slots.map((one) => one.ended))
    await this.log.deleteTopics((await this.log.listTopics()).filter((topic) => topic.includes(this.run.job)))
    await this.log.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

const spoiled = (session: ProducerSession, spoil: () => 'lost' | 'never' | undefined): ProducerSession => ({
  transactionalId: session.transactionalId,
  initialise: () => session.initialise(),
  append: (writes) => session.append(writes),
  commit: async () => {
    const how = spoil()
    if (how === undefined) return session.commit()
    if (how === 'lost') await session.commit()
    throw new TidemarkError(`the answer of a commit is made to get lost (${how})`, { code: 'LOG_OUTCOME_UNKNOWN', blame: 'environment', action: 'restart-task' })
  },
  close: () => session.close(),
})

const restored = (run: RunRecord, { run: before, checkpoint }: Manifest): RunRecord => ({ ...run, from: { run: before, checkpoint, manifest: paths.manifest(run.job, checkpoint) } })

const runOf = (job: Job, partitions: number): RunRecord => {
  const plan = job.plan()
  const physical = cutStages(plan)
  const name = jobId(plan.job)
  const hash = planHash(plan)
  const tasksOf = new Map(physical.stages.map((stage) => [stage.id, stage.inputs.some((input) => input.kind === 'shuffle') ? plan.settings.parallelism : partitions]))
  const shuffles = physical.stages.flatMap((stage) => stage.shuffles.map(({ shuffle, to }) => ({ shuffle, from: stageId(Number(stage.id.slice(1))), to: stageId(Number(to.slice(1))), topic: paths.shuffleTopic(name, 1, shuffle), partitions: tasksOf.get(to) ?? 0 })))
  return {
    formatVersion: 1, job: name, run: 1, jobVersion: plan.version, planHash: hash, plan: paths.plan(name, hash), bundle: { key: paths.bundle(name, 'b'.repeat(64)), sha256: 'b'.repeat(64), sizeBytes: 1 },
    stages: physical.stages.map((stage) => ({
      stage: stageId(Number(stage.id.slice(1))), partitions: tasksOf.get(stage.id) ?? 0,
      inputs: stage.inputs.map((input) => {
        if (input.kind === 'shuffle') return { input: input.shuffle, kind: 'shuffle' as const, topic: paths.shuffleTopic(name, 1, input.shuffle), partitions: tasksOf.get(stage.id) ?? 0 }
        const node = plan.nodes.find((one) => one.id === input.node)
        return { input: input.node, kind: 'topic' as const, topic: node?.kind === 'source' && node.source.kind === 'topic' ? node.source.topic : '', partitions }
      }),
    })),
    shuffles, from: null, createdAt: 0,
  }
}
