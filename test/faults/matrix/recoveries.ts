// Every takeover that the driver tells of while a fault and its aftermath last: a later move of the same task replaces it in the description.
import { realClock } from '@tidemark/base'
import type { JobDescription, TaskDescription, TaskRecovery } from '@tidemark/wire'
import type { Cluster } from '../../cluster/cluster.ts'

const AGAIN_MS = 25

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

  /** The first takeover of each task that moved. */
  get first(): ReadonlyMap<string, TaskRecovery> {
    return new Map([...this.#seen].flatMap(([task, [first]]) => first === undefined ? [] : [[task, first]]))
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
