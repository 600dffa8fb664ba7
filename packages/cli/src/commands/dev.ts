// tidemark dev: a whole cluster in one folder, jobs submitted, events shown, Ctrl-C drains.
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import { parsePlan } from 'tidemark'
import { bundleJob } from '../bundle.ts'
import { executorsJoined } from '../cluster/joined.ts'
import { checkProcessSettings, LocalCluster, removeFolder, unusedServers } from '../cluster/local-cluster.ts'
import { LEASE_FILE, LOG_FILE, withJobs, withLog } from '../context.ts'
import type { Context } from '../context.ts'
import { wrongUse } from '../exit.ts'
import { plural } from '../format/values.ts'
import { makeTopics } from './dev-topics.ts'
import { showEvents } from './events.ts'
import { submitJob } from './submit.ts'

const SLOT_HEAP_MIB = 1_024

export interface DevOptions {
  readonly fresh: boolean
  readonly executors: number
  readonly slots: number
}

export const runDev = async (outer: Context, files: readonly string[], options: DevOptions): Promise<void> => {
  const context: Context = { ...outer, servers: { ...outer.servers, kafka: undefined } }
  const { terminal, servers: { folder, driver }, signal } = context
  const say = (text: string): void => context.json ? terminal.note(text) : terminal.line(text)
  const unused = unusedServers(context.environment)
  if (unused.length > 0) say(`${unused.join(', ')}: set, and not used: dev keeps everything in ${folder}`)
  // Before anything is started or deleted: mistakes in settings, and in a job file, which are the most likely ones.
  if (driver.includes(',')) throw wrongUse(`dev starts one driver, and ${driver} names more`, 'Are TIDEMARK_DRIVER and the like set for another cluster? Open another terminal, or give an address for this one: --driver 127.0.0.1:7400')
  checkProcessSettings(context.environment)
  const plans = await Promise.all(files.map(async (file) => parsePlan((await bundleJob(file)).plan)))
  if (await answers(context)) throw clusterRuns(`a driver answers at ${driver} already`, driver)
  const leader = await leads(context)
  if (leader !== undefined) throw clusterRuns(`a cluster runs in ${folder} already: ${leader} leads it`, leader)
  if (options.fresh) startFresh(folder, say)
  mkdirSync(folder, { recursive: true })

  const cluster = new LocalCluster({
    folder, listen: driver, slots: options.slots, slotHeapMiB: SLOT_HEAP_MIB, clock: context.clock, environment: context.environment,
    onOutput: (name, text) => say(name === 'driver' ? `${name}: ${text}` : text),
  })
  try {
    await cluster.startDriver()
    for (let i = 0; i < options.executors; i += 1) cluster.startExecutor()
    say(`driver at ${cluster.address}, ${plural(options.executors, 'executor')} with ${plural(options.slots, 'slot')} each, all in ${folder}; logs in ${cluster.logFolder}`)
    await withLog(context, (log) => makeTopics(log, plans, say), true)
    await withJobs(context, (jobs) => executorsJoined(jobs, options.executors, context.clock, signal))
    for (const file of files) await submitJob(context, file).catch((error: unknown) => { throw refusedInDev(error) })
    say('Ctrl-C drains and ends it; what was counted stays. Look at it from another terminal: tidemark jobs, tidemark describe <job>, tidemark read <topic> --follow')
    await Promise.race([showEvents(context, { follow: true }), driverEnds(cluster)])
  } finally {
    if (signal.aborted) say('draining: executors release their tasks')
    await cluster.drain()
    if (signal.aborted) say(`ended; the same command${options.fresh ? ' without --fresh' : ''} goes on from here`)
  }
}

/** The ways out of a job that is there already need a cluster that runs; this one ends with the refusal. */
const refusedInDev = (error: unknown): unknown => !isTidemarkError(error) || error.code !== 'JOB_EXISTS' ? error : new TidemarkError(error.message, {
  code: error.code, blame: error.blame, action: error.action, ...error.place,
  hint: `Forget everything: the same command with \`--fresh\`. Else start \`tidemark dev\` without a job file: what ran goes on; then, in another terminal, one of these. ${error.hint ?? ''}`,
})

/** A cluster without its driver goes on, but not a developer's: it should not look alive. */
const driverEnds = async (cluster: LocalCluster): Promise<never> => {
  const { driver } = cluster
  await driver?.ended
  throw new TidemarkError(`the driver ${driver?.fate ?? 'is gone'}. Its last lines:\n${driver?.tail() ?? ''}`, { code: 'CLI_PROCESS_ENDED', blame: 'environment', action: 'exit', hint: `All it said is in ${cluster.logFolder}.` })
}

const answers = async ({ openJobs, servers }: Context): Promise<boolean> => {
  const jobs = openJobs(servers.driver)
  try {
    await jobs.list()
    return true
  } catch (error) {
    return !isTidemarkError(error) || error.code !== 'WIRE_UNAVAILABLE'
  } finally {
    jobs.close()
  }
}

/** Whoever leads the cluster of this folder, at whatever address: two clusters in one folder would be one, and --fresh would delete what the other one runs on. */
const leads = async ({ openLease, servers }: Context): Promise<string | undefined> => {
  if (!existsSync(join(servers.folder, LEASE_FILE))) return undefined
  const lease = openLease({ ...servers, redis: undefined })
  try {
    return await lease.holder()
  } finally {
    await lease.close()
  }
}

const clusterRuns = (message: string, driver: string): TidemarkError => new TidemarkError(message, {
  code: 'CLI_CLUSTER_RUNS', blame: 'user', action: 'exit',
  hint: `End it first, or submit to it with: tidemark submit <job file> --driver ${driver}. A second cluster takes a folder and an address of its own: --dir <folder> --driver 127.0.0.1:7401`,
})

const startFresh = (folder: string, say: (text: string) => void): void => {
  if (!existsSync(folder)) return
  if (readdirSync(folder).length > 0 && !existsSync(join(folder, LOG_FILE))) {
    throw new TidemarkError(`${folder} holds something, and no ${LOG_FILE}: it is not deleted`, { code: 'CLI_FOLDER_FOREIGN', blame: 'user', action: 'exit', hint: 'Name the folder of an embedded cluster with --dir, or delete this one by hand.' })
  }
  say(`--fresh: deleting ${folder} with all its topics, jobs and checkpoints`)
  removeFolder(folder)
}
