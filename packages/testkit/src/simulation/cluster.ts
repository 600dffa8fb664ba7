// A whole simulated cluster: servers, two drivers, executors with their slots, a client, the input; and who starts anew what died.
import { TidemarkError } from '@tidemark/base'
import type { Clock, OutboxSink, Random } from '@tidemark/base'
import { ALL_RULES } from '@tidemark/checkpoint'
import { DEFAULT_SETTINGS } from '@tidemark/driver'
import type { JobHandlers } from '@tidemark/driver'
import type { Task } from '@tidemark/runtime'
import { seededRandom } from '../time/seeded-random.ts'
import { FLUSH, isCounted, makeEvents, POISON, poison } from './events.ts'
import type { DeadlyAt, SimEvent } from './events.ts'
import { Markers } from './markers.ts'
import type { Mutation } from './mutants.ts'
import { Network } from './network.ts'
import { DriverNode, ExecutorNode } from './nodes.ts'
import type { SlotNode, Surroundings } from './nodes.ts'
import { ObservedObjects } from './observed-objects.ts'
import { EPOCH_MS, SimProcess } from './process.ts'
import { Scheduler } from './scheduler.ts'
import { Servers } from './servers.ts'
import { Trace } from './trace.ts'
import { vary } from './variety.ts'
import { ALARMS, INPUT, RUNNING, WINDOWS } from './workload.ts'
import type { Workload } from './workload.ts'

const DRIVERS = ['d1', 'd2']
/** A broker ends a transaction that is open for longer, ms. */
const TRANSACTION_TIMEOUT_MS = 2_000
const SETTINGS = Object.freeze({
  ...DEFAULT_SETTINGS, heartbeatIntervalMs: 60, heartbeatTimeoutMs: 400, logSilenceMaxMs: 400, reconnectGraceMs: 80, reconnectPauseMaxMs: 400, tickMs: 25, releaseTimeoutMs: 700, assignmentTimeoutMs: 2_000,
  taskRetryMinMs: 20, taskRetryMaxMs: 300, procedureRetryMs: 100, garbageEvery: 2, prepareTimeoutMs: 600,
})

/** A record of the input, and where it is. */
export interface Placed {
  readonly event: SimEvent
  readonly partition: number
  readonly offset: number
}

export interface ClusterOptions {
  readonly seed: number
  readonly workload: Workload
  /** What is switched off. */
  readonly mutation?: Mutation
  readonly executors?: number
  readonly slots?: number
}

export class SimCluster {
  readonly scheduler = new Scheduler()
  readonly random: Random
  readonly network: Network
  readonly trace: Trace
  readonly servers: Servers
  readonly objects = new ObservedObjects()
  readonly markers = new Markers()
  readonly around: Surroundings
  readonly workload: Workload
  readonly drivers = new Map<string, DriverNode>()
  readonly executors = new Map<string, ExecutorNode>()
  /** Everything that was written so far, but what a generator makes only to fill up; and what of it every result counts. */
  readonly input: Placed[] = []
  readonly written: Placed[] = []
  /** Called when one has killed a process. */
  onMade: (slot: string, task: Task) => void = () => {}
  onKilled: (process: SimProcess, user: string) => void = () => {}
  /** A step of fault points: may kill who reaches it. */
  reached: (slot: SlotNode, point: string) => void = () => {}
  /** Events at the level `error`, as they come. */
  onError: (who: string, event: string, facts: object) => void = () => {}
  readonly #slots: number
  readonly #client: SimProcess
  /** Each has an id, as those of the CLI have: one whose answer was lost is the same submission. */
  #submissions = 0
  #lastTs = EPOCH_MS
  #executorsMade = 0

  constructor({ seed, workload, mutation = {}, executors = 2, slots = 1 }: ClusterOptions) {
    this.random = seededRandom(seed)
    this.workload = workload
    this.#slots = slots
    this.trace = new Trace(this.scheduler, (who, event, facts) => this.onError(who, event, facts))
    this.network = new Network(this.scheduler, seededRandom(seed ^ 0x5bd1e995))
    this.servers = new Servers(this.scheduler, this.network, this.trace, new SimProcess('server', 'server', this.scheduler), this.objects, TRANSACTION_TIMEOUT_MS)
    this.#client = new SimProcess('client', 'client', this.scheduler)
    this.around = {
      scheduler: this.scheduler, network: this.network, servers: this.servers, trace: this.trace, random: this.random, rules: { ...ALL_RULES, ...mutation.rules }, mutation, settings: SETTINGS, orphanMs: 0,
      jobs: new Map([[workload.name, workload.job]]), probes: new Map(), reached: (slot, point) => this.reached(slot, point), sink: (process, name) => this.#sink(process, name),
      made: (slot, task) => this.onMade(slot, task),
      killed: (process, user) => this.onKilled(process, user),
    }
    const topics = [INPUT, RUNNING, WINDOWS, ...(workload.variety.timers ? [ALARMS] : [])].map((topic) => ({ topic, partitions: workload.partitions }))
    this.servers.broker.createTopics(topics)
    for (const name of DRIVERS) this.startDriver(name)
    for (let i = 0; i < executors; i += 1) this.startExecutor()
  }

  startDriver(name: string): void {
    this.drivers.set(name, new DriverNode(this.around, name))
  }

  startExecutor(): ExecutorNode {
    this.#executorsMade += 1
    const name = `e${this.#executorsMade}`
    const node = new ExecutorNode(this.around, name, this.#slots, [...DRIVERS].map((driver) => `${driver}:7400`))
    this.executors.set(name, node)
    return node
  }

  alive(): ExecutorNode[] {
    return [...this.executors.values()].filter(({ process, left }) => process.state !== 'dead' && !left)
  }

  /** The client's. */
  get clock(): Clock {
    return this.#client.clock
  }

  /** Asks every driver until one answers; a refusal that is no driver's change goes to the caller. */
  async ask<T>(question: (jobs: JobHandlers) => Promise<T>): Promise<T> {
    for (let i = 0; ; i += 1) {
      const driver = this.drivers.get(DRIVERS[i % DRIVERS.length] ?? '')
      const answer = await this.#askOne(driver, question)
      if (answer.kind === 'answer') return answer.value
      if (!(answer.error instanceof TidemarkError) || answer.error.action !== 'retry') throw answer.error
      await this.#client.clock.sleep(40)
    }
  }

  submit(fromCheckpoint?: number): ReturnType<JobHandlers['submit']> {
    const { workload } = this
    this.#submissions += 1
    const submissionId = `submission-${this.#submissions}`
    this.trace.add('client', 'submits', { job: workload.name, submissionId, fromCheckpoint })
    return this.ask((jobs) => jobs.submit({ plan: workload.job.plan(), bundle: Buffer.from(workload.name), submissionId, ...(fromCheckpoint === undefined ? {} : { fromCheckpoint }) }))
  }

  write(events: readonly SimEvent[]): void {
    for (const event of events) {
      const partition = this.#hash(event.user)
      const text = JSON.stringify(event)
      const [appended] = this.servers.broker.write([{ topic: INPUT, partition, records: [{ key: event.user, value: event.fails === 'decode' ? text.slice(0, -1) : text, timestamp: Math.floor(event.ts) }] }])
      this.#place({ event, partition, offset: appended?.baseOffset ?? -1 })
      this.#lastTs = Math.max(this.#lastTs, event.ts)
    }
  }

  #place(placed: Placed): void {
    this.input.push(placed)
    if (isCounted(placed.event)) this.written.push(placed)
  }

  /** `events` events over `ms`, a few at a time; then one a partition that closes every window. `chance`: what varies them. */
  feed(random: Random, events: number, users: number, ms: number, chance: Random): void {
    const { shape, variety, partitions } = this.workload
    const varied = vary(chance, makeEvents(random, events, this.#users(users), EPOCH_MS), { shape, variety, partitions, partitionOf: (user) => this.#hash(user) })
    if (this.workload.input !== INPUT) return this.#generate(varied)
    for (let i = 0; i < varied.length;) {
      const take = 1 + Math.floor(random.next() * 6)
      const some = varied.slice(i, i + take)
      this.scheduler.after((i / varied.length) * ms, () => this.write(some))
      i += take
    }
    this.scheduler.after(ms + 1, () => this.flush())
  }

  /** The first that are in no idle partition; of bursts as many in each. */
  #users(many: number): string[] {
    const { idle, partitions, variety } = this.workload
    const names = Array.from({ length: many * 4 }, (_, i) => `u${i}`)
    if (!variety.bursts) return names.filter((name) => !idle.has(this.#hash(name))).slice(0, many)
    return Array.from({ length: partitions }, (_, partition) => names.filter((name) => this.#hash(name) === partition).slice(0, many / partitions)).flat()
  }

  /** Each is made by the partition of its user, while the others make one that counts for nothing. */
  #generate(events: readonly SimEvent[]): void {
    for (const [offset, event] of events.entries()) {
      const partition = this.#hash(event.user)
      for (const [at, lines] of this.workload.lines.entries()) lines.push(at === partition ? event : { user: `${FLUSH}${at}`, amount: 0, ts: event.ts })
      this.#place({ event, partition, offset })
    }
  }

  /** A record that kills whatever processes it. A generator makes none. */
  poison(at: DeadlyAt): void {
    if (this.workload.input !== INPUT) return this.trace.add('fault', 'nobody writes to a generator')
    const number = this.input.filter(({ event: { user } }) => user.startsWith(POISON)).length
    for (let i = 0; ; i += 1) {
      const user = `${POISON}${number}-${i}`
      if (!this.workload.idle.has(this.#hash(user))) return this.write([poison(user, at, this.#lastTs)])
    }
  }

  flush(): void {
    const ts = this.#lastTs + 10_000
    for (let partition = 0; partition < this.workload.partitions; partition += 1) {
      if (this.workload.idle.has(partition)) continue
      for (let i = 0; ; i += 1) {
        if (this.#hash(`${FLUSH}${i}`) !== partition) continue
        this.write([{ user: `${FLUSH}${i}`, amount: 0, ts }])
        break
      }
    }
    this.#lastTs = ts
  }

  partitionFor(key: string, partitions: number): number {
    return this.servers.log(this.#client).partitionFor(Buffer.from(key), partitions)
  }

  #hash(user: string): number {
    return this.partitionFor(user, this.workload.partitions)
  }

  #sink(process: SimProcess, name: string): OutboxSink {
    const call = <T>(run: () => T): Promise<T> => new Promise((resolve) => {
      if (process.state === 'dead') return
      this.network.send(process.host, 'sink', () => {
        const value = run()
        this.network.send('sink', process.host, () => process.enter(() => resolve(value)))
      })
    })
    const sink: OutboxSink = { deliver: (delivery) => call(() => this.markers.deliver(name, delivery)), close: async () => {} }
    return this.around.mutation.sink?.(sink, process) ?? sink
  }

  #askOne<T>(driver: DriverNode | undefined, question: (jobs: JobHandlers) => Promise<T>): Promise<{ readonly kind: 'answer', readonly value: T } | { readonly kind: 'error', readonly error: unknown }> {
    return new Promise((resolve) => {
      const unreachable = new TidemarkError('no answer', { code: 'DRIVER_UNREACHABLE', blame: 'environment', action: 'retry' })
      const deadline = this.scheduler.after(1_000, () => resolve({ kind: 'error', error: unreachable }))
      const settle = (answer: { readonly kind: 'answer', readonly value: T } | { readonly kind: 'error', readonly error: unknown }): void => {
        deadline.cancel()
        resolve(answer)
      }
      if (driver?.jobs === undefined || driver.process.state === 'dead') return void this.scheduler.after(5, () => settle({ kind: 'error', error: unreachable }))
      const { jobs, process } = driver
      this.network.send('client', process.host, () => process.enter(() => {
        question(jobs).then((value) => settle({ kind: 'answer', value }), (error: unknown) => settle({ kind: 'error', error }))
      }))
    })
  }
}
