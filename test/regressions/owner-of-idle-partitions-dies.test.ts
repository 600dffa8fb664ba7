// Every input was quiet for longer than `idleAfter`, then owners died, then a burst came: those whose owner lived read it first. They closed the
// windows of the partitions whose new owner was still loading, for those had said that they were idle; their records came too late.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { MainJob, SEED } from '../cluster/main-job.ts'

const EXECUTORS = 3
/** Longer than `idleAfter`: by then all is quiet, and was said to be. */
const QUIET_MS = 600
const STALL_MS = 700
const DEATHS = 6

describe(`owner of idle partitions dies (seed ${SEED})`, () => {
  let main: MainJob

  beforeAll(async () => {
    main = await MainJob.start({}, { copartitioned: false, checkpointInterval: 700, executors: EXECUTORS, idleAfter: 200 })
    main.feeder.start()
  }, 60_000)

  afterAll(async () => main.stop(), 60_000)

  test('idle, dead, then a burst → what waited for the new owner is not late', async () => {
    for (let death = 0; death < DEATHS; death += 1) {
      await main.fed(1_000)
      main.feeder.stall(STALL_MS)
      await realClock.sleep(QUIET_MS)
      await (await main.cluster.owners(main.job.name))[0]?.kill()
      await main.fed(3_000)
      await main.recovered(EXECUTORS)
    }
    const wrong = await main.settle()
    const { tasks } = await main.cluster.jobs.describe(main.job.name)
    const late = tasks.filter(({ totals }) => (totals['lateDrops'] ?? 0) > 0).map(({ stage, partition, totals }) => `${stage}/${partition}: ${totals['lateDrops']} late`)
    expect([...late, ...wrong]).toEqual([])
  }, 180_000)
})
