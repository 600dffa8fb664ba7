// The latency workload: 5,000 events a second, one result each, exactly once; from just before an event is sent until another program, which reads committed records only, has its result.
// Its floor, in the same run: the same reader on the input topic itself, with nothing between.
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import { Cluster } from '../../test/cluster/cluster.ts'
import { described } from '../described.ts'
import type { Ending } from '../ending.ts'
import type { BenchOptions } from '../options.ts'
import { INPUT_TOPIC, OUTPUT_TOPIC, Payments } from '../payments.ts'
import { childrenOf, cpuSeconds, peakMemoryMb } from '../processes.ts'
import { measureRaw } from '../raw.ts'
import { RunningCheck } from '../recovery/check.ts'
import { Feed } from '../recovery/feed.ts'
import type { Report } from '../report.ts'
import { startServers } from '../servers.ts'
import { follow } from './follower.ts'
import { Latencies, Stamps } from './stamps.ts'

const JOB = 'bench-running'
const FLOOR_WARM_UP_MS = 3_000
const FLOOR_MS = 10_000
const WARM_UP_MS = 10_000
const CAUGHT_UP_MS_MAX = 300_000
const DRAINED_MS_MAX = 60_000

const untilCaughtUp = async (cluster: Cluster, rate: number): Promise<void> => {
  for (const began = realClock.monotonic(); realClock.monotonic() - began < CAUGHT_UP_MS_MAX;) {
    const { summary, tasks, checkpoints } = await described(cluster, JOB)
    if (checkpoints.length > 0 && tasks.length > 0 && tasks.every(({ phase }) => phase === 'running') && (summary.lag ?? Infinity) < rate / 10) return
    await realClock.sleep(100)
  }
  throw new Error(`the job did not catch up with ${rate} events a second, with a checkpoint, in ${CAUGHT_UP_MS_MAX / 1_000} s\n${cluster.story()}`)
}

const figuresOf = (latencies: Latencies): { readonly p50Ms: number, readonly p90Ms: number, readonly p99Ms: number, readonly maxMs: number } =>
  ({ p50Ms: latencies.percentile(50), p90Ms: latencies.percentile(90), p99Ms: latencies.percentile(99), maxMs: latencies.percentile(100) })

export const runLatency = async (options: BenchOptions, ending: Ending, report: Report): Promise<void> => {
  const servers = await startServers(options.log, ending, 'brief')
  const cluster = await ending.keep(Cluster.start({ servers: servers.env, executors: 0, slots: options.slots }), (started) => started.stop())
  const { log } = cluster
  const brokers = servers.env['TIDEMARK_KAFKA']
  const [payments, check] = [new Payments(log, options.seed), new RunningCheck()]
  const stamps = new Stamps(payments)
  await payments.createTopics()
  await payments.write(options.events)
  const feed = new Feed(payments, options.rate, (first, count) => stamps.sending(first, count))
  ending.add(() => Promise.allSettled([feed.stop()]))
  feed.start()

  await realClock.sleep(FLOOR_WARM_UP_MS)
  const floor = new Latencies()
  floor.begin(realClock.monotonic() + FLOOR_WARM_UP_MS)
  const input = await ending.keep(Promise.resolve(follow({ brokers, log, topic: INPUT_TOPIC, from: 'end', take: (text, at) => floor.take(stamps.ofInput(text), at) })), (started) => started.stop().catch(() => {}))
  await realClock.sleep(FLOOR_WARM_UP_MS + FLOOR_MS)
  floor.end(realClock.monotonic())
  // What was sent last is to arrive.
  await realClock.sleep(1_000)
  await input.stop()
  const floorFigures = figuresOf(floor)
  report.say(`the reader alone (${input.reader}, on the input topic): p50 ${floorFigures.p50Ms} ms, p99 ${floorFigures.p99Ms} ms, of ${floor.count} events`)

  const executor = cluster.startExecutor()
  await executor.line((line) => line.event === 'executor.started')
  const latencies = new Latencies()
  const output = await ending.keep(Promise.resolve(follow({
    brokers, log, topic: OUTPUT_TOPIC, from: 'start',
    take: (text, at) => {
      check.take(text)
      latencies.take(stamps.ofResult(text), at)
    },
  })), (started) => started.stop().catch(() => {}))
  await cluster.submit(join(import.meta.dirname, '..', 'jobs', 'running.ts'))
  await untilCaughtUp(cluster, options.rate)
  report.say(`caught up with ${options.rate} events a second, state of ${Math.min(options.events, payments.users)} users at most; measured are ${options.seconds} s, ${WARM_UP_MS / 1_000} s from now on`)
  await realClock.sleep(WARM_UP_MS)
  const slots = childrenOf(executor.pid)
  const [cpuBefore, from] = [slots.map(cpuSeconds), realClock.monotonic()]
  const sentBefore = payments.count
  latencies.begin(from)
  await realClock.sleep(options.seconds * 1_000)
  const until = realClock.monotonic()
  latencies.end(until)
  const sent = payments.count - sentBefore
  const cpu = slots.reduce((total, pid, index) => total + cpuSeconds(pid) - (cpuBefore[index] ?? 0), 0)

  await feed.stop()
  for (const began = realClock.monotonic(); check.results < payments.count && realClock.monotonic() - began < DRAINED_MS_MAX;) await realClock.sleep(50)
  await output.stop()
  const rssMb = Math.max(...slots.map(peakMemoryMb))
  await executor.kill()
  const raw = await measureRaw(log, payments.count)
  const { lost, doubled, wrong, examples } = check.finish(payments)
  const figures = figuresOf(latencies)
  report.say(`latency: p50 ${figures.p50Ms} ms, p90 ${figures.p90Ms}, p99 ${figures.p99Ms}, at most ${figures.maxMs}, of ${latencies.count} events in ${options.seconds} s`)
  report.say(`${check.results} results for ${payments.count} events: ${lost} lost, ${doubled} doubled, ${wrong} wrong`)
  for (const example of examples) report.say(`  ${example}`)
  report.finish({
    workload: 'latency', log: options.log, reader: output.reader, slots: slots.length, events: payments.count, measured: latencies.count, seconds: options.seconds,
    eventsPerSecond: Math.round(sent / ((until - from) / 1_000)), ...figures, floorP50Ms: floorFigures.p50Ms, floorP99Ms: floorFigures.p99Ms, floorMaxMs: floorFigures.maxMs,
    cpuSecondsPerMillion: Number((cpu / (sent / 1e6)).toFixed(2)), rawEventsPerSecond: raw.eventsPerSecond, rssMb, lost, doubled, wrong, seed: options.seed,
  })
}
