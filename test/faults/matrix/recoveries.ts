// Every takeover that the driver tells of while a fault and its aftermath last: a later move of the same task replaces it in the description.
import { realClock } from '@tidemark/base'
import type { JobDescription, TaskDescription, TaskRecovery } from '@tidemark/wire'
import type { Cluster } from '../../cluster/cluster.ts'

/** Each look takes a driver's and this process's time, on a machine where every process counts: as seldom as no takeover is missed. */
const AGAIN_MS = 100

const isForced = ({ cause }: TaskRecovery): boolean => !cause.startsWith('planned move')

export const nameOf = ({ stage, partition }: Pick<TaskDescription, 'stage' | 'partition'>): string => `${stage}-${partition}`

export class Recoveries {
  /** The newest description; undefined: no driver has answered yet. */
  latest: JobDescription | undefined
  readonly #cluster: Cluster
  readonly #job: string
  readonly #seen = new Map<string, TaskRecovery[]>()
  readonly #since: number
  #stop = false
  readonly #watching: Promise<void>

  /** `since`: wall-clock, ms. */
  constructor(cluster: Cluster, job: string, since: number) {
    this.#cluster = cluster
    this.#job = job
    this.#since = since
    this.#watching = this.#watch()
  }

  /** The first takeover of each task that had to move; not what is moved on afterwards to spread the load. */
  get first(): ReadonlyMap<string, TaskRecovery> {
    return new Map([...this.#seen].flatMap(([task, all]) => {
      const first = all.find(isForced)
      return first === undefined ? [] : [[task, first]]
    }))
  }

  /** Of those, the ones whose new owner has not committed yet. One that was moved on has: nothing else is moved on. */
  get pending(): string[] {
    return [...this.first].filter(([task, { steps, detectedAt }]) => steps?.firstCommitMs === undefined && this.#seen.get(task)?.every((one) => one.detectedAt <= detectedAt) === true).map(([task]) => task)
  }

  async stop(): Promise<void> {
    this.#stop = true
    await this.#watching
  }

  async #watch(): Promise<void> {
    while (!this.#stop) {
      const found = await this.#cluster.jobs.describe(this.#job).catch(() => undefined)
      if (found !== undefined) {
        this.latest = found
        for (const task of found.tasks) this.#note(nameOf(task), task.recovery)
      }
      await realClock.sleep(AGAIN_MS)
    }
  }

  #note(task: string, recovery: TaskRecovery | undefined): void {
    if (recovery === undefined || recovery.detectedAt < this.#since) return
    const known = this.#seen.get(task) ?? []
    this.#seen.set(task, known)
    const same = known.findIndex(({ detectedAt }) => detectedAt === recovery.detectedAt)
    if (same === -1) known.push(recovery)
    else known[same] = recovery
  }
}
