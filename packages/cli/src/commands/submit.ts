// tidemark submit: bundles a job file, checks its plan here, gives it to the driver, says what a person should know.
import type { SubmitAnswer } from '@tidemark/wire'
import { parsePlan } from 'tidemark'
import type { LogicalPlan } from 'tidemark'
import { bundleJob } from '../bundle.ts'
import { withJobs } from '../context.ts'
import type { Context } from '../context.ts'

/** What whoever reads a job's results must set; nothing for a job without topic sinks. */
const readerNotes = (plan: LogicalPlan): string[] => {
  const topics = plan.nodes.flatMap((node) => node.kind === 'sink' && node.sink.kind === 'topic' ? [node.sink.topic] : [])
  return topics.length === 0 ? [] : [`readers of ${topics.join(', ')} must read committed (isolation.level=read_committed): many clients read uncommitted unless told otherwise`]
}

const OUTCOME = {
  created: 'is submitted',
  unchanged: 'is the same as what runs; nothing was changed',
  restored: 'is restored as a new run',
} as const satisfies Record<SubmitAnswer['outcome'], string>

export interface SubmitOptions {
  /** Checkpoint to start from. */
  readonly from?: number
  /** The log is embedded: nothing uncommitted can be read there. */
  readonly embedded?: boolean
}

export const submitJob = async (context: Context, file: string, { from, embedded = false }: SubmitOptions = {}): Promise<SubmitAnswer> => {
  const { plan, bundle } = await bundleJob(file)
  parsePlan(plan)
  const answer = await withJobs(context, (client) => client.submit({ plan, bundle, ...from === undefined ? {} : { fromCheckpoint: from } }))
  const told = { ...answer, notes: [...answer.notes, ...embedded ? [] : readerNotes(plan)] }
  const { terminal } = context
  if (context.json) terminal.json(told)
  else {
    terminal.line(`${terminal.paint('bold', answer.job)}, run ${answer.run}, ${OUTCOME[answer.outcome]}`)
    for (const note of told.notes) terminal.line(`  note: ${note}`)
  }
  return told
}
