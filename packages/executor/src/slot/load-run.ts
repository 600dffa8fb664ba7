// What a slot needs of a run before its first task: run record, plan, bundle, and the manifest it started from. All from the object store.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import type { Clock, JobId, Log, Logger, ObjectStore, TaskRef, Timer } from '@tidemark/base'
import { parseManifest, parseRun, paths } from '@tidemark/checkpoint'
import type { Manifest, RunRecord } from '@tidemark/checkpoint'
import type { Task } from '@tidemark/runtime'
import { cutStages, isJob, jobFunctions, parsePlan, planHash } from 'tidemark'
import type { LogicalPlan, NodeFunctions, NodeId } from 'tidemark'
import { taskFactory } from './tasks.ts'

const STORE_RETRY_MS = 500
/** That the store is waited for is said so often, ms. */
const WAIT_SAID_MS = 1_000

export interface LoadedRun {
  readonly run: RunRecord
  readonly plan: LogicalPlan
  readonly functions: ReadonlyMap<NodeId, NodeFunctions>
  /** Undefined: the run began empty, or its copy of what it began from has been removed, because it has checkpoints of its own. */
  readonly origin: Manifest | undefined
  readonly taskFactory: (log: Log) => Promise<(ref: TaskRef) => Task>
}

interface Needs {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly logger: Logger
  /** The functions of a bundle, checked against the run record. */
  readonly importBundle: (bundle: Buffer, record: RunRecord) => Promise<ReadonlyMap<NodeId, NodeFunctions>>
  /** Said while nothing but the store's answer is waited for, and once more when the bundle is to run then: who waits is not stuck. `what`: for people. */
  readonly waits?: (what: string) => void
}

export const loadRun = async (given: Needs, job: JobId, run: number): Promise<LoadedRun> => {
  let hasWaited = false
  const needs: Needs = given.waits === undefined ? given : { ...given, waits: (what) => {
    hasWaited = true
    given.waits?.(what)
  } }
  const key = paths.run(job, run)
  const record = parseRun(await fetch(needs, key), key)
  const [planBytes, bundle, manifest] = await Promise.all([
    fetch(needs, record.plan), fetch(needs, record.bundle.key), record.from === null ? undefined : fetchOrigin(needs, record.from.manifest),
  ])
  const plan = parsePlan(JSON.parse(planBytes.toString('utf8')))
  if (hasWaited) given.waits?.('its bundle to be loaded')
  const functions = await needs.importBundle(bundle, record)
  return {
    run: record, plan, functions, origin: manifest === undefined || record.from === null ? undefined : parseManifest(manifest, record.from.manifest),
    taskFactory: (log) => taskFactory({ log, clock: needs.clock, run: record, plan, physical: cutStages(plan), functions }),
  }
}

/** A task that still needs it and finds it gone says so itself: it never begins empty instead. */
const fetchOrigin = async (needs: Needs, key: string): Promise<Buffer | undefined> => {
  try {
    return await fetch(needs, key)
  } catch (error) {
    if (!isTidemarkError(error) || error.code !== 'STORE_NOT_FOUND') throw error
    needs.logger.info({ key }, 'run.origin-gone')
    return undefined
  }
}

/** Until the store answers: one call alone may take as long as a slot may stand still. */
const fetch = async (needs: Needs, key: string): Promise<Buffer> => {
  const { clock, waits } = needs
  let what = `the object store does not answer for ${key}`
  const failed = (error: TidemarkError): void => {
    what = `store unreachable: ${error.message}`
  }
  if (waits === undefined) return fetchReached(needs, key, failed)
  let timer: Timer | undefined
  const sayLater = (): void => {
    timer = clock.after(WAIT_SAID_MS, () => {
      waits(what)
      sayLater()
    })
  }
  sayLater()
  try {
    return await fetchReached(needs, key, failed)
  } finally {
    timer?.cancel()
  }
}

/** While the store can't be reached a new takeover has to wait: it says so and tries again. */
const fetchReached = async ({ store, clock, logger }: Needs, key: string, failed: (error: TidemarkError) => void): Promise<Buffer> => {
  for (;;) {
    try {
      return await store.get(key)
    } catch (error) {
      if (!isTidemarkError(error) || error.action !== 'retry') throw error
      failed(error)
      logger.warn({ key, error }, 'slot.store-unreachable')
      await clock.sleep(STORE_RETRY_MS)
    }
  }
}

/** The file of a bundle in this folder, whole also for who imports it meanwhile. One that is there and right is left alone: the disk may take nothing more. */
const bundleFile = (folder: string, sha256: string, bundle: Buffer): string => {
  const file = join(folder, `${sha256}.mjs`)
  if (existsSync(file) && readFileSync(file).equals(bundle)) return file
  const fresh = join(folder, `.${sha256}.${process.pid}`)
  mkdirSync(folder, { recursive: true })
  try {
    writeFileSync(fresh, bundle)
    renameSync(fresh, file)
  } catch (error) {
    removeIfPossible(fresh)
    throw error
  }
  return file
}

/** Why it could not be written is what a person has to know, not that what there is of it could not be removed either. */
const removeIfPossible = (file: string): void => {
  try {
    rmSync(file, { force: true })
  } catch {
    // The next attempt of this process writes over it.
  }
}

/** Bundles are written to `folder` to be imported. */
export const importBundleFrom = (folder: string) => async (bundle: Buffer, record: RunRecord): Promise<ReadonlyMap<NodeId, NodeFunctions>> => {
  const refuse = (message: string, cause?: unknown): TidemarkError => new TidemarkError(`the bundle of ${record.job}: ${message}`, {
    code: 'SLOT_BUNDLE_INVALID', blame: 'user', action: 'fail-job', job: record.job, run: record.run, cause, hint: 'Submit the job again; the bundle must import without side effects and export a job as its default.',
  })
  const sha256 = createHash('sha256').update(bundle).digest('hex')
  if (sha256 !== record.bundle.sha256) throw refuse(`its SHA-256 is ${sha256}, the run record says ${record.bundle.sha256}`)
  const file = bundleFile(resolve(folder, 'bundles'), sha256, bundle)
  let module: { readonly default?: unknown }
  try {
    module = await import(pathToFileURL(file).href) as { readonly default?: unknown }
  } catch (error) {
    throw refuse('it does not load', error)
  }
  if (!isJob(module.default)) throw refuse('its default export is no job')
  const hash = planHash(module.default.plan())
  if (hash !== record.planHash) throw refuse(`it builds a plan with hash ${hash}, submitted was ${record.planHash}: building a job must give the same plan each time`)
  return jobFunctions(module.default)
}
