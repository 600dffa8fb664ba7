// A real cluster for tests: one driver and some executors as processes, on the embedded log and store or on real servers.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock, silentLogger } from '@tidemark/base'
import type { Log, ObjectStore } from '@tidemark/base'
import { bundleJob } from '@tidemark/cli'
import { Leftovers } from '@tidemark/executor'
import { openKafkaLog } from '@tidemark/log-kafka'
import { openLocalLog } from '@tidemark/log-local'
import { openLocalStore } from '@tidemark/store-local'
import { openMinioStore } from '@tidemark/store-minio'
import { jobsClient } from '@tidemark/wire'
import type { JobDescription, JobsClient, SubmitAnswer } from '@tidemark/wire'
import { auditReportOf } from './audit.ts'
import { ClusterProcess } from './process.ts'

/** Servers by the environment variables that Tidemark's processes read; empty: embedded. */
export type ServerEnvironment = Readonly<Record<string, string>>

export interface ClusterOptions {
  readonly servers?: ServerEnvironment
  readonly executors?: number
  readonly slots?: number
  /** In place of a folder of its own; removed with the cluster all the same. */
  readonly folder?: string
  readonly env?: Readonly<Record<string, string>>
}

export class Cluster {
  readonly folder: string
  readonly faultFolder: string
  readonly log: Log
  readonly store: ObjectStore
  readonly executors: ClusterProcess[] = []
  driver: ClusterProcess | undefined
  readonly #env: Record<string, string>
  readonly #everyone: ClusterProcess[] = []
  #address = ''
  #standby: { readonly process: ClusterProcess, readonly address: string } | undefined
  /** Where the driver listened whose place a standby took. */
  #vacant: string | undefined
  #jobs: JobsClient | undefined
  #names = 0

  private constructor(options: ClusterOptions) {
    this.folder = options.folder ?? mkdtempSync(join(tmpdir(), 'tidemark-cluster-'))
    this.faultFolder = mkdtempSync(join(tmpdir(), 'tidemark-faults-'))
    const servers = options.servers ?? {}
    this.#env = {
      TIDEMARK_DIR: this.folder, TIDEMARK_SLOTS: String(options.slots ?? 1), TIDEMARK_FAULT_FOLDER: this.faultFolder, TIDEMARK_SLOT_HEAP: '1024', ...servers,
      // Suites share the servers of a test run, clusters share nothing.
      ...(servers['TIDEMARK_S3_ENDPOINT'] === undefined ? {} : { TIDEMARK_S3_BUCKET: `cluster-${randomUUID()}` }), TIDEMARK_LEASE_KEY: `cluster-${randomUUID()}`, ...options.env,
    }
    const brokers = servers['TIDEMARK_KAFKA']
    this.log = brokers === undefined ? openLocalLog({ path: join(this.folder, 'log.db'), clock: realClock }) : openKafkaLog({ brokers: brokers.split(','), clientId: 'test', clock: realClock, logger: silentLogger })
    const { TIDEMARK_S3_ENDPOINT: endpoint, TIDEMARK_S3_ACCESS_KEY: accessKey = '', TIDEMARK_S3_SECRET_KEY: secretKey = '', TIDEMARK_S3_BUCKET: bucket = '' } = this.#env
    this.store = endpoint === undefined ? openLocalStore({ root: join(this.folder, 'store') }) : openMinioStore({ endpoint, accessKey, secretKey, bucket, clock: realClock, logger: silentLogger })
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(options)
    try {
      await cluster.startDriver()
      for (let i = 0; i < (options.executors ?? 2); i += 1) cluster.startExecutor()
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  /** The first one picks a port; a later one listens on the same, so that executors and clients find it. */
  async startDriver(): Promise<void> {
    const driver = this.#start('driver', 'driver/src/main.ts', { TIDEMARK_LISTEN: this.#address === '' ? '127.0.0.1:0' : this.#address })
    this.driver = driver
    const line = await driver.line((one) => one.event === 'driver.listening')
    this.#address = String(line['address'])
    this.#jobs ??= jobsClient(this.#address)
    await this.#leads(driver)
  }

  /** A driver answers before it leads. */
  async #leads(driver: ClusterProcess): Promise<void> {
    for (const began = performance.now(); driver.alive;) {
      if (performance.now() - began > 60_000) throw new Error(`the driver did not lead in 60 s:\n${driver.tail()}`)
      const list = await this.jobs.list().catch(() => undefined)
      if (list !== undefined) return
      await realClock.sleep(20)
    }
    throw new Error(`the driver ended before it led:\n${driver.tail()}`)
  }

  /** A second driver, that waits for the first to be gone; in the place of one that a standby replaced, so that all find it. Executors started from now on know both. */
  async startStandby(): Promise<void> {
    const standby = await this.startAnotherDriver(this.#vacant)
    this.#vacant = undefined
    const line = await standby.line((one) => one.event === 'driver.listening')
    this.#standby = { process: standby, address: String(line['address']) }
  }

  /** One more, that nobody is told of. Resolves when it listens. */
  async startAnotherDriver(address = '127.0.0.1:0'): Promise<ClusterProcess> {
    const driver = this.#start('driver-standby', 'driver/src/main.ts', { TIDEMARK_LISTEN: address })
    await driver.line((one) => one.event === 'driver.listening')
    return driver
  }

  get hasStandby(): boolean {
    return this.#standby !== undefined
  }

  /** The standby is the driver from now on. Resolves when it leads. */
  async promoteStandby(): Promise<void> {
    if (this.#standby === undefined) throw new Error('no standby was started')
    const { process, address } = this.#standby
    this.#vacant = this.#address
    this.#jobs?.close()
    this.#jobs = jobsClient(address)
    ;[this.driver, this.#address, this.#standby] = [process, address, undefined]
    await this.#leads(process)
  }

  /** `label`: what it calls itself, instead of a name of its own. `env`: in place of what all have. `within`: a command that runs it elsewhere. */
  startExecutor(label?: string, env: Readonly<Record<string, string>> = {}, within: readonly string[] = []): ClusterProcess {
    this.#names += 1
    const drivers = [this.#address, ...this.#standby === undefined ? [] : [this.#standby.address]].join(',')
    const executor = this.#start(`executor-${this.#names}`, 'executor/src/main.ts', { TIDEMARK_DRIVER: drivers, TIDEMARK_LABEL: label ?? `executor-${this.#names}`, ...env }, within)
    this.executors.push(executor)
    return executor
  }

  /** Where the driver listens, `host:port`. */
  get address(): string {
    return this.#address
  }

  get jobs(): JobsClient {
    if (this.#jobs === undefined) throw new Error('no driver was started')
    return this.#jobs
  }

  async submit(jobFile: string, fromCheckpoint?: number): Promise<SubmitAnswer> {
    const { plan, bundle } = await bundleJob(jobFile)
    return this.jobs.submit({ plan, bundle, ...(fromCheckpoint === undefined ? {} : { fromCheckpoint }) })
  }

  /** Polls `describe` until it satisfies `wanted`. */
  async until(job: string, wanted: (description: JobDescription) => boolean, what: string): Promise<JobDescription> {
    let last: JobDescription | undefined
    for (const began = performance.now(); performance.now() - began < 60_000;) {
      last = await this.jobs.describe(job).catch(() => undefined)
      if (last !== undefined && wanted(last)) return last
      if (last?.summary.state === 'failed') break
      await realClock.sleep(25)
    }
    throw new Error(`${job} did not come to: ${what}\n${JSON.stringify(last, undefined, 1)}\n${this.#everyone.map((one) => `--- ${one.name}\n${one.tail(15)}`).join('\n')}`)
  }

  allRunning(job: string): Promise<JobDescription> {
    return this.until(job, ({ summary }) => summary.tasks > 0 && summary.tasksRunning === summary.tasks, 'all tasks running')
  }

  /** Live executors that own at least one task of the job, as soon as there is one: for a moment behind a kill the driver may name none. */
  async owners(job: string): Promise<ClusterProcess[]> {
    const owning = ({ tasks }: JobDescription): ClusterProcess[] => this.executors.filter(({ alive, name }) => alive && tasks.some(({ executor }) => executor === name))
    return owning(await this.until(job, (description) => owning(description).length > 0, 'a live executor that owns a task'))
  }

  /** What `tidemark audit` finds: nothing, when the books balance. */
  async audit(job: string): Promise<string[]> {
    const { report, code } = await auditReportOf(this.folder, this.#env, [job])
    return [...report.findings.map(({ kind, message }) => `audit: ${kind}: ${message}`), ...report.balanced === (code === 0) ? [] : [`audit: balanced is ${report.balanced}, the exit code ${code}`]]
  }

  async stop(): Promise<void> {
    this.#jobs?.close()
    await Promise.all(this.#everyone.map((one) => one.kill()))
    // A slot outlives its executor until it notices, and one that is stopped by a signal never does.
    new Leftovers(join(this.folder, 'pids'), 'test', silentLogger).kill()
    await Promise.all(this.#everyone.map((one) => one.endedWithChildren()))
    await this.log.close()
    await this.store.close()
    rmSync(this.folder, { recursive: true, force: true })
    rmSync(this.faultFolder, { recursive: true, force: true })
  }

  /** For a failing test: what everybody said last. */
  story(lines = 30): string {
    return this.#everyone.map((one) => `--- ${one.name} (pid ${one.pid}${one.alive ? '' : ', dead'})\n${one.tail(lines)}`).join('\n')
  }

  #start(name: string, main: string, env: Record<string, string>, within: readonly string[] = []): ClusterProcess {
    const started = new ClusterProcess(name, main, { ...this.#env, ...env }, within)
    this.#everyone.push(started)
    return started
  }
}
