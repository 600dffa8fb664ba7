// What the leading driver does for clients.
import { asTidemarkError, isJobName, jobId, TidemarkError } from '@tidemark/base'
import type { JobId } from '@tidemark/base'
import type { JobHandlers } from '@tidemark/wire'
import { concerns } from '../core/event-log.ts'
import { stillWanted } from './definition.ts'
import type { JobEntry } from '../core/jobs.ts'
import { errorMessageOf } from './leading.ts'
import type { Leading } from './leading.ts'
import { loadJob } from './load-jobs.ts'
import type { DriverPorts, Leadership } from './ports.ts'
import { stillLeads } from './still-leads.ts'
import { storeDefinition } from './store-definition.ts'
import { busy, submit } from './submit.ts'
import { untilKnown } from './until-answered.ts'

const unknown = (job: string): TidemarkError =>
  new TidemarkError(`there is no job ${JSON.stringify(job)}`, { code: 'JOB_UNKNOWN', blame: 'user', action: 'fail-job', job, hint: '`tidemark jobs` lists those that there are.' })

/** It is there, and may run. */
const unreadable = (job: string, cause: TidemarkError): TidemarkError => new TidemarkError(`what is stored of ${job} can't be read: ${cause.code}: ${cause.message}`, {
  code: 'JOB_UNREADABLE', blame: 'environment', action: 'fail-job', job, hint: 'This driver leads without it and leaves its tasks alone. Restore what is damaged from a backup of the bucket and start the driver again. Or, where it is only the plan, go on with its state: `tidemark submit <job file> --from <checkpoint>`.',
})

const notLed = (job: string, damaged: ReadonlyMap<string, TidemarkError>): TidemarkError => {
  const cause = damaged.get(job)
  return cause === undefined ? unknown(job) : unreadable(job, cause)
}

const notDrainable = (job: JobId, { state, checkpoints: [newest] }: JobEntry): TidemarkError => new TidemarkError(`${job} has ${state}: nothing of it runs that could be drained`, {
  code: 'JOB_NOT_DRAINABLE', blame: 'user', action: 'fail-job', job, hint: `\`tidemark cancel ${job} --now\` ends it. ${newest === undefined ? 'It has no checkpoint' : `Its newest checkpoint is ${newest.checkpoint}`}.`,
})

const nameIn = (plan: unknown): JobId | undefined => {
  const name = (plan as { readonly job?: unknown } | null)?.job
  return typeof name === 'string' && isJobName(name) ? jobId(name) : undefined
}

/** A driver that was replaced, and does not know it, says that instead of an error that `doubted` names. */
const whileLeading = async <T>(ports: DriverPorts, leadership: Leadership, body: () => Promise<T>, doubted: (error: TidemarkError) => boolean): Promise<T> => {
  try {
    return await body()
  } catch (error) {
    if (doubted(asTidemarkError(error))) await stillLeads(ports, leadership)
    throw error
  }
}

/** It may refuse by what it remembers, and the job has gone on. */
const refusals = ({ blame, code }: TidemarkError): boolean => blame === 'user' || code === 'JOB_UNREADABLE'
/** What lasts is asked about no longer than it leads. */
const anyError = (): boolean => true

export const jobHandlers = (ports: DriverPorts, leading: () => Promise<Leading>): JobHandlers => ({
  submit: async (request) => {
    const { core, leadership, feed } = await bound(leading)
    const accept = async () => {
      const { answer, run } = await whileLeading(ports, leadership, () => submit(ports, leadership, request, (id) => {
        const led = core.job(id)
        return led === undefined ? undefined : { run: led.run.record.run, state: led.state }
      }), refusals)
      if (run === undefined) await stillLeads(ports, leadership)
      // It is accepted, so that the core has to hear of it. Checkpoints of earlier runs under this name go on to be its own.
      else feed({ kind: 'job-known', job: { ...await untilKnown(ports, { job: run.record.job, run: run.record.run }, () => whileLeading(ports, leadership, () => loadJob(ports, run.record.job), anyError)), run } })
      return answer
    }
    const job = nameIn(request.plan)
    // Two submissions of one name come one after the other; a plan without a name is refused whatever else happens.
    return job === undefined ? accept() : leadership.exclusive(job, accept)
  },
  list: async () => (await leading()).core.list(ports.clock.monotonic()),
  damaged: async () => [...(await leading()).damaged()].map(([job, error]) => ({ job, error: errorMessageOf(error) })),
  describe: async (job) => {
    const now = await leading()
    const { core } = now
    const freeBytes = await ports.log.freeBytes().catch(() => undefined)
    const description = core.describe(job, ports.clock.monotonic(), freeBytes)
    if (!description) throw notLed(job, now.damaged())
    return description
  },
  cancel: async (name, mode) => {
    const { core, leadership, feed, damaged } = await bound(leading)
    return whileLeading(ports, leadership, async () => {
      const before = core.job(name)
      if (!before) throw notLed(name, damaged())
      const { id, run } = before
      // Between what is stored and what the core is told comes no submission: it would be of a job that is not cancelled yet.
      await leadership.exclusive(id, async () => {
        const now = core.job(name) ?? before
        // A submission that came first has begun another run meanwhile: of that nothing was asked, and nothing is stored.
        if (now.run.record.run !== run.record.run) throw busy(id, now.state)
        const drain = mode === 'drain'
        if (now.state === 'cancelled' || now.state === 'cancelling' || (drain && now.drain)) return stillLeads(ports, leadership)
        if (drain && (now.state === 'failed' || now.state === 'ended')) throw notDrainable(id, now)
        const definition = await stillWanted(ports.store, leadership, id, run.record.run)
        await storeDefinition(ports, leadership, { ...definition, desired: 'cancelled', drain, epoch: leadership.epoch })
        feed({ kind: drain ? 'drain' : 'cancel', job: id })
      })
      const { state, finalCheckpoint } = core.job(name) ?? before
      return { job: id, run: run.record.run, state, ...(finalCheckpoint === undefined ? {} : { finalCheckpoint }) }
    }, refusals)
  },
  watchEvents: async ({ job, after, follow }, emit, signal) => {
    const now = await leading()
    for (const event of now.core.events({ after, ...(job === undefined ? {} : { job }) })) emit(event)
    if (follow) await now.watch((event) => {
      if (concerns(event, job)) emit(event)
    }, signal)
  },
})

const bound = async (leading: () => Promise<Leading>): Promise<Pick<Leading, 'core' | 'leadership' | 'feed' | 'damaged'>> => {
  const now = await leading()
  return { core: now.core, leadership: now.leadership, feed: (event) => now.feed(event), damaged: () => now.damaged() }
}
