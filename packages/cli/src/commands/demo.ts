// tidemark demo: a cluster of processes on this machine, killed under load in front of you, and every result checked.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileOf, realRandom } from '@tidemark/base'
import { bundleJob } from '../bundle.ts'
import { executorsJoined } from '../cluster/joined.ts'
import { checkProcessSettings, LocalCluster, removeFolder } from '../cluster/local-cluster.ts'
import type { Context } from '../context.ts'
import { compare, expectedSales, expectedTotals, saleOf, totalOf } from '../demo/check.ts'
import { killOne } from '../demo/kill.ts'
import type { Recovery } from '../demo/kill.ts'
import { Feeder, PARTITIONS, TOPICS } from '../demo/orders.ts'
import { answerOf, GOING_ON, reportLines, sumsOf } from '../demo/report.ts'
import { allRun, byOwner, JOB, RERUN, Stage } from '../demo/stage.ts'
import { showStatus } from '../demo/status.ts'
import { readAll, Watcher } from '../demo/watcher.ts'
import { EXIT, exitCodeOf } from '../exit.ts'
import { number, plural } from '../format/values.ts'

export interface DemoOptions {
  readonly seed?: number
  /** Of feeding; two kills are in it. */
  readonly seconds: number
  /** Events a second. */
  readonly rate: number
  readonly keep: boolean
}

const EXECUTORS = 3
const SLOT_HEAP_MIB = 256
const SEED_MAX = 1_000_000
const QUIET_MS = 750
const QUIET_POLL_MS = 50

/** Resolves with the exit code: 0 only when every result is right. */
export const runDemo = async (context: Context, options: DemoOptions): Promise<number> => {
  const { clock, terminal, signal } = context
  checkProcessSettings(context.environment)
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-demo-'))
  const seed = options.seed ?? Math.floor(realRandom.next() * SEED_MAX)
  const cluster = new LocalCluster({ folder, listen: '127.0.0.1:0', slots: 1, slotHeapMiB: SLOT_HEAP_MIB, clock, environment: context.environment, ...options.keep ? {} : { hint: RERUN } })
  const over = new AbortController()
  const opened: (() => unknown)[] = []
  try {
    await cluster.startDriver()
    const log = context.openLog({ ...context.servers, kafka: undefined, folder })
    opened.push(() => log.close())
    const jobs = context.openJobs(cluster.address)
    opened.push(() => jobs.close())
    const stage = new Stage({ cluster, log, jobs, clock, terminal, json: context.json, signal })
    stage.say(`driver at ${cluster.address} (pid ${cluster.driver?.pid ?? 0}); log and store embedded in ${folder}`)
    for (let i = 0; i < EXECUTORS; i += 1) stage.say(`executor ${cluster.startExecutor().name} started (pid ${cluster.executors.at(-1)?.pid ?? 0})`)
    const result = await play(stage, seed, options, over.signal, (background) => opened.push(() => background))
    over.abort()
    terminal.status('')
    if (context.json) terminal.json(answerOf(result))
    else for (const line of [...reportLines(result, terminal.paint), ...sumsOf(result).exact ? GOING_ON : []]) terminal.line(line)
    return sumsOf(result).exact ? EXIT.done : EXIT.failed
  } catch (error) {
    over.abort()
    terminal.status('')
    if (!signal.aborted) throw error
    terminal.note('interrupted: ending the cluster')
    return exitCodeOf(signal.reason)
  } finally {
    over.abort()
    await cluster.kill()
    // Newest first: what reads ends before what it reads.
    for (const close of opened.toReversed()) await Promise.resolve(close()).catch(() => {})
    if (options.keep) terminal.note(`kept: ${folder}`)
    else removeFolder(folder)
  }
}

const play = async (stage: Stage, seed: number, options: DemoOptions, over: AbortSignal, alongside: (background: Promise<unknown>) => void) => {
  const { log, clock, jobs, cluster } = stage
  await log.createTopics(Object.values(TOPICS).map((topic) => ({ topic, partitions: PARTITIONS })))
  const { plan, bundle } = await bundleJob(fileOf(import.meta.url, '../demo/job.ts', './demo-job.js'))
  alongside(stage.follow(over).catch(() => {}))
  await executorsJoined(jobs, EXECUTORS, clock, stage.signal)
  const { run } = await jobs.submit({ plan, bundle })
  const { tasks } = await stage.until('all tasks running', allRun)
  stage.say(`job ${JOB}, run ${run}: ${plural(tasks.length, 'task')} running, ${[...byOwner(tasks)].map(([label, owned]) => `${owned.length} on ${label}`).join(', ')}`)

  const watcher = new Watcher(log, clock)
  const feeder = new Feeder({ log, clock, seed, rate: options.rate })
  // A failure of either ends the demo at the next step, not at the end.
  const failures: unknown[] = []
  const stopFeeding = new AbortController()
  const keepFailure = (error: unknown): void => void failures.push(error)
  const feeding = feeder.feed(stopFeeding.signal).catch(keepFailure)
  alongside(feeding)
  alongside(watcher.watch(over).catch(keepFailure))
  alongside(showStatus(stage, watcher, feeder, over).catch(() => {}))
  over.addEventListener('abort', () => stopFeeding.abort(), { once: true })
  const throwFailure = (): void => {
    if (failures.length > 0) throw failures[0]
  }
  stage.say(`feeding ${plural(options.rate, 'order')} a second for ${options.seconds} s, seed ${seed}`)

  const began = clock.monotonic()
  const untilSecond = async (second: number): Promise<void> => {
    await clock.sleep(Math.max(0, second * 1_000 - (clock.monotonic() - began)), stage.signal)
    throwFailure()
  }
  const recoveries: Recovery[] = []
  for (const [at, whole] of [[options.seconds * 0.3, false], [options.seconds * 0.65, true]] as const) {
    await untilSecond(at)
    recoveries.push(await killOne(stage, watcher, whole))
    stage.say(`executor ${cluster.startExecutor().name} started in its place (pid ${cluster.executors.at(-1)?.pid ?? 0})`)
  }
  await untilSecond(options.seconds)

  stopFeeding.abort()
  await feeding
  throwFailure()
  const closedAt = await feeder.close()
  stage.say(`${number(feeder.written.length)} orders written; waiting until all of them are processed`)
  const [totals, sales] = [expectedTotals(feeder.written), expectedSales(feeder.written, closedAt)]
  await processed(stage)
  await quiet(stage)
  stage.say('reading all results from the start, read committed, and comparing each')
  const found = await Promise.all([readAll(log, TOPICS.totals), readAll(log, TOPICS.sales)])
  return { seed, eventsIn: feeder.written.length, totals: compare(totals, found[0].map(totalOf)), sales: compare(sales, found[1].map(saleOf)), recoveries }
}

/** Every task has read all that its inputs have. */
const processed = async (stage: Stage): Promise<void> => {
  const ends = new Map((await stage.log.offsets(TOPICS.orders)).map(({ partition, stable }) => [partition, stable]))
  await stage.until('everything processed', (job) => allRun(job) && job.tasks.every(({ inputs }) => inputs.length > 0 && inputs.every(({ topic, partition, next, stable }) =>
    next >= stable && (topic !== TOPICS.orders || next >= (ends.get(partition) ?? Infinity)))))
}

/** Nothing new in the results for a while: what should not be there has had its time to come, too. */
const quiet = async (stage: Stage): Promise<void> => {
  const { clock, log, signal } = stage
  const count = async (): Promise<number> => (await Promise.all([TOPICS.totals, TOPICS.sales].map((topic) => log.offsets(topic)))).flat().reduce((sum, { stable }) => sum + stable, 0)
  let last = await count()
  for (let since = clock.monotonic(); clock.monotonic() - since < QUIET_MS;) {
    await clock.sleep(QUIET_POLL_MS, signal)
    const now = await count()
    if (now !== last) since = clock.monotonic()
    last = now
  }
}
