// The main job on a real cluster: kill executors, lose nothing. The same suite on the embedded log and on real servers.
import { afterEach, describe, expect, test } from '@jest/globals'
import type { ServerEnvironment } from '../../cluster/cluster.ts'
import type { TestJobOptions } from '../../cluster/jobs.ts'
import { MainJob, SEED } from '../../cluster/main-job.ts'

const JOBS: readonly (readonly [string, TestJobOptions & { readonly idlePartitions?: readonly number[] }])[] = [
  ['copartitioned', { copartitioned: true }],
  ['with a shuffle and an idle input partition', { copartitioned: false, idlePartitions: [3] }],
]

export const mainJobSuite = (servers: () => ServerEnvironment): void => {
  describe.each(JOBS)('main job, %s', (_name, options) => {
    let open: MainJob | undefined
    afterEach(async () => {
      await open?.stop()
      open = undefined
    }, 30_000)

    test('main job: nobody dies → every result is right', async () => {
      open = await MainJob.start(servers(), options)
      open.feeder.start()
      await open.fed(3_000)
      expect(await open.settle()).toEqual([])
    }, 120_000)

    test(`main job: executors are SIGKILLed under load, a new one joins each time (seed ${SEED}) → nothing lost, nothing doubled`, async () => {
      const main = open = await MainJob.start(servers(), options)
      main.feeder.start()
      for (let kill = 0; kill < 3; kill += 1) {
        await main.fed(1_500)
        const [victim] = await main.cluster.owners(main.job.name)
        await victim?.kill()
        main.cluster.startExecutor()
        await main.cluster.allRunning(main.job.name)
      }
      await main.fed(1_500)
      expect(await main.settle()).toEqual([])
      const { tasks } = await main.cluster.jobs.describe(main.job.name)
      expect(tasks.filter((task) => task.recovery?.steps?.snapshot !== undefined).length).toBeGreaterThan(0)
    }, 180_000)
  })
}
