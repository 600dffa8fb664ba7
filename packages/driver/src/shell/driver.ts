// The driver process: answers on its address, leads when it can, hands everything to the present leadership or says who leads.
import { asTidemarkError, TidemarkError } from '@tidemark/base'
import type { JobId, Lease, Random } from '@tidemark/base'
import { ALL_RULES } from '@tidemark/checkpoint'
import type { Rules } from '@tidemark/checkpoint'
import type { ClusterServerOptions, DriverStream, JobHandlers, Serving, Tls } from '@tidemark/wire'
import type { DriverSettings } from '../core/protocol.ts'
import { jobHandlers } from './job-handlers.ts'
import { Election } from './leadership.ts'
import { Leading } from './leading.ts'
import { loadJobs } from './load-jobs.ts'
import { makeLeadership } from './ports.ts'
import type { DriverPorts } from './ports.ts'
import type { Surface } from './surface.ts'

const LOAD_RETRY_MS = 500

export interface DriverOptions extends Surface {
  readonly ports: DriverPorts
  readonly lease: Lease
  readonly random: Random
  /** Answers executors and clients: wire's `serveCluster`, or a test's network. */
  readonly serve: (options: ClusterServerOptions) => Promise<Serving>
  /** `host:port`; port 0: a free one. */
  readonly listen: string
  /** What executors and clients are told when it is not where it listens. */
  readonly advertise?: string
  readonly leaseMs: number
  readonly settings: DriverSettings
  readonly engineVersion: string
  readonly rules?: Rules
  readonly tls?: Tls
}

export class Driver {
  readonly #options: DriverOptions
  #serving: Serving | undefined
  #election: Election | undefined
  #leading: Leading | undefined
  /** The epoch whose jobs are being read; streams that come meanwhile wait. */
  #loading: number | undefined
  #waiting: DriverStream[] = []
  #stopped = false

  constructor(options: DriverOptions) {
    this.#options = options
  }

  /** Resolves with its address once it answers; it leads as soon as the lease is free. */
  async start(): Promise<string> {
    const { advertise, lease, leaseMs, listen, ports, random, serve, tls } = this.#options
    const jobs: JobHandlers = jobHandlers(ports, () => this.#leader())
    this.#serving = await serve({ address: listen, onConnect: (stream) => this.#connected(stream), jobs, leads: () => this.#leading !== undefined, ...(tls === undefined ? {} : { tls }) })
    const address = advertise ?? this.#serving.address
    const driver = random.uuid()
    this.#election = new Election({
      lease, store: ports.store, clock: ports.clock, logger: ports.logger, address, driver, leaseMs,
      onLead: (epoch) => void this.#lead(epoch, driver),
      onLost: (reason) => void this.#stopLeading(reason),
    })
    this.#election.start()
    return this.#serving.address
  }

  /** Gives the lease up, so that another leads at once; executors go on meanwhile. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#leading?.end(undefined)
    this.#leading = undefined
    await this.#election?.stop()
    // Streams have been ended in order; a moment for it to be sent.
    await this.#options.ports.clock.sleep(50)
    await this.#serving?.close()
  }

  async #lead(epoch: number, driver: string): Promise<void> {
    const { engineVersion, kill, ports, probe, rules = ALL_RULES, settings } = this.#options
    this.#loading = epoch
    ports.logger.info({ epoch }, 'driver.elected')
    while (this.#loading === epoch && !this.#stopped) {
      try {
        const damaged = new Map<JobId, TidemarkError>()
        const jobs = await loadJobs(ports, { epoch }, (job, error) => damaged.set(job, error))
        if (this.#loading !== epoch || this.#stopped) return
        this.#loading = undefined
        this.#leading = new Leading({
          ports, settings, engineVersion, jobs, damaged, probe, ...(kill === undefined ? {} : { kill }), leadership: makeLeadership({ epoch, driver, rules }),
          onStepDown: (reason) => void this.#election?.stepDown(reason),
        })
        ports.logger.info({ epoch, jobs: jobs.length }, 'driver.leads')
        for (const stream of this.#waiting.splice(0)) this.#leading.accept(stream)
        return
      } catch (error) {
        ports.logger.warn({ epoch, error: asTidemarkError(error) }, 'driver.load-failed')
        await ports.clock.sleep(LOAD_RETRY_MS)
      }
    }
  }

  async #stopLeading(reason: string): Promise<void> {
    this.#options.ports.logger.warn({ reason }, 'driver.leads-no-more')
    this.#loading = undefined
    const leading = this.#leading
    this.#leading = undefined
    // Who leads now is a question that may take long to be answered.
    leading?.halt()
    const leader = await this.#election?.leader()
    leading?.end(leader)
    for (const stream of this.#waiting.splice(0)) this.#turnAway(stream, leader)
  }

  #connected(stream: DriverStream): void {
    if (this.#leading) this.#leading.accept(stream)
    else if (this.#loading !== undefined) {
      this.#waiting.push(stream)
      // Who does not wait any longer comes again; whoever leads hears of an end for himself.
      stream.onClose(() => { this.#waiting = this.#waiting.filter((one) => one !== stream) })
    }
    else void this.#election?.leader().then((leader) => this.#turnAway(stream, leader))
  }

  #turnAway(stream: DriverStream, leader: string | undefined): void {
    stream.send({ kind: 'not-leader', ...(leader === undefined ? {} : { leader }) })
    stream.close()
  }

  /** The leadership that answers clients, or `DRIVER_NOT_LEADER` with the address of the one that does. */
  async #leader(): Promise<Leading> {
    if (this.#leading) return this.#leading
    const leader = await this.#election?.leader()
    throw new TidemarkError(leader === undefined ? 'no driver leads yet' : `this driver does not lead, ${leader} does`, {
      code: 'DRIVER_NOT_LEADER', blame: 'environment', action: 'retry', details: leader === undefined ? {} : { leader }, hint: 'Try again in a moment, or name the leader.',
    })
  }
}

