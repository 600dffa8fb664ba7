// job(): where a job file begins; and how the engine gets a built job's functions.
import { TidemarkError } from '@tidemark/base'
import { Graph } from './build/graph.ts'
import { addSource } from './build/source.ts'
import { streamAt } from './build/streams.ts'
import { misuse, text } from './misuse.ts'
import type { NodeFunctions } from './plan/functions.ts'
import type { LogicalPlan, NodeId } from './plan/plan.ts'
import { DEFAULT_VERSION, resolveSettings } from './settings.ts'
import type { JobOptions } from './settings.ts'
import type { SourceSpec } from './sources.ts'
import type { Job } from './stream.ts'

// A bundled job brings its own copy of this module, and the engine looks into it with another: so the functions hang on the job itself,
// under a symbol that all copies share, with the number of what is agreed about them.
const BUILT = Symbol.for('tidemark.job')
const FUNCTIONS_VERSION = 1

interface BuiltJob extends Job {
  readonly [BUILT]: { readonly functionsVersion: number, readonly functions: ReadonlyMap<NodeId, NodeFunctions> }
}

const isBuilt = (value: unknown): value is BuiltJob => typeof value === 'object' && value !== null && BUILT in value

/**
 * Begins a job. Building one does no input or output and keeps no time: a job file is safe to import.
 *
 * `name`: lower-case letters, digits, `-`, `_`. Throws `JOB_MISUSE` for options that can't be read.
 *
 * @example
 * export default job('revenue')
 *   .source('orders', topic('orders', { value: json<Order>() }))
 *   .keyBy((order) => order.user)
 *   .aggregate('per-user', { total: sum((order) => order.amount) })
 *   .sink('totals', topicSink('totals', { value: json() }))
 */
export const job = (name: string, options: JobOptions = {}): Job => {
  text(name, 'job(name)')
  if (typeof options !== 'object' || options === null) throw misuse('job(name, options)', 'an object of settings is wanted')
  const settings = resolveSettings(name, options)
  const version = text(options.version ?? DEFAULT_VERSION, 'settings.version')
  const graph = new Graph()
  const built: BuiltJob = {
    name,
    source: <T>(source: string, spec: SourceSpec<T>) => streamAt<T>({ job: built, graph, node: addSource(graph, source, spec) }),
    plan: (): LogicalPlan => ({ planVersion: 1, job: name, version, settings: { ...settings }, nodes: graph.nodes }),
    [BUILT]: { functionsVersion: FUNCTIONS_VERSION, functions: graph.functions },
  }
  return built
}

/** Whether a value, say a job file's default export, is a job: of this copy of `tidemark` or another. */
export const isJob = (value: unknown): value is Job => isBuilt(value)

/** The functions of a job's nodes, by node id of its plan. `JOB_FUNCTIONS_VERSION`: it was built with a `tidemark` that this one does not understand. */
export const jobFunctions = (built: Job): ReadonlyMap<NodeId, NodeFunctions> => {
  if (!isBuilt(built)) throw misuse('job', 'this is no job: export what job(…)….sink(…) answers as the default export')
  const { functionsVersion, functions } = built[BUILT]
  if (functionsVersion !== FUNCTIONS_VERSION) {
    throw new TidemarkError(`job "${built.name}" carries functions of version ${functionsVersion}, this engine knows version ${FUNCTIONS_VERSION}`, {
      code: 'JOB_FUNCTIONS_VERSION', blame: 'user', action: 'fail-job', job: built.name, hint: 'Bundle the job with the `tidemark` of the cluster.',
    })
  }
  return functions
}
