// What a new leader finds in the object store: every job with the run that its definition names, whatever the leader before was about to do with it.
import { asTidemarkError } from '@tidemark/base'
import type { JobId, TidemarkError } from '@tidemark/base'
import { objectsOf, parseManifest, paths } from '@tidemark/checkpoint'
import type { RunRecord } from '@tidemark/checkpoint'
import type { CheckpointDescription } from '@tidemark/wire'
import { parsePlan } from 'tidemark'
import type { LogicalPlan } from 'tidemark'
import type { KnownJob } from '../core/protocol.ts'
import { adoptDefinition, definitionOf } from './definition.ts'
import type { DriverPorts, Leadership } from './ports.ts'
import { readRun } from './start-run.ts'

/** Those that have a definition: a run record without one, or above the run that it names, is of a submission that nobody was answered. */
const jobsThere = async ({ store }: DriverPorts): Promise<Set<JobId>> =>
  new Set((await store.list(paths.jobsPrefix)).flatMap(({ key }) => paths.parseDefinition(key)?.job ?? []))

/** Newest first. One that can't be read is left out and logged: it is no reason not to lead. */
export const listCheckpoints = async ({ store, logger }: DriverPorts, job: JobId): Promise<CheckpointDescription[]> => {
  const found: CheckpointDescription[] = []
  for (const { key } of await store.list(paths.manifestPrefix(job))) {
    try {
      const manifest = parseManifest(await store.get(key), key)
      found.push({ checkpoint: manifest.checkpoint, run: manifest.run, takenAt: manifest.timestamp, bytes: objectsOf(manifest).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), parts: manifest.parts.length })
    } catch (error) {
      const known = asTidemarkError(error)
      if (known.action === 'retry') throw known
      logger.error({ job, key, error: known }, 'checkpoint.unreadable')
    }
  }
  return found.toSorted((a, b) => b.checkpoint - a.checkpoint)
}

/** Numbers that a given-up checkpoint used count too: its snapshots may be named by journals. */
const highestNumber = async ({ store }: DriverPorts, job: JobId, checkpoints: readonly CheckpointDescription[]): Promise<number> =>
  (await store.list(paths.statePrefix(job))).reduce((most, { key }) => Math.max(most, paths.parseStateObject(key)?.checkpoint ?? 0), checkpoints[0]?.checkpoint ?? 0)

const readPlan = async ({ store }: DriverPorts, { plan }: RunRecord): Promise<LogicalPlan> => {
  const body = await store.get(plan)
  let value: unknown
  try {
    value = JSON.parse(body.toString())
  } catch {
    value = undefined
  }
  return parsePlan(value)
}

export const loadJob = async (ports: DriverPorts, job: JobId): Promise<KnownJob> => {
  const definition = await definitionOf(ports.store, job)
  const record = await readRun(ports, job, definition.run)
  const plan = await readPlan(ports, record)
  const checkpoints = await listCheckpoints(ports, job)
  const { desired, state, drain, submittedAt, error, finalCheckpoint } = definition
  return {
    run: { record, settings: plan.settings, submittedAt }, state: desired === 'cancelled' && state !== 'cancelled' && drain !== true ? 'cancelling' : state, ...(error === undefined ? {} : { error }),
    ...(drain === true ? { drain: true } : {}), ...(finalCheckpoint === undefined ? {} : { finalCheckpoint }), checkpoints, checkpointNumber: await highestNumber(ports, job, checkpoints),
  }
}

/** What is wrong with a job's objects themselves, whoever reads them and however often. */
const DAMAGED = new Set(['JOB_DEFINITION_DAMAGED', 'RUN_RECORD_INVALID', 'RUN_RECORD_TOO_NEW', 'PLAN_INVALID', 'STORE_NOT_FOUND'])

/** A job that is damaged does not stop the others: `onDamaged` hears of it. Any other error stops all of it: a job left out is looked at by nobody before the next leader, and it may run. */
export const loadJobs = async (ports: DriverPorts, leadership: Pick<Leadership, 'epoch'>, onDamaged: (job: JobId, error: TidemarkError) => void = () => {}): Promise<KnownJob[]> => {
  const jobs: KnownJob[] = []
  for (const job of await jobsThere(ports)) {
    try {
      if (await adoptDefinition(ports.store, leadership, job)) jobs.push(await loadJob(ports, job))
    } catch (error) {
      const known = asTidemarkError(error)
      if (!DAMAGED.has(known.code)) throw known
      ports.logger.error({ job, error: known }, 'job.unreadable')
      onDamaged(job, known)
    }
  }
  return jobs
}
