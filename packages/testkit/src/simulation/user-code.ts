// What runs of a job in a simulated process: its functions, with records among their input that kill it; and throw-away processes to try them in.
import { jobId } from '@tidemark/base'
import type { Clock, Logger, LogReader, ObjectStore } from '@tidemark/base'
import { loadRun } from '@tidemark/executor'
import { openGeneratorReader, tryOut } from '@tidemark/runtime'
import type { Trial, TrialOutcome, TrialWord } from '@tidemark/runtime'
import { jobFunctions } from 'tidemark'
import type { LogicalPlan, NodeFunctions, NodeId } from 'tidemark'
import { kills } from './events.ts'
import type { Surroundings } from './nodes.ts'
import { SimProcess } from './process.ts'

const EXIT_MS = 2
const TRIAL_START_MS = 15

/** The process that runs user code. `die`: kills it. */
export interface Runs {
  readonly process: SimProcess
  readonly store: ObjectStore
  readonly logger: Logger
  readonly die: () => void
}

type Functions = ReadonlyMap<NodeId, NodeFunctions>

/** Nothing of a process goes on behind its death: not the rest of the call either. */
const deadly = (functions: Functions, die: (user: string) => void): Functions => {
  const processes = [...functions].flatMap(([node, one]) => (one.kind === 'process' ? [node] : []))
  return new Map([...functions].map(([node, one]): [NodeId, NodeFunctions] => (one.kind !== 'process' ? [node, one] : [node, {
    ...one,
    onRecord: (ctx, value) => {
      const killed = kills(value, node === processes[0], node === processes.at(-1))
      if (killed !== undefined) {
        die(killed)
        throw new Error('this process is dead')
      }
      one.onRecord(ctx, value)
    },
  }])))
}

export const loadIn = ({ jobs, mutation, killed }: Surroundings, { process, store, logger, die }: Runs, job: string, run: number): ReturnType<typeof loadRun> => loadRun({
  store, clock: process.clock, logger,
  importBundle: async (bundle) => {
    const found = jobs.get(bundle.toString())
    if (found === undefined) throw new RangeError(`no job for the bundle ${bundle.toString()}`)
    return deadly(mutation.functions?.(jobFunctions(found)) ?? jobFunctions(found), (user) => {
      killed(process, user)
      die()
    })
  },
}, jobId(job), run)

/** Files are read by code that needs a disk. */
export const readersOf = ({ nodes }: LogicalPlan, clock: Clock) => (kind: 'file' | 'generator'): LogReader => {
  if (kind !== 'generator') throw new RangeError(`no reader for ${kind} in a simulation`)
  return openGeneratorReader({ clock, generators: nodes.flatMap((node) => (node.kind === 'source' && node.source.kind === 'generator' ? [{ topic: node.name, ...node.source }] : [])) })
}

/** A process of its own for each trial, which dies with the slot that began it. */
export const trialsOf = (around: Surroundings, parent: SimProcess): Trial => (request) => new Promise((resolve) => {
  const { rules, scheduler, servers, trace } = around
  const process = new SimProcess(`${parent.name}t`, parent.host, scheduler)
  const logger = trace.logger(process.name)
  let word: TrialWord | undefined
  let over = false
  const end = (outcome: TrialOutcome): void => {
    if (over) return
    over = true
    trace.add(process.name, 'trial ends', outcome)
    process.kill()
    scheduler.after(EXIT_MS, () => parent.enter(() => resolve(outcome)))
  }
  const run = async (): Promise<void> => {
    const [log, store] = [servers.log(process), servers.store(process)]
    const loaded = await loadIn(around, { process, store, logger, die: () => end(judge(word)) }, request.task.job, request.task.run)
    await tryOut({ log, store, clock: process.clock, logger, memoryUsed: () => 0, reader: readersOf(loaded.plan, process.clock) },
      { run: loaded.run, origin: loaded.origin, settings: loaded.plan.settings, rules, makeTask: await loaded.taskFactory(log) },
      request, (said) => { if (!over) word = said })
    end({ kind: 'passed' })
  }
  parent.onDeath(() => {
    over = true
    process.kill()
  })
  scheduler.after(TRIAL_START_MS, () => process.enter(() => {
    run().catch((error: unknown) => end({ kind: 'untried', why: String(error) }))
  }))
})

const judge = (word: TrialWord | undefined): TrialOutcome => {
  const why = 'killed by SIGSEGV'
  if (word?.kind === 'in') return { kind: 'died', subject: word.subject, why, certain: true }
  if (word?.kind !== 'between') return { kind: 'untried', why }
  return { kind: 'died-between', steps: word.steps, ...(word.only === undefined ? {} : { only: word.only }), why, leaked: false }
}
