// tidemark submit: bundles a job file, checks its plan here, gives it to the driver, says what a person should know.
import { realRandom, TidemarkError } from '@tidemark/base'
import type { JobDescription, JobSummary, SubmitAnswer } from '@tidemark/wire'
import { parsePlan } from 'tidemark'
import { bundleJob } from '../bundle.ts'
import { withJobs } from '../context.ts'
import type { Context } from '../context.ts'
import { interrupted } from '../exit.ts'
import { isOver } from '../format/job.ts'
import { uploadText } from '../live/progress.ts'
import { followJob } from './follow.ts'
import { otherRun } from './other-run.ts'

const OUTCOME = {
  created: 'is submitted',
  unchanged: 'is the same as what runs; nothing was changed',
  restored: 'is restored as a new run',
} as const satisfies Record<SubmitAnswer['outcome'], string>

/** Smaller ones are there before a person has read it. */
const SHOWN_BYTES_MIN = 1024 * 1024

/** A line of --json: what the driver answered, then with --wait how the job is, each as `describe --json` has it. */
type SubmitLine = { readonly kind: 'submitted' } & SubmitAnswer | { readonly kind: 'job' } & JobDescription

export const submitJob = async (context: Context, file: string, from?: number, wait = false): Promise<SubmitAnswer> => {
  const { plan, bundle } = await bundleJob(file)
  parsePlan(plan)
  // A client that does not get the answer asks again: that must not restore twice.
  const submissionId = realRandom.uuid()
  const { terminal, clock } = context
  const began = clock.monotonic()
  const onSent = bundle.length < SHOWN_BYTES_MIN ? undefined : (bytes: number): void => terminal.status(uploadText(bytes, bundle.length, clock.monotonic() - began))
  const answer = await withJobs(context, (client) => client.submit({ plan, bundle, submissionId, ...from === undefined ? {} : { fromCheckpoint: from } }, onSent))
  if (onSent !== undefined) terminal.status('')
  if (context.json) terminal.json({ kind: 'submitted', ...answer } satisfies SubmitLine)
  else {
    terminal.line(`${terminal.paint('bold', answer.job)}, run ${answer.run}, ${OUTCOME[answer.outcome]}`)
    for (const note of answer.notes) terminal.line(`  note: ${note}`)
  }
  if (wait) await untilRunning(context, answer)
  return answer
}

const untilRunning = async (context: Context, { job, run }: SubmitAnswer): Promise<void> => {
  const last = await followJob(context, job, ({ summary }) => summary.run !== run || ends(summary) || runs(summary), (description) => ({ kind: 'job', ...description }) satisfies SubmitLine)
  if (last?.summary.run === run && runs(last.summary)) return
  if (last === undefined || (last.summary.run === run && !ends(last.summary))) throw interrupted(context.signal, `${job}, run ${run}, is submitted and does not run yet: it goes on without you`, { job, hint: `\`tidemark describe ${job}\` shows how far it is.` })
  const { summary } = last
  if (summary.run !== run) throw otherRun(summary, run)
  throw new TidemarkError(`${job} does not run: it is ${summary.state}${summary.reason === undefined ? '' : `: ${summary.reason}`}`, {
    code: 'CLI_NOT_RUNNING', blame: 'user', action: 'exit', job, hint: `\`tidemark describe ${job}\` shows it, \`tidemark events ${job}\` how it came.`,
  })
}

const runs = ({ state, tasks, tasksRunning }: JobSummary): boolean => state === 'running' && tasks > 0 && tasksRunning === tasks

/** It will not run any more. */
const ends = ({ state }: JobSummary): boolean => state === 'cancelling' || isOver(state)
