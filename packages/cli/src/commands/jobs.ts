// tidemark jobs, describe, cancel: one question to the driver each.
import { withJobs } from '../context.ts'
import type { Context } from '../context.ts'
import { describeLines, jobTable } from '../format/job.ts'

export const listJobs = async (context: Context): Promise<void> => {
  const jobs = await withJobs(context, (client) => client.list())
  const { terminal } = context
  if (context.json) terminal.json(jobs)
  else for (const line of jobTable(jobs, context.clock.now(), terminal.paint)) terminal.line(line)
}

export const describeJob = async (context: Context, job: string): Promise<void> => {
  const description = await withJobs(context, (client) => client.describe(job))
  const { terminal } = context
  if (context.json) terminal.json(description)
  else for (const line of describeLines(description, context.clock.now(), terminal.paint)) terminal.line(line)
}

export const cancelJob = async (context: Context, job: string): Promise<void> => {
  const answer = await withJobs(context, (client) => client.cancel(job))
  const { terminal } = context
  if (context.json) terminal.json(answer)
  else terminal.line(`${answer.job}, run ${answer.run}: ${answer.state}. Its checkpoints are kept; the name is free again when it is cancelled.`)
}
