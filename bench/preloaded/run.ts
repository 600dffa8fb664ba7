// The workloads whose input is there before: a cluster of one executor works it off, its output is checked whole.
import { join } from 'node:path'
import { paths } from '@tidemark/checkpoint'
import { jobId, realClock } from '@tidemark/base'
import { Cluster } from '../../test/cluster/cluster.ts'
import { described } from '../described.ts'
import type { Ending } from '../ending.ts'
import type { BenchOptions } from '../options.ts'
import { INPUT_TOPIC, OUTPUT_TOPIC, Payments } from '../payments.ts'
import { childrenOf, cpuSeconds, peakMemoryMb } from '../processes.ts'
import { measureRaw } from '../raw.ts'
import type { Report } from '../report.ts'
import { startServers } from '../servers.ts'
import { readTopic } from '../topic-reading.ts'
import { RunningCheck } from '../recovery/check.ts'
import { WindowedCheck } from '../windowed/check.ts'
import { committedAt } from './journals.ts'

interface Check {
  readonly results: number
  take(text: string): void
  finish(input: Payments): { readonly lost: number, readonly doubled: number, readonly wrong: number, readonly examples: readonly string[] }
}

interface Preloaded {
  readonly workload: 'windowed' | 'running'
  readonly job: string
  readonly check: (payments: Payments) => Check
}

const POLL_MS = 250
const RUN_MS_MAX = 600_000
const LAST_COMMIT_MS_MAX = 30_000

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

const untilRead = async (cluster: Cluster, job: string): Promise<void> => {
  for (const began = realClock.monotonic(); realClock.monotonic() - began < RUN_MS_MAX;) {
    const { tasks } = await described(cluster, job)
    if (tasks.length > 0 && tasks.every(({ lag, inputs }) => lag === 0 && inputs.length > 0 && inputs.every(({ stable }) => stable > 0))) return
    await realClock.sleep(POLL_MS)
  }
  throw new Error(`the input was not worked off in ${RUN_MS_MAX / 1_000} s\n${cluster.story()}`)
}

const runPreloaded = ({ workload, job, check: makeCheck }: Preloaded) => async (options: BenchOptions, ending: Ending, report: Report): Promise<void> => {
  const servers = await startServers(options.log, ending, 'whole')
  const cluster = await ending.keep(Cluster.start({ servers: servers.env, executors: 0, slots: options.slots }), (started) => started.stop())
  const { log } = cluster
  const payments = new Payments(log, options.seed)
  await payments.createTopics()
  const loadedFrom = realClock.monotonic()
  await payments.write(options.events)
  report.say(`preloaded ${options.events} events in ${((realClock.monotonic() - loadedFrom) / 1_000).toFixed(1)} s`)
  const raw = await measureRaw(log, options.events)
  report.say(`raw client: ${raw.eventsPerSecond} events/s, ${raw.cpuSecondsPerMillion.toFixed(2)} s of CPU per million`)

  const executor = cluster.startExecutor()
  await executor.line((line) => line.event === 'executor.started')
  await cluster.submit(join(import.meta.dirname, '..', 'jobs', `${workload}.ts`))
  // Before it a task reads nothing.
  const running = await executor.line((line) => line.msg === 'takeover.running')
  const slots = childrenOf(executor.pid)
  const cpuBefore = { slots: slots.map(cpuSeconds), broker: cpuSeconds(servers.brokerPid ?? -1) }
  await untilRead(cluster, job)
  const cpu = { slots: sum(slots.map(cpuSeconds)) - sum(cpuBefore.slots), broker: cpuSeconds(servers.brokerPid ?? -1) - cpuBefore.broker }
  const rssMb = Math.max(...slots.map(peakMemoryMb))
  const ends = new Map((await log.offsets(INPUT_TOPIC)).map(({ partition, stable }) => [`${INPUT_TOPIC}/${partition}`, stable]))
  const last = await committedAt(log, paths.journalTopic(jobId(job), 1, 's0'), ends, LAST_COMMIT_MS_MAX)
  const seconds = (last.at - Number(running['time'])) / 1_000
  const perMillion = (cpuSecondsTaken: number): number => Number((cpuSecondsTaken / (options.events / 1e6)).toFixed(2))
  const eventsPerSecond = Math.round(options.events / seconds)
  report.say(`worked off in ${seconds.toFixed(2)} s by ${slots.length} slot(s), ${last.commits} commit records: ${eventsPerSecond} events/s, ${(eventsPerSecond / raw.eventsPerSecond).toFixed(2)} of the raw client`)
  report.say(`CPU: slots ${perMillion(cpu.slots)} s per million events${servers.brokerPid === undefined ? '' : `, broker ${perMillion(cpu.broker)} s`}; memory of a slot ${rssMb} MB at most`)

  await executor.kill()
  const check = makeCheck(payments)
  await readTopic(log, OUTPUT_TOPIC, (record) => check.take(record.value?.toString('utf8') ?? 'null'))
  const { lost, doubled, wrong, examples } = check.finish(payments)
  report.say(`${check.results} results: ${lost} lost, ${doubled} doubled, ${wrong} wrong`)
  for (const example of examples) report.say(`  ${example}`)
  report.finish({
    workload, log: options.log, slots: slots.length, events: options.events, eventsPerSecond, rawEventsPerSecond: raw.eventsPerSecond, ratio: Number((eventsPerSecond / raw.eventsPerSecond).toFixed(3)),
    cpuSecondsPerMillion: perMillion(cpu.slots), rawCpuSecondsPerMillion: Number(raw.cpuSecondsPerMillion.toFixed(2)), brokerCpuSecondsPerMillion: servers.brokerPid === undefined ? null : perMillion(cpu.broker),
    rssMb, results: check.results, lost, doubled, wrong, seed: options.seed,
  })
}

export const runWindowed = runPreloaded({ workload: 'windowed', job: 'bench-windowed', check: (payments) => new WindowedCheck(payments) })
export const runRunning = runPreloaded({ workload: 'running', job: 'bench-running', check: () => new RunningCheck() })
