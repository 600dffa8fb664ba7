// One simulation: a cluster, input, a plan of faults; checked at every step, until everything is said and nothing is wrong with it.
import { isTidemarkError } from '@tidemark/base'
import { seededRandom } from '../time/seeded-random.ts'
import { Watch } from './checks/watch.ts'
import { Client } from './client.ts'
import { SimCluster } from './cluster.ts'
import type { Shape } from './events.ts'
import { makePlan } from './fault-plan.ts'
import type { Fault } from './fault-plan.ts'
import { Faults } from './faults.ts'
import type { Mutation } from './mutants.ts'
import { varietyOf } from './variety.ts'
import type { Variety } from './variety.ts'
import { EVENTS, shapeOf, workload } from './workload.ts'

const USERS = 6
const FEED_MS = 1_000
/** Faults are over then, ms. */
const HEALED_AT_MS = 2_300
/** A job that has not said everything so long after the last fault never will, ms. A slot that used up its ids waits for 20 s. */
const DEADLINE_MS = 60_000
/** What comes too often comes a little later, ms. */
const LINGER_MS = 250
const STEPS_MAX = 400_000
/** One seed in so many goes on until a checkpoint is complete that began after the last fault: a job may go on while its checkpoints do not. */
const CHECKPOINT_SEEDS = 4
/** Streams of chance beside the seed's own, so that nothing else of a simulation depends on what they are asked. */
const PLAN_STREAM = 0x2545f491
const VARIETY_STREAM = 0x6c078965
const VARIED_STREAM = 0x1b873593

export interface SimulationOptions {
  readonly seed: number
  readonly shape?: Shape
  /** Instead of the seed's. */
  readonly plan?: readonly Fault[]
  /** With a plan none by default, else the seed's. */
  readonly variety?: Variety
  /** What is switched off. */
  readonly mutation?: () => Mutation
}

export interface Outcome {
  readonly seed: number
  readonly shape: Shape
  readonly plan: readonly Fault[]
  readonly variety: Variety
  /** Empty: all is well. */
  readonly violations: readonly string[]
  readonly trace: () => string[]
  readonly traceLength: number
  readonly steps: number
  readonly virtualMs: number
}

/** An invariant that does not hold is seen by the production code too: it says so at the level `error`. */
const brokenInvariant = (facts: object): string | undefined => {
  const { error, facts: inner } = facts as { readonly error?: unknown, readonly facts?: { readonly error?: { readonly code?: string, readonly message?: string } } }
  if (isTidemarkError(error) && (error.code === 'INVARIANT_BROKEN' || error.code === 'UNEXPECTED')) return `${error.code}: ${error.message}`
  if (error instanceof Error && !isTidemarkError(error)) return String(error)
  return inner?.error?.code === 'INVARIANT_BROKEN' || inner?.error?.code === 'UNEXPECTED' ? `${inner.error.code}: ${inner.error.message}` : undefined
}

export const simulate = async ({ seed, shape: given, plan: givenPlan, variety: givenVariety, mutation }: SimulationOptions): Promise<Outcome> => {
  const random = seededRandom(seed)
  const shape = given ?? shapeOf(seed)
  const plan = givenPlan ?? makePlan(seededRandom(seed ^ PLAN_STREAM))
  const variety = givenVariety ?? (givenPlan === undefined ? varietyOf(seededRandom(seed ^ VARIETY_STREAM), shape) : {})
  const without = mutation?.()
  const executors = 2
  const cluster = new SimCluster({ seed: Math.floor(random.next() * 2 ** 32), workload: workload(shape, variety, without?.checkpointTimeoutMs), ...(without === undefined ? {} : { mutation: without }), executors, slots: 1 + (seed >> 1) % 2 })
  const watch = new Watch(cluster)
  const { scheduler, trace } = cluster
  const { violations } = watch
  cluster.onError = (who, event, facts) => {
    const broken = brokenInvariant(facts)
    if (broken !== undefined) violations.add('assertion', `${who} ${event}: ${broken}`)
  }
  if (Object.keys(variety).length > 0) trace.add('world', 'varies', variety)
  const client = new Client(cluster, watch)
  const faults = new Faults(cluster, watch, client, plan, executors)
  cluster.feed(random, EVENTS, USERS, FEED_MS, seededRandom(seed ^ VARIED_STREAM))
  void client.submit()

  const unhandled = (error: unknown): void => violations.add('unhandled rejection', error instanceof Error ? error.stack ?? error.message : String(error))
  process.on('unhandledRejection', unhandled)
  let healed = false
  let doneAt: number | undefined
  while (violations.found.length === 0) {
    if (!await scheduler.step()) {
      violations.add('progress', 'nothing is left that could happen')
      break
    }
    watch.step()
    if (!healed && scheduler.now >= HEALED_AT_MS) {
      healed = true
      trace.add('world', 'heals')
      faults.end()
    }
    if (seed % CHECKPOINT_SEEDS === 0 && client.wanted === 'running' && watch.checkpointBegunAt < HEALED_AT_MS) {
      if (scheduler.now > DEADLINE_MS || scheduler.steps > STEPS_MAX) violations.add('progress', `after ${Math.round(scheduler.now)} ms and ${scheduler.steps} steps no checkpoint that began after the last fault is complete`)
      continue
    }
    if (scheduler.now < FEED_MS || (plan.at(-1)?.at ?? 0) > scheduler.now) continue
    if (doneAt === undefined && scheduler.steps % 16 === 0 && client.missing().length === 0) doneAt = scheduler.now
    // Who still stands still could write to what was cancelled when it goes on.
    const quietSince = Math.max(doneAt ?? 0, watch.lastRecordsAt, client.wanted === 'cancelled' ? HEALED_AT_MS : 0)
    if (doneAt !== undefined && scheduler.now - quietSince >= LINGER_MS) {
      if (client.missing().length === 0) break
      doneAt = undefined
    }
    if (scheduler.now > DEADLINE_MS || scheduler.steps > STEPS_MAX) violations.add('progress', `after ${Math.round(scheduler.now)} ms and ${scheduler.steps} steps: ${client.missing().slice(0, 5).join('; ')}`)
  }
  process.off('unhandledRejection', unhandled)
  return { seed, shape, plan, variety, violations: violations.found, trace: () => trace.format(), traceLength: trace.length, steps: scheduler.steps, virtualMs: scheduler.now }
}
