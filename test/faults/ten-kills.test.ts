// Ten SIGKILLs under load on real servers: exact by our reader and by kcat, snapshots were loaded, and how long the output was silent.
import { expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import type { TaskDescription, TaskRecovery } from '@tidemark/wire'
import { MainJob, SEED } from '../cluster/main-job.ts'
import { serversOf } from '../cluster/servers.ts'
import { describeWith, readCommitted } from '../services/index.ts'
import { checkRunningTotals } from '../workload/oracle.ts'
import type { RunningTotal } from '../workload/oracle.ts'

const KILLS = 10
/** A second of load. */
const EVENTS_BETWEEN = 2_000

/** From a death to the first commits of the tasks that it moved. What is moved on to spread the load meanwhile has a timeline of its own by then. */
class Aftermath {
  readonly #main: MainJob
  readonly #cause: string
  readonly #killedAt = realClock.now()
  /** Tasks of the victim, and their generations. */
  readonly #owned: ReadonlyMap<string, string | undefined>
  readonly #moved = new Map<string, TaskRecovery>()

  private constructor(main: MainJob, victim: string, owned: readonly TaskDescription[]) {
    this.#main = main
    this.#cause = `executor ${victim} is dead`
    this.#owned = new Map(owned.map((task) => [taskName(task), JSON.stringify(task.generation)]))
  }

  static async begin(main: MainJob, victim: string): Promise<Aftermath> {
    const { tasks } = await main.cluster.jobs.describe(main.job.name)
    return new Aftermath(main, victim, tasks.filter((task) => task.executor === victim && task.inputs.some(({ next }) => next > 0)))
  }

  /** In ms since the kill. `tookOverMs`: when the last slot began, which a cold one does late. */
  async over(): Promise<object> {
    const gone = new Set<string>()
    await this.#main.cluster.until(this.#main.job.name, ({ tasks }) => {
      for (const task of tasks) {
        const { recovery } = task
        const before = this.#owned.get(taskName(task))
        if (before === undefined || recovery === undefined || before === JSON.stringify(task.generation)) continue
        // A planned move may have begun just before the kill.
        if (!recovery.cause.startsWith(this.#cause)) gone.add(taskName(task))
        else if (recovery.steps?.firstCommitMs !== undefined) this.#moved.set(taskName(task), recovery)
      }
      return [...this.#owned.keys()].every((name) => this.#moved.has(name) || gone.has(name))
    }, 'first commits')
    const moved = [...this.#moved.values()]
    const since = (at: number | undefined): number => (at ?? NaN) - this.#killedAt
    return {
      owned: this.#owned.size, seen: moved.length, detectedMs: Math.min(...moved.map(({ detectedAt }) => since(detectedAt))), tookOverMs: Math.max(...moved.map(({ steps }) => since(steps?.startedAt))),
      firstCommitMs: Math.max(...moved.map(({ steps }) => since(steps?.startedAt) + (steps?.firstCommitMs ?? NaN))),
      snapshots: moved.map(({ steps }) => steps?.snapshot?.checkpoint ?? 'journal'), tails: moved.map(({ steps }) => steps?.tailBatches),
    }
  }
}

const taskName = ({ stage, partition }: TaskDescription): string => `${stage}-${partition}`

describeWith(['kafka', 'minio', 'redis', 'kcat'], 'ten kills on real servers', (server) => {
  test.each([['copartitioned', { copartitioned: true }], ['with a shuffle and an idle input partition', { copartitioned: false, idlePartitions: [3] }]])(`ten kills under load, %s (seed ${SEED}) → exact`, async (name, options) => {
    const main = await MainJob.start(serversOf(server), { ...options, executors: 3 })
    try {
      main.feeder.start()
      const recoveries: object[] = []
      for (let kill = 0; kill < KILLS; kill += 1) {
        await main.fed(EVENTS_BETWEEN)
        const [victim] = await main.cluster.owners(main.job.name)
        if (victim === undefined) throw new Error(`nobody has a task\n${main.cluster.story()}`)
        const aftermath = await Aftermath.begin(main, victim.name)
        await victim.kill()
        await main.recovered(3)
        recoveries.push({ kill, ...await aftermath.over() })
      }
      process.stdout.write(`${name}\n${recoveries.map((recovery) => JSON.stringify(recovery)).join('\n')}\n`)
      expect(await main.settle()).toEqual([])
      const byKcat = (await readCommitted(server('kafka').brokers, main.job.running)).map((record) => JSON.parse(record.payload ?? 'null') as RunningTotal)
      expect(checkRunningTotals(main.feeder.written, byKcat)).toEqual([])
      const { tasks } = await main.cluster.jobs.describe(main.job.name)
      // Not the whole journal: whoever took over in the end went on from a snapshot.
      expect(tasks.filter((task) => task.recovery?.steps !== undefined).every((task) => task.recovery?.steps?.snapshot !== undefined)).toBe(true)
    } finally {
      await main.stop()
    }
  }, 300_000)
})
