// What whoever waits for a run of a job is told when the job has another one meanwhile.
import { TidemarkError } from '@tidemark/base'
import type { JobSummary } from '@tidemark/wire'

export const otherRun = ({ job, run, state }: Pick<JobSummary, 'job' | 'run' | 'state'>, awaited: number): TidemarkError =>
  new TidemarkError(`somebody has submitted ${job} again: run ${run} of it is ${state}`, { code: 'CLI_OTHER_RUN', blame: 'user', action: 'exit', job, hint: `\`tidemark jobs\` shows it. Run ${awaited} has ended.` })
