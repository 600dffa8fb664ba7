// tidemark jobs, describe: one question to the driver each; tidemark cancel: a wish, and how it goes.
import { formatDuration, TidemarkError } from '@tidemark/base'
import type { CancelAnswer, DamagedJob } from '@tidemark/wire'
import { withDrivers, withJobs } from '../context.ts'
import type { Context, Drivers } from '../context.ts'
import { interrupted, whenAborted } from '../exit.ts'
import { describeLines, jobTable } from '../format/job.ts'
import type { ListedDamage } from '../format/job.ts'
import { askAbout, withJob } from '../meant.ts'
import { followJob } from './follow.ts'
import { otherRun } from './other-run.ts'

/** Nothing else is known of it: what it would be known from can't be read. */
const listedOf = ({ job, error }: DamagedJob): ListedDamage => ({ job, state: 'damaged', reason: `${error.code}: ${error.message}`, error })

export const listJobs = async (context: Context): Promise<void> => {
  const [jobs, damaged] = await withJobs(context, async (client) => [await client.list(), (await client.damaged()).map(listedOf)] as const)
  const { terminal } = context
  if (context.json) terminal.json([...jobs, ...damaged])
  else for (const line of jobTable(jobs, damaged, context.clock.now(), terminal.paint)) terminal.line(line)
}

export const describeJob = async (context: Context, job: string, follow = false): Promise<void> => {
  if (follow) return void await followJob(context, job, () => false)
  const description = await withJob(context, job, (client) => client.describe(job))
  const { terminal } = context
  if (context.json) terminal.json(description)
  else for (const line of describeLines(description, context.clock.now(), terminal.paint)) terminal.line(line)
}

export interface CancelOptions {
  readonly now: boolean
  /** False: only ask for it. */
  readonly wait: boolean
  readonly timeoutMs: number
}

const CANCEL_POLL_MS = 100
/** A drain that has nothing to wait for is over sooner. */
const DRAINS_SILENTLY_MS = 3_000

export const cancelJob = async (context: Context, job: string, options: CancelOptions): Promise<void> => {
  const { terminal } = context
  const answer = await withDrivers(context, (drivers) => untilCancelled(context, drivers, job, options))
  terminal.status('')
  if (context.json) return terminal.json(answer)
  const { run, state, finalCheckpoint } = answer
  terminal.line(`${job}, run ${run}: ${state}. ${state === 'cancelled' ? 'The name is free, its checkpoints are kept.' : 'Its checkpoints are kept; the name is free when it is cancelled.'}`)
  if (finalCheckpoint !== undefined) terminal.line(`It was drained: \`tidemark submit <job file> --from ${finalCheckpoint}\` goes on exactly where it ended.`)
}

/** Ends when it is cancelled, or when that takes too long: the driver goes on with it all the same. */
const untilCancelled = async ({ terminal, clock, signal }: Context, drivers: Drivers, job: string, { now, wait, timeoutMs }: CancelOptions): Promise<CancelAnswer> => {
  const began = clock.monotonic()
  const until = began + timeoutMs
  let told = false
  let answer: CancelAnswer = await askAbout(drivers, job, (client) => client.cancel(job, now ? 'now' : 'drain'))
  let reason: string | undefined
  const left = whenAborted(signal)
  while (wait && answer.state !== 'cancelled') {
    if (signal.aborted) throw interrupted(signal, `${job} is ${answer.state}: that goes on without you`, { job, hint: `\`tidemark describe ${job}\` shows how far it is.` })
    if (clock.monotonic() >= until) throw tooLong(answer, reason, timeoutMs)
    // A driver that hangs must not keep who wants to leave.
    const summary = await Promise.race([askAbout(drivers, job, async (client) => (await client.describe(job)).summary), left])
    if (summary === undefined) continue
    const { state, run, finalCheckpoint, reason: why } = summary
    if (run !== answer.run) throw otherRun({ job, run, state }, answer.run)
    if (state === 'failed') throw new TidemarkError(`${job} has failed while it was drained: ${why ?? 'no reason is known'}`, { code: 'CLI_DRAIN_FAILED', blame: 'environment', action: 'exit', job, hint: `\`tidemark cancel ${job} --now\` ends it without a last checkpoint.` })
    answer = { job, run, state, ...finalCheckpoint === undefined ? {} : { finalCheckpoint } }
    reason = why
    terminal.status(`${job} is ${state}${why === undefined ? '' : `: ${why}`}`)
    if (!told && state === 'draining' && clock.monotonic() - began >= DRAINS_SILENTLY_MS) {
      terminal.note(`${job} is draining: ${why ?? 'its last checkpoint is not there yet'}. \`tidemark cancel ${job} --now\` ends it without a last checkpoint.`)
      told = true
    }
    if (state !== 'cancelled') await clock.sleep(CANCEL_POLL_MS)
  }
  return answer
}

const tooLong = ({ job, state }: CancelAnswer, reason: string | undefined, timeoutMs: number): TidemarkError => new TidemarkError(`${job} is still ${state} after ${formatDuration(timeoutMs)}${reason === undefined ? '' : `: ${reason}`}`, {
  code: 'CLI_CANCEL_TIMEOUT', blame: 'environment', action: 'exit', job,
  hint: state === 'draining' ? `It goes on: \`tidemark describe ${job}\` shows what it waits for. \`tidemark cancel ${job} --now\` ends it without a last checkpoint.` : `It goes on: \`tidemark events ${job}\` tells.`,
})
