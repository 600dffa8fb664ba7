// One fault, measured: until it was detected, until every moved task committed, how long the output was silent, and whether it is exact.
import { realClock } from '@tidemark/base'
import type { JobDescription } from '@tidemark/wire'
import { now } from './fault.ts'
import type { Fault, Struck } from './fault.ts'
import { nameOf, Recoveries } from './recoveries.ts'
import type { Stage } from './stage.ts'
import type { Verdict } from './verdict.ts'

export interface Figures {
  /** How long what was taken away was away; undefined: what was killed stays so. */
  readonly lastedMs?: number
  /** Fault to verdict; undefined: nothing was given to others, or nobody tells. */
  readonly detectedMs?: number
  /** Fault to the first commit of the last task that moved. None moved: from when what was away was back, to the first output of the last partition. */
  readonly recoveredMs: number
  /** Longest silence of an output partition. */
  readonly gapMs: number
  /** The same of the partitions that did not move; undefined: all did. */
  readonly othersGapMs?: number
  /** The longest silence of any partition right before the fault: what this machine is worth. */
  readonly beforeGapMs: number
  readonly moved: number
  readonly note?: string
  readonly verdict: Verdict
}

/** Beside the replay of what a long fault has left. */
const RECOVERED_MS_MAX = 90_000
const AGAIN_MS = 25
/** Time after the recovery that still counts for silences. */
const AFTERMATH_MS = 500
/** Time before the fault whose longest silence is told beside the others. */
const BEFORE_MS = 1_500

const partitionOf = (task: string): number => Number(task.slice(task.lastIndexOf('-') + 1))

const ownedBy = (description: JobDescription, label: string): string[] => description.tasks.filter((task) => task.executor === label).map(nameOf)

class Case {
  readonly #stage: Stage
  readonly #recoveries: Recoveries
  readonly #before: JobDescription

  constructor(stage: Stage, before: JobDescription) {
    this.#stage = stage
    this.#before = before
    this.#recoveries = new Recoveries(stage.cluster, stage.job.name, realClock.now())
  }

  /** Rejects when it is not over in time. */
  async over(struck: Struck): Promise<Omit<Figures, 'verdict'>> {
    const [began, within] = [realClock.monotonic(), RECOVERED_MS_MAX + (struck.replayMsMax ?? 0)]
    try {
      for (; !this.#isOver(struck); await realClock.sleep(AGAIN_MS)) {
        if (realClock.monotonic() - began > within) throw new Error(`not recovered ${within} ms after it was over: ${this.#state(struck)}\n${this.#stage.cluster.story()}`)
      }
    } finally {
      await this.#recoveries.stop()
    }
    await realClock.sleep(AFTERMATH_MS)
    return this.#figures(struck)
  }

  abandon(): Promise<void> {
    return this.#recoveries.stop()
  }

  #isOver(struck: Struck): boolean {
    const { latest, first } = this.#recoveries
    const living = new Set(this.#stage.living.map(({ name }) => name))
    const owed = struck.victim === undefined ? [] : ownedBy(this.#before, struck.victim.name)
    return latest !== undefined && latest.tasks.every(({ phase, executor }) => phase === 'running' && living.has(executor ?? ''))
      && owed.every((task) => first.has(task)) && this.#recoveries.pending.length === 0
      && this.#stage.output.partitions.every((partition) => this.#stage.output.firstAfter(partition, (struck.healedAt ?? struck.ledAt ?? struck.at).monotonic) !== undefined)
  }

  #figures({ at, detectedMs, healedAt, ledAt, note }: Struck): Omit<Figures, 'verdict'> {
    const moved = this.#recoveries.first
    const [output, until] = [this.#stage.output, now().monotonic]
    const gap = (partitions: readonly number[], from = at.monotonic, to = until): number => Math.max(...partitions.map((partition) => output.silenceMs(partition, from, to) ?? Infinity))
    const partitionsMoved = new Set([...moved.keys()].map(partitionOf))
    const others = output.partitions.filter((partition) => !partitionsMoved.has(partition))
    const detected = detectedMs ?? (moved.size === 0 ? undefined : Math.min(...[...moved.values()].map(({ detectedAt }) => detectedAt - at.wall)))
    const committed = [...moved.values()].flatMap(({ steps }) => steps?.firstCommitMs === undefined ? [] : [steps.startedAt + steps.firstCommitMs - at.wall])
    const back = (healedAt ?? at).monotonic
    const recovered = committed.length > 0 ? Math.max(...committed) : ledAt !== undefined ? ledAt.monotonic - at.monotonic : Math.max(...output.partitions.map((partition) => (output.firstAfter(partition, back) ?? NaN) - back))
    return {
      ...healedAt === undefined ? {} : { lastedMs: Math.round(healedAt.monotonic - at.monotonic) },
      ...detected === undefined ? {} : { detectedMs: Math.round(detected) }, recoveredMs: Math.round(recovered), gapMs: Math.round(gap(output.partitions)),
      ...others.length === 0 || moved.size === 0 ? {} : { othersGapMs: Math.round(gap(others)) }, beforeGapMs: Math.round(gap(output.partitions, at.monotonic - BEFORE_MS, at.monotonic - 200)), moved: moved.size, ...note === undefined ? {} : { note: note([...moved.values()]) },
    }
  }

  #state(struck: Struck): string {
    const { latest, first } = this.#recoveries
    const owed = struck.victim === undefined ? [] : ownedBy(this.#before, struck.victim.name)
    const silent = this.#stage.output.partitions.filter((partition) => this.#stage.output.firstAfter(partition, (struck.healedAt ?? struck.at).monotonic) === undefined)
    const tasks = latest?.tasks.map((task) => `${nameOf(task)} ${task.phase} on ${task.executor ?? 'nobody'}${task.waitingFor === undefined ? '' : `, waits for ${task.waitingFor}`}`).join('; ') ?? 'no driver answers'
    return `${tasks}; not moved: ${owed.filter((task) => !first.has(task)).join(', ') || 'none'}; without first commit: ${this.#recoveries.pending.join(', ') || 'none'}; silent partitions: ${silent.join(', ') || 'none'}`
  }
}

/** On a stage that is whole. Rejects when the cluster does not recover by itself. */
export const measure = async (stage: Stage, fault: Fault): Promise<Figures> => {
  const before = await stage.cluster.jobs.describe(stage.job.name)
  const of = new Case(stage, before)
  let struck: Struck
  try {
    struck = await fault.strike(stage)
  } catch (error) {
    await of.abandon()
    throw error
  }
  const figures = await of.over(struck)
  return { ...figures, verdict: await stage.check() }
}
