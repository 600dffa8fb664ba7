// Where faults happen: a cluster on real servers with a job under load, whose output is followed. Made whole again after each fault.
import { realClock } from '@tidemark/base'
import { childrenOf } from '../../../bench/processes.ts'
import { Cluster } from '../../cluster/cluster.ts'
import { testJob } from '../../cluster/jobs.ts'
import type { TestJob } from '../../cluster/jobs.ts'
import type { ClusterProcess } from '../../cluster/process.ts'
import { Follower } from './follower.ts'
import { Link } from './links.ts'
import { Load } from './load.ts'
import type { Machine } from './machine.ts'
import type { Servers } from './servers.ts'
import { verdict } from './verdict.ts'
import type { Verdict } from './verdict.ts'

/** What a group of faults needs beside two executors and a driver. */
export type Setting = 'plain' | 'standby driver' | 'store behind a link' | 'executor behind links' | 'executor on a machine'

export interface StageOptions {
  readonly setting: Setting
  readonly shuffle: boolean
  readonly seed: number
  readonly perSecond: number
  readonly longMs: number
}

const PARTITIONS = 4
const EXECUTORS = 2
const CHECKPOINT_INTERVAL_MS = 3_000
/** Longer than any fault: no partition is idle because its feeder waited for the broker. */
const IDLE_AFTER_MS = 60_000
const WHOLE_MS_MAX = 60_000
/** Under load before a fault, without a longer silence: the figures are of a cluster at work, not of a broker that has just started and still compiles its code. */
const STEADY_MS = 2_000
const STEADY_GAP_MS = 100
/** A machine with other work may never be as steady: the table tells the gap before each fault. */
const STEADY_WAIT_MS_MAX = 15_000

export class Stage {
  readonly cluster: Cluster
  readonly job: TestJob
  readonly load: Load
  readonly output: Follower
  readonly servers: Servers
  /** How long a fault lasts that is called long. */
  readonly longMs: number
  /** From the executor behind links to the driver. */
  #driverLink: Link | undefined
  /** The one behind links, or on a machine of its own: it is the victim. */
  #apart: ClusterProcess | undefined
  readonly #setting: Setting
  #closed: Promise<void> | undefined

  private constructor(cluster: Cluster, servers: Servers, job: TestJob, options: StageOptions) {
    this.cluster = cluster
    this.servers = servers
    this.job = job
    this.#setting = options.setting
    this.longMs = options.longMs
    this.load = new Load(cluster.log, job.input, PARTITIONS, { seed: options.seed, users: 500, stepMs: 5, perSecond: options.perSecond })
    this.output = new Follower(cluster.log, job.running, PARTITIONS)
  }

  static async open(servers: Servers, options: StageOptions): Promise<Stage> {
    const env = options.setting === 'store behind a link' && typeof servers.links !== 'string' ? { TIDEMARK_S3_ENDPOINT: `http://${servers.links.minio.address}` } : {}
    const cluster = await Cluster.start({ servers: { ...servers.env, ...env }, executors: 0 })
    const job = testJob({ partitions: PARTITIONS, copartitioned: !options.shuffle, checkpointInterval: CHECKPOINT_INTERVAL_MS, idleAfter: IDLE_AFTER_MS })
    let stage: Stage | undefined
    try {
      if (options.setting === 'standby driver') await cluster.startStandby()
      await job.createTopics(cluster.log)
      stage = new Stage(cluster, servers, job, options)
      await stage.startExecutors()
      await cluster.submit(job.file)
      await stage.whole()
      return stage
    } catch (error) {
      await (stage?.close() ?? cluster.stop())
      throw error
    }
  }

  get living(): ClusterProcess[] {
    return this.cluster.executors.filter((executor) => executor.alive)
  }

  /** An executor that owns tasks: the one behind links or on a machine of its own, if there is one. */
  async victim(): Promise<ClusterProcess> {
    const owners = await this.cluster.owners(this.job.name)
    const victim = this.#apart === undefined ? owners[0] : owners.find((owner) => owner === this.#apart)
    if (victim === undefined) throw new Error(`nobody has a task\n${this.cluster.story()}`)
    return victim
  }

  slotsOf(executor: ClusterProcess): number[] {
    return childrenOf(executor.pid)
  }

  /** By whom the executor behind links is cut off. */
  link(to: 'driver' | 'log' | 'store'): Link {
    const { links } = this.servers
    if (typeof links === 'string') throw new Error(links)
    const link = to === 'driver' ? this.#driverLink : to === 'log' ? links.kafka : links.minio
    if (link === undefined) throw new Error(`nobody is behind a link to the ${to}`)
    return link
  }

  get machine(): Machine {
    const { machine } = this.servers
    if (typeof machine === 'string') throw new Error(machine)
    return machine
  }

  /** As many drivers and executors as there should be, every task running on them, evenly; the load goes on and has done so for a while. */
  async whole(): Promise<void> {
    if (this.#setting === 'standby driver' && !this.cluster.hasStandby) await this.cluster.startStandby()
    const since = realClock.monotonic()
    for (let whole = false; !whole; await realClock.sleep(50)) {
      await this.startExecutors()
      const found = await this.cluster.jobs.describe(this.job.name).catch(() => undefined)
      const each = Map.groupBy(found?.tasks.filter(({ phase }) => phase === 'running') ?? [], ({ executor }) => executor)
      whole = found !== undefined && each.size === EXECUTORS && this.living.every(({ name }) => each.get(name)?.length === found.tasks.length / EXECUTORS)
      if (realClock.monotonic() - since > WHOLE_MS_MAX) throw new Error(`the tasks are not spread over ${EXECUTORS} executors after ${WHOLE_MS_MAX} ms: ${JSON.stringify(found?.summary)}\n${this.cluster.story()}`)
    }
    this.load.start()
    await this.#steady()
  }

  async #steady(): Promise<void> {
    const began = realClock.monotonic()
    await realClock.sleep(STEADY_MS)
    while (!this.output.partitions.every((partition) => this.output.spoke(partition, STEADY_MS, STEADY_GAP_MS)) && realClock.monotonic() - began < STEADY_WAIT_MS_MAX) await realClock.sleep(50)
  }

  /** The load stops and everything that came in has to come out. It stays stopped until the stage is made whole. */
  async check(windowsClosed = false): Promise<Verdict> {
    if (windowsClosed) await this.load.flush()
    else await this.load.pause()
    return verdict(this.servers.kafka.brokers, this.job, windowsClosed)
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.load.pause().catch(() => {})
    await this.output.stop()
    await this.job.remove(this.cluster.log).catch(() => {})
    await this.cluster.stop()
    await this.#driverLink?.close().catch(() => {})
    if (this.#setting === 'executor on a machine') this.machine.clear()
  }

  /** As many as there should be. */
  async startExecutors(): Promise<void> {
    const { links } = this.servers
    if (this.#setting === 'executor behind links' && typeof links !== 'string' && this.#apart?.alive !== true) {
      this.#driverLink ??= await Link.open(links.url, `driver-of-${this.job.name}`, this.cluster.address)
      this.#apart = this.cluster.startExecutor(undefined, { TIDEMARK_DRIVER: this.#driverLink.address, TIDEMARK_KAFKA: links.kafka.address, TIDEMARK_S3_ENDPOINT: `http://${links.minio.address}` })
    }
    if (this.#setting === 'executor on a machine' && this.#apart?.alive !== true) {
      if (!this.machine.isOn) await this.machine.start([...this.servers.ports, Number(new URL(`http://${this.cluster.address}`).port)])
      this.#apart = this.cluster.startExecutor(undefined, { TIDEMARK_PROBE_HOST: this.machine.address }, this.machine.within)
    }
    while (this.living.length < EXECUTORS) this.cluster.startExecutor()
  }
}
