// What a benchmark waits for is what `describe` tells; asked again while nobody leads: a machine that stood still for longer than the lease has no leader for a moment.
import { isTidemarkError, realClock } from '@tidemark/base'
import type { JobDescription } from '@tidemark/wire'
import type { Cluster } from '../test/cluster/cluster.ts'

const AGAIN_MS = 50
const NOBODY_MS_MAX = 30_000

/** Throws, with the story of the cluster, when the job has failed, and when no driver has answered for half a minute. */
export const described = async (cluster: Cluster, job: string): Promise<JobDescription> => {
  for (const began = realClock.monotonic(); ;) {
    try {
      const description = await cluster.jobs.describe(job)
      if (description.summary.state === 'failed') throw new Error(`the job failed: ${description.summary.reason}\n${cluster.story()}`)
      return description
    } catch (error) {
      if (!isTidemarkError(error) || error.action !== 'retry') throw error
      if (realClock.monotonic() - began > NOBODY_MS_MAX) throw new Error(`no driver answers: ${error.message}\n${cluster.story()}`, { cause: error })
    }
    await realClock.sleep(AGAIN_MS)
  }
}
