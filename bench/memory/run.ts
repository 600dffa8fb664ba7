// The memory workload: one executor with the state of 1,000,000 users; what it and its slots take while snapshots are made and events go on, and at most.
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import type { JobDescription } from '@tidemark/wire'
import { Cluster } from '../../test/cluster/cluster.ts'
import { described } from '../described.ts'
import type { Ending } from '../ending.ts'
import type { BenchOptions } from '../options.ts'
import { OUTPUT_TOPIC, Payments } from '../payments.ts'
import { childrenCpuSeconds, childrenOf, memoryMb, peakMemoryMb } from '../processes.ts'
import { measureRaw } from '../raw.ts'
import { RunningCheck } from '../recovery/check.ts'
import { Feed } from '../recovery/feed.ts'
import { median } from '../recovery/silence.ts'
import type { Report } from '../report.ts'
import { startServers } from '../servers.ts'
import { readTopic } from '../topic-reading.ts'

const JOB = 'bench-running'
const USERS = 1_000_000
const SAMPLE_MS = 250
const WORKED_OFF_MS_MAX = 300_000

/** Sums over the executor and its slots, MB. */
class Samples {
  readonly #pids: readonly number[]
  readonly values: number[] = []
  #stop = false

  constructor(pids: readonly number[]) {
    this.#pids = pids
  }

  async run(): Promise<void> {
    while (!this.#stop) {
      this.values.push(this.#pids.reduce((total, pid) => total + memoryMb(pid), 0))
      await realClock.sleep(SAMPLE_MS)
    }
  }

  stop(): void {
    this.#stop = true
  }
}

export const runMemory = async (options: BenchOptions, ending: Ending, report: Report): Promise<void> => {
  const servers = await startServers(options.log, ending, 'whole')
  const cluster = await ending.keep(Cluster.start({ servers: servers.env, executors: 0, slots: options.slots }), (started) => started.stop())
  const { log } = cluster
  const payments = new Payments(log, options.seed, { users: USERS, eachUserFirst: true })
  await payments.createTopics()
  await payments.write(options.events)
  const executor = cluster.startExecutor()
  await executor.line((line) => line.event === 'executor.started')
  await cluster.submit(join(import.meta.dirname, '..', 'jobs', 'running.ts'))
  await executor.line((line) => line.msg === 'takeover.running')
  const [slots, givenAt] = [childrenOf(executor.pid), realClock.monotonic()]
  const samples = new Samples([executor.pid, ...slots])
  ending.add(() => samples.stop())
  void samples.run()
  const until = async (what: string, reached: (description: JobDescription) => boolean): Promise<void> => {
    for (const began = realClock.monotonic(); !reached(await described(cluster, JOB));) {
      if (realClock.monotonic() - began > WORKED_OFF_MS_MAX) throw new Error(`${what} in ${WORKED_OFF_MS_MAX / 1_000} s\n${cluster.story()}`)
      await realClock.sleep(SAMPLE_MS)
    }
  }
  await until('the input was not worked off', ({ summary, tasks }) => summary.lag === 0 && tasks.length > 0 && tasks.every(({ inputs }) => inputs.length > 0 && inputs.every(({ stable }) => stable > 0)))
  const workedOffFor = realClock.monotonic() - givenAt
  report.say(`${options.events} events of ${Math.min(USERS, options.events)} users worked off: ${samples.values.at(-1)} MB; ${options.rate} a second follow, through two checkpoints and at least ${options.seconds} s`)
  const feed = new Feed(payments, options.rate)
  ending.add(() => Promise.allSettled([feed.stop()]))
  feed.start()
  const steadyFrom = samples.values.length
  const newestBefore = Math.max(0, ...(await described(cluster, JOB)).checkpoints.map(({ checkpoint }) => checkpoint))
  const began = realClock.monotonic()
  await until('there were no two checkpoints', ({ checkpoints }) => checkpoints.filter(({ checkpoint }) => checkpoint > newestBefore).length >= 2 && realClock.monotonic() - began >= options.seconds * 1_000)
  await feed.stop()
  samples.stop()
  const [loading, steady] = [samples.values.slice(0, steadyFrom), samples.values.slice(steadyFrom)]
  const [executorRssMb, slotPeakMb] = [memoryMb(executor.pid), Math.max(...slots.map(peakMemoryMb))]
  await until('the last events were not worked off', ({ summary }) => summary.lag === 0)
  const slotsCpu = childrenCpuSeconds(executor.pid)
  await executor.kill()
  const check = new RunningCheck(USERS)
  await readTopic(log, OUTPUT_TOPIC, (record) => check.take(record.value?.toString('utf8') ?? 'null'))
  const { lost, doubled, wrong, examples } = check.finish(payments)
  const raw = await measureRaw(log, payments.count)
  const figures = { rssMb: Math.round(median(steady)), steadyPeakRssMb: Math.max(...steady), peakRssMb: Math.max(...loading, ...steady), executorRssMb, slotPeakMb }
  report.say(`executor and slots together: ${figures.rssMb} MB (median), ${figures.steadyPeakRssMb} MB at most while ${options.rate} events a second go on and snapshots are made; ${figures.peakRssMb} MB at most, working off what was there included; executor alone ${executorRssMb} MB`)
  report.say(`${check.results} results for ${payments.count} events: ${lost} lost, ${doubled} doubled, ${wrong} wrong`)
  for (const example of examples) report.say(`  ${example}`)
  report.finish({ workload: 'memory', log: options.log, slots: slots.length, keys: Math.min(USERS, options.events), events: payments.count, eventsPerSecond: Math.round(options.events / workedOffFor * 1_000), cpuSecondsPerMillion: Number((slotsCpu / (payments.count / 1e6)).toFixed(2)), ...figures, rawEventsPerSecond: raw.eventsPerSecond, lost, doubled, wrong, seed: options.seed })
}
