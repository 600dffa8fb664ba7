// What is audited: the job's run, its plan, and what each stage writes to, from the object store alone.
import { isTidemarkError, jobId, isJobName, TidemarkError } from '@tidemark/base'
import type { JobId, ObjectStore } from '@tidemark/base'
import { parseDefinition, parseRun, paths } from '@tidemark/checkpoint'
import type { RunRecord, StageOutputs } from '@tidemark/checkpoint'
import { cutStages, parsePlan } from 'tidemark'
import type { LogicalPlan } from 'tidemark'
import { didYouMean } from '../meant.ts'

export interface AuditedRun {
  readonly record: RunRecord
  readonly plan: LogicalPlan
  readonly outputs: readonly StageOutputs[]
}

/** Undefined: there is none. */
export const getObject = async (store: ObjectStore, key: string): Promise<Buffer | undefined> => {
  try {
    return await store.get(key)
  } catch (error) {
    if (isTidemarkError(error) && error.code === 'STORE_NOT_FOUND') return undefined
    throw error
  }
}

/** Its nearest neighbour is named: a job has its runs in a folder of its own. */
const unknown = async (name: string, store: ObjectStore): Promise<TidemarkError> =>
  new TidemarkError(`${store.name} knows no job ${JSON.stringify(name)}`, { code: 'AUDIT_JOB_UNKNOWN', blame: 'user', action: 'exit', job: name, hint: didYouMean(name, [...new Set((await store.list(paths.jobsPrefix)).flatMap(({ key }) => paths.parseRun(key)?.job ?? []))], '`tidemark jobs` lists those that there are; look at the folder or bucket, too.') })

/** The run that the job's definition names: a record above it is of a submission that was not accepted. Undefined: there is no definition. */
const acceptedRun = async (store: ObjectStore, job: JobId): Promise<number | undefined> => {
  const epochs = (await store.list(paths.definitionPrefix(job))).flatMap(({ key }) => paths.parseDefinition(key)?.number ?? [])
  if (epochs.length === 0) return undefined
  const path = paths.definition(job, Math.max(...epochs))
  const body = await getObject(store, path)
  // A later leader has stored its own meanwhile.
  if (body === undefined) return acceptedRun(store, job)
  const definition = parseDefinition(body, job)
  if (definition !== undefined) return definition.run
  throw new TidemarkError(`${path} is damaged`, { code: 'AUDIT_DEFINITION_DAMAGED', blame: 'environment', action: 'exit', job, path, hint: 'It was edited by hand, or written by a newer engine. Restore it from a backup of the bucket, or name the run: --run.' })
}

/** The job's run unless one is named. */
export const findRun = async (store: ObjectStore, name: string, wanted?: number): Promise<AuditedRun> => {
  if (!isJobName(name)) throw await unknown(name, store)
  const job: JobId = jobId(name)
  const runs = (await store.list(paths.runPrefix(job))).flatMap(({ key }) => paths.parseRun(key)?.number ?? []).toSorted((a, b) => b - a)
  const run = wanted ?? await acceptedRun(store, job) ?? runs[0]
  if (run === undefined || !runs.includes(run)) {
    if (runs.length === 0) throw await unknown(name, store)
    throw new TidemarkError(`${name} has no run ${run}; it has ${runs.join(', ')}`, { code: 'AUDIT_JOB_UNKNOWN', blame: 'user', action: 'exit', job, hint: 'Leave --run out for the newest.' })
  }
  const key = paths.run(job, run)
  const record = parseRun(await store.get(key), key)
  const plan = parsePlan(JSON.parse((await store.get(record.plan)).toString()))
  return { record, plan, outputs: outputsOf(record, plan) }
}

const outputsOf = (record: RunRecord, plan: LogicalPlan): StageOutputs[] => {
  const sinks = new Map(plan.nodes.flatMap((node) => node.kind === 'sink' ? [[node.id, node] as const] : []))
  return cutStages(plan).stages.flatMap(({ id, nodes, shuffles }) => {
    const stage = record.stages.find((one) => one.stage === id)?.stage
    if (stage === undefined) return []
    const own = nodes.flatMap((node) => sinks.get(node) ?? [])
    return [{
      stage, shuffles: shuffles.map(({ shuffle }) => shuffle), topics: [...new Set(own.flatMap(({ sink }) => sink.kind === 'topic' ? [sink.topic] : []))],
      outboxSinks: own.flatMap(({ name, sink }) => sink.kind === 'topic' ? [] : [name]),
    }]
  })
}
