// The recovery workload: 5,000 events a second, two executors; one after the other is killed and a new one started; every output is checked.
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import { Cluster } from '../../test/cluster/cluster.ts'
import { seeded } from '../../test/workload/events.ts'
import { described } from '../described.ts'
import type { Ending } from '../ending.ts'
import type { BenchOptions } from '../options.ts'
import { Payments } from '../payments.ts'
import { childrenCpuSeconds, childrenOf, peakMemoryMb } from '../processes.ts'
import { measureRaw } from '../raw.ts'
import type { Report } from '../report.ts'
import { startServers } from '../servers.ts'
import { RunningCheck } from './check.ts'
import { Feed } from './feed.ts'
import { killDriver, killOne } from './kill.ts'
import type { KillFigures, Step } from './kill.ts'
import { Output } from './output.ts'
import { median } from './silence.ts'

const JOB = 'bench-running'
const EXECUTORS = 2
/** Both executors work this long, and up to as long again, before one is killed. */
const STEADY_MS = 3_000
const DRAINED_MS_MAX = 60_000
/** A first checkpoint has to be there: else the whole journal is read. */
const READY_MS_MAX = 120_000
/** How long nobody leads when the driver is killed. */
const DRIVER_AWAY_MS = 1_000

const untilBalanced = async (cluster: Cluster, rate: number): Promise<void> => {
  for (const began = realClock.monotonic(); realClock.monotonic() - began < READY_MS_MAX;) {
    const { tasks, checkpoints, summary } = await described(cluster, JOB)
    const owners = Map.groupBy(tasks.filter(({ phase }) => phase === 'running'), ({ executor }) => executor)
    const each = [...owners.values()].map(({ length }) => length)
    if (checkpoints.length > 0 && (summary.lag ?? Infinity) < rate && owners.size === EXECUTORS && each.every((count) => count === tasks.length / EXECUTORS)) return
    await realClock.sleep(100)
  }
  throw new Error(`the tasks are not spread over ${EXECUTORS} executors, with a checkpoint, in ${READY_MS_MAX / 1_000} s\n${JSON.stringify(await cluster.jobs.describe(JOB).catch(() => 'nobody leads'), undefined, 1)}\n${cluster.story()}`)
}

const sayStep = (step: Step): string => `    partition ${step.partition}: silent ${step.gapMs} ms; since the kill: detected ${step.detectedMs}, told ${step.toldMs}, read ${step.readMs}, fenced ${step.fencedMs}, claimed ${step.claimedMs}, loaded ${step.loadedMs}, tailed ${step.tailedMs}, first commit ${step.firstCommitMs}; snapshot of ${step.snapshotKeys} keys, tail of ${step.tailBatches} batches${step.remarks.length === 0 ? '' : `; ${step.remarks.join('; ')}`}`

export const runRecovery = async (options: BenchOptions, ending: Ending, report: Report): Promise<void> => {
  const servers = await startServers(options.log, ending, 'brief')
  const cluster = await ending.keep(Cluster.start({ servers: servers.env, executors: EXECUTORS, slots: options.slots }), (started) => started.stop())
  const { log } = cluster
  const [payments, check, random] = [new Payments(log, options.seed), new RunningCheck(), seeded(options.seed)]
  await payments.createTopics()
  await payments.write(options.events)
  await cluster.submit(join(import.meta.dirname, '..', 'jobs', 'running.ts'))
  const output = new Output(log, check)
  const feed = new Feed(payments, options.rate)
  output.follow()
  const fedFrom = realClock.monotonic()
  feed.start()
  ending.add(() => Promise.allSettled([feed.stop(), output.stop()]))
  report.say(`${options.events} events preloaded, ${options.rate} a second follow; waiting for a checkpoint`)

  const kills: KillFigures[] = []
  let [rssMb, slotsCpu] = [0, 0]
  while (kills.length < options.kills) {
    await untilBalanced(cluster, options.rate)
    await realClock.sleep(STEADY_MS * (1 + random()))
    const alive = cluster.executors.filter((executor) => executor.alive)
    rssMb = Math.max(rssMb, ...alive.flatMap(({ pid }) => childrenOf(pid)).map(peakMemoryMb))
    const victim = alive[Math.floor(random() * alive.length)]
    if (victim === undefined) throw new Error(`no executor is left\n${cluster.story()}`)
    // Nobody tells of a process that is gone what it took.
    if (options.how !== 'driver') slotsCpu += childrenCpuSeconds(victim.pid)
    const figures = options.how === 'driver' ? await killDriver(cluster, JOB, output, DRIVER_AWAY_MS) : await killOne(cluster, JOB, victim, output, options.how)
    kills.push(figures)
    report.say(`${options.how} ${kills.length} (${options.how === 'driver' ? 'the driver' : victim.name}): gap ${figures.gapMs} ms (first partition ${figures.firstGapMs}), survivor ${figures.survivorGapMs ?? '-'} ms, before it ${figures.beforeGapMs} ms`)
    for (const step of figures.steps) report.say(sayStep(step))
    if (options.how !== 'driver') cluster.startExecutor()
  }

  const fedFor = realClock.monotonic() - fedFrom
  await feed.stop()
  for (const began = realClock.monotonic(); check.results < payments.count && realClock.monotonic() - began < DRAINED_MS_MAX;) await realClock.sleep(50)
  await output.stop()
  for (const { pid } of cluster.executors.filter((executor) => executor.alive)) slotsCpu += childrenCpuSeconds(pid)
  const { lost, doubled, wrong, examples } = check.finish(payments)
  const raw = await measureRaw(log, payments.count)
  const gapsMs = kills.map(({ gapMs }) => gapMs)
  const survivors = kills.flatMap(({ survivorGapMs }) => survivorGapMs ?? [])
  report.say(`${check.results} results for ${payments.count} events: ${lost} lost, ${doubled} doubled, ${wrong} wrong`)
  for (const example of examples) report.say(`  ${example}`)
  report.finish({
    workload: 'recovery', how: options.how, log: options.log, slots: options.slots, ratePerSecond: options.rate, eventsPerSecond: Math.round((payments.count - options.events) / fedFor * 1_000), cpuSecondsPerMillion: Number((slotsCpu / (payments.count / 1e6)).toFixed(2)), events: payments.count, kills: kills.length, gapsMs, p50Ms: median(gapsMs), worstMs: Math.max(...gapsMs),
    firstGapsMs: kills.map(({ firstGapMs }) => firstGapMs), rawEventsPerSecond: raw.eventsPerSecond, ...survivors.length === 0 ? {} : { survivorGapMs: Math.max(...survivors), survivorGapsMs: survivors },
    beforeGapsMs: kills.map(({ beforeGapMs }) => beforeGapMs), rssMb, lost, doubled, wrong, seed: options.seed,
  })
}
