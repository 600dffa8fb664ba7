// One kill: an executor and its slots end by SIGKILL, as a container does; then how long each partition was silent, and where the time went.
import { realClock } from '@tidemark/base'
import type { JobDescription, TaskDescription } from '@tidemark/wire'
import type { Cluster } from '../../test/cluster/cluster.ts'
import type { ClusterProcess } from '../../test/cluster/process.ts'
import { described } from '../described.ts'
import { childrenOf, kill } from '../processes.ts'
import type { Output } from './output.ts'
import { longestSilence } from './silence.ts'

const RECOVERED_MS_MAX = 60_000
/** Time behind the last takeover that still counts for the survivor. */
const AFTERMATH_MS = 500
/** Between two looks at what the driver says: each takes time of the machine that is measured. */
const LOOK_MS = 100
/** Time before the kill whose longest silence is told beside the others. */
const BEFORE_MS = 2_000

export interface KillFigures {
  /** Kill to the first committed record of the partition that came last, and first, of those it owned, ms. */
  readonly gapMs: number
  readonly firstGapMs: number
  /** Longest silence of the survivor's own partitions meanwhile, ms. Undefined: nobody's partitions moved. */
  readonly survivorGapMs?: number
  /** Of all partitions in the two seconds before, ms. */
  readonly beforeGapMs: number
  /** Steps of the tasks that moved, milliseconds since the kill, worst first. */
  readonly steps: readonly Step[]
}

export interface Step {
  readonly partition: number
  readonly gapMs: number
  readonly detectedMs: number
  readonly toldMs: number
  readonly readMs: number
  readonly fencedMs: number
  readonly claimedMs: number
  readonly loadedMs: number
  readonly tailedMs: number
  readonly firstCommitMs: number
  readonly snapshotKeys: number
  readonly tailBatches: number
  readonly remarks: readonly string[]
}

const stepOf = ({ partition, recovery }: TaskDescription, gapMs: number, killedAt: number): Step => {
  const [steps, detectedMs] = [recovery?.steps, Math.round((recovery?.detectedAt ?? NaN) - killedAt)]
  const told = Math.round((steps?.startedAt ?? NaN) - killedAt)
  const since = (ms: number | undefined): number => told + (ms ?? NaN)
  return {
    partition, gapMs, detectedMs, toldMs: told, readMs: since(steps?.readMs), fencedMs: since(steps?.fencedMs), claimedMs: since(steps?.claimedMs), loadedMs: since(steps?.loadedMs), tailedMs: since(steps?.tailedMs),
    firstCommitMs: since(steps?.firstCommitMs), snapshotKeys: steps?.snapshot?.keys ?? 0, tailBatches: steps?.tailBatches ?? 0, remarks: steps?.remarks ?? [],
  }
}

const silenceOf = (output: Output, partition: number, from: number, to: number): number => {
  const silence = longestSilence(output.arrivals[partition] ?? [], from, to)
  return silence === undefined ? Infinity : silence.to - silence.from
}

/** Where each owned partition speaks again: the end of its longest silence, since records of the dead one may still arrive right after the kill. */
const spokenAgain = (output: Output, partition: number, from: number, to: number): number | undefined => longestSilence(output.arrivals[partition] ?? [], from, to)?.to

/** `kill`: SIGKILL with its slots. `drain`: SIGTERM, and it hands its tasks over. */
export const killOne = async (cluster: Cluster, job: string, victim: ClusterProcess, output: Output, how: 'kill' | 'drain'): Promise<KillFigures> => {
  const before = await described(cluster, job)
  const owned = before.tasks.filter(({ executor }) => executor === victim.name).map(({ partition }) => partition)
  const others = before.tasks.filter(({ executor }) => executor !== victim.name).map(({ partition }) => partition)
  const pids = [...childrenOf(victim.pid), victim.pid]
  const [at, wallAt] = [realClock.monotonic(), realClock.now()]
  if (how === 'drain') {
    victim.signal('SIGTERM')
    await victim.ended()
  } else {
    for (const pid of pids) kill(pid)
    await victim.kill()
  }

  const recovered = ({ tasks }: JobDescription): boolean => tasks.every(({ phase, executor, recovery, partition }) => phase === 'running' && executor !== victim.name
    && (!owned.includes(partition) || (recovery?.steps?.firstCommitMs !== undefined && recovery.steps.startedAt >= wallAt)))
  let description: JobDescription | undefined
  while (realClock.monotonic() - at < RECOVERED_MS_MAX) {
    const found = await described(cluster, job)
    if (recovered(found)) {
      description = found
      break
    }
    await realClock.sleep(LOOK_MS)
  }
  if (description === undefined) throw new Error(`${victim.name} was killed, and its tasks do not run ${RECOVERED_MS_MAX / 1_000} s later\n${cluster.story()}`)
  await realClock.sleep(AFTERMATH_MS)
  const until = realClock.monotonic()

  const gaps = new Map(owned.map((partition) => {
    const again = spokenAgain(output, partition, at, until)
    if (again === undefined) throw new Error(`partition ${partition} did not speak again after ${victim.name} was killed\n${cluster.story()}`)
    return [partition, Math.round(again - at)]
  }))
  const end = at + Math.max(...gaps.values()) + AFTERMATH_MS
  return {
    gapMs: Math.max(...gaps.values()), firstGapMs: Math.min(...gaps.values()),
    survivorGapMs: Math.round(Math.max(...others.map((partition) => silenceOf(output, partition, at, Math.min(end, until))))),
    beforeGapMs: Math.round(Math.max(...[...owned, ...others].map((partition) => silenceOf(output, partition, at - BEFORE_MS, at - 200)))),
    steps: description.tasks.filter(({ partition }) => owned.includes(partition)).map((task) => stepOf(task, gaps.get(task.partition) ?? NaN, wallAt)).toSorted((a, b) => b.gapMs - a.gapMs),
  }
}

/** The driver ends by SIGKILL, nobody leads for `awayMs`, then another starts: the longest silence of any partition meanwhile. */
export const killDriver = async (cluster: Cluster, job: string, output: Output, awayMs: number): Promise<KillFigures> => {
  const partitions = (await described(cluster, job)).tasks.map(({ partition }) => partition)
  const at = realClock.monotonic()
  await cluster.driver?.kill()
  await realClock.sleep(awayMs)
  await cluster.startDriver()
  await cluster.allRunning(job)
  await realClock.sleep(AFTERMATH_MS)
  const until = realClock.monotonic()
  const silent = partitions.map((partition) => Math.round(silenceOf(output, partition, at, until)))
  return { gapMs: Math.max(...silent), firstGapMs: Math.min(...silent), beforeGapMs: Math.round(Math.max(...partitions.map((partition) => silenceOf(output, partition, at - BEFORE_MS, at - 200)))), steps: [] }
}
