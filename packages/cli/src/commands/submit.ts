// tidemark submit: bundles a job file, checks its plan here, gives it to the driver, says what a person should know.
import { realRandom } from '@tidemark/base'
import type { SubmitAnswer } from '@tidemark/wire'
import { parsePlan } from 'tidemark'
import { bundleJob } from '../bundle.ts'
import { withJobs } from '../context.ts'
import type { Context } from '../context.ts'

const OUTCOME = {
  created: 'is submitted',
  unchanged: 'is the same as what runs; nothing was changed',
  restored: 'is restored as a new run',
} as const satisfies Record<SubmitAnswer['outcome'], string>

export const submitJob = async (context: Context, file: string, from?: number): Promise<SubmitAnswer> => {
  const { plan, bundle } = await bundleJob(file)
  parsePlan(plan)
  // A client that does not get the answer asks again: that must not restore twice.
  const submissionId = realRandom.uuid()
  const answer = await withJobs(context, (client) => client.submit({ plan, bundle, submissionId, ...from === undefined ? {} : { fromCheckpoint: from } }))
  const { terminal } = context
  if (context.json) terminal.json(answer)
  else {
    terminal.line(`${terminal.paint('bold', answer.job)}, run ${answer.run}, ${OUTCOME[answer.outcome]}`)
    for (const note of answer.notes) terminal.line(`  note: ${note}`)
  }
  return answer
}
