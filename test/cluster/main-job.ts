// The main job on a real cluster, fed with seeded events, and what is wrong with its output in the end.
import { realClock } from '@tidemark/base'
import { Cluster } from './cluster.ts'
import type { ServerEnvironment } from './cluster.ts'
import { testJob } from './jobs.ts'
import type { TestJob, TestJobOptions } from './jobs.ts'
import type { ClusterProcess } from './process.ts'
import { Output } from './output.ts'
import { Feeder } from '../workload/events.ts'
import type { FeederOptions } from '../workload/events.ts'
import { checkRunningTotals, checkWindowTotals } from '../workload/oracle.ts'
import type { RunningTotal } from '../workload/oracle.ts'

export const SEED = Number(process.env['TIDEMARK_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const PARTITIONS = 4

export type WindowResult = RunningTotal & { readonly window: { readonly start: number } }

export class MainJob {
  readonly cluster: Cluster
  readonly job: TestJob
  readonly feeder: Feeder
  readonly running: Output<RunningTotal>
  readonly windows: Output<WindowResult>

  private constructor(cluster: Cluster, job: TestJob, feeder: Pick<FeederOptions, 'idlePartitions' | 'atOnce'>) {
    this.cluster = cluster
    this.job = job
    this.feeder = new Feeder(cluster.log, job.input, PARTITIONS, { seed: SEED, users: 500, stepMs: 5, perSecond: 2_000, ...feeder })
    this.running = new Output(cluster.log, job.running)
    this.windows = new Output(cluster.log, job.windows)
  }

  static async start(servers: ServerEnvironment, options: TestJobOptions & Pick<FeederOptions, 'idlePartitions' | 'atOnce'> & { readonly executors?: number, readonly env?: Readonly<Record<string, string>> }): Promise<MainJob> {
    const cluster = await Cluster.start({ servers, executors: options.executors ?? 2, ...(options.env === undefined ? {} : { env: options.env }) })
    const atOnce = options.atOnce ?? true
    const job = testJob({ partitions: PARTITIONS, ...options })
    await job.createTopics(cluster.log)
    await cluster.submit(job.file)
    // Who joins late gets its share by planned moves: wait until that is over, so that a test sees only the moves it causes.
    await cluster.until(job.name, ({ summary, tasks }) => summary.tasksRunning === summary.tasks && new Set(tasks.map((task) => task.executor)).size === Math.min(options.executors ?? 2, tasks.length), 'tasks spread over all executors')
    return new MainJob(cluster, job, { idlePartitions: options.idlePartitions ?? [], atOnce })
  }

  /** Feeding stops and windows are closed. */
  async finish(): Promise<void> {
    await this.feeder.pause()
    await this.feeder.flush(this.feeder.written.reduce((latest, { ts }) => Math.max(latest, ts), 0) + 60_000)
  }

  /** Reads on until nothing is wrong with the output any more; else what is, after a minute. */
  async until(faults: () => readonly string[]): Promise<readonly string[]> {
    for (const began = realClock.monotonic(); ;) {
      await this.running.read()
      await this.windows.read()
      const wrong = faults()
      if (wrong.length === 0 || realClock.monotonic() - began > 60_000) return wrong
      await realClock.sleep(50)
    }
  }

  /** Feeding stops, windows are closed, everything is read: what is wrong with it, and with the books. */
  async settle(): Promise<string[]> {
    await this.finish()
    const events = this.feeder.written.length
    await this.#until(async () => (await this.running.read()).filter(({ value }) => !value.key.startsWith('flush-')).length >= events, `${events} running totals`, () => this.running.records.length)
    const windows = new Set(this.feeder.written.map((event) => `${event.user}@${event.ts - (event.ts % 10_000)}`)).size
    await this.#until(async () => (await this.windows.read()).filter(({ value }) => !value.key.startsWith('flush-')).length >= windows, `${windows} windows`, () => this.windows.records.length)
    // What comes too often comes a little later.
    await realClock.sleep(500)
    await this.running.read()
    await this.windows.read()
    return [...checkRunningTotals(this.feeder.written, this.running.values()), ...checkWindowTotals(this.feeder.written, 10_000, this.windows.values()), ...await this.cluster.audit(this.job.name)]
  }

  /** What is wrong with the running totals so far: for each user the counts go up by one. */
  async soFar(): Promise<string[]> {
    await this.running.read()
    return checkRunningTotals([], this.running.values())
  }

  /** Waits until a checkpoint with at least this number is complete. */
  async checkpoint(atLeast: number): Promise<number> {
    const { checkpoints } = await this.cluster.until(this.job.name, ({ checkpoints: all }) => (all[0]?.checkpoint ?? 0) >= atLeast, `checkpoint ${atLeast}`)
    return checkpoints[0]?.checkpoint ?? 0
  }

  /** Starts executors until `count` live, and waits until every task runs on one of them: the driver may not have noticed a death yet. */
  async recovered(count: number): Promise<void> {
    const living = (): ClusterProcess[] => this.cluster.executors.filter((executor) => executor.alive)
    await this.cluster.until(this.job.name, ({ summary, tasks }) => {
      while (living().length < count) this.cluster.startExecutor()
      return summary.tasks > 0 && summary.tasksRunning === summary.tasks && tasks.every((task) => living().some(({ name }) => name === task.executor))
    }, `all tasks running on ${count} live executors`)
  }

  async fed(events: number): Promise<void> {
    const from = this.feeder.written.length
    await this.#until(async () => this.feeder.written.length >= from + events, `${events} more events`, () => this.feeder.written.length)
  }

  async stop(): Promise<void> {
    await this.feeder.close()
    await this.job.remove(this.cluster.log)
    await this.cluster.stop()
  }

  async #until(condition: () => Promise<boolean>, what: string, have: () => number): Promise<void> {
    for (const began = realClock.monotonic(); realClock.monotonic() - began < 60_000;) {
      if (await condition()) return
      await realClock.sleep(20)
    }
    throw new Error(`seed ${SEED}: waited in vain for ${what}, have ${have()}\n${this.cluster.story()}`)
  }
}
