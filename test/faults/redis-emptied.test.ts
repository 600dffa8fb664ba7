// Redis, which holds nothing but the lease of the leader, down and emptied under load: nothing moves.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import type { JobDescription } from '@tidemark/wire'
import { MainJob, SEED } from '../cluster/main-job.ts'
import { serversOf } from '../cluster/servers.ts'
import { describeWith, startRedis } from '../services/index.ts'

describeWith(['kafka', 'minio', 'redis'], `Redis down or emptied (seed ${SEED})`, (server) => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  let main: MainJob
  beforeAll(async () => {
    redis = await startRedis({ keeps: 'nothing' })
    main = await MainJob.start({ ...serversOf(server), TIDEMARK_REDIS: redis.url }, { copartitioned: false, executors: 2 })
    main.feeder.start()
    await main.fed(1_000)
  }, 120_000)
  afterAll(async () => {
    await main.stop()
    await redis.close()
  }, 60_000)

  const owners = ({ tasks }: JobDescription): unknown => tasks.map(({ stage, partition, executorId, generation }) => ({ stage, partition, executorId, generation }))
  const leads = (): Promise<JobDescription> => main.cluster.until(main.job.name, () => true, 'a driver that leads')
  const epochs = (): unknown[] => main.cluster.driver?.lines.filter(({ msg }) => msg === 'driver.leads').map(({ epoch }) => epoch) ?? []

  test('Redis emptied under load → nothing moves: every task keeps its owner and its generation, no epoch is given twice', async () => {
    const before = await leads()
    await redis.restart()
    await main.fed(4_000)
    const after = await main.cluster.allRunning(main.job.name)
    expect(owners(after)).toEqual(owners(before))
    expect(new Set(epochs()).size).toBe(epochs().length)
    expect(await main.soFar()).toEqual([])
  }, 120_000)

  test('Redis down for longer than the lease → processing goes on without a leader; back, a driver leads and nothing has moved', async () => {
    const before = await leads()
    await redis.kill()
    const from = (await main.running.read()).length
    await main.fed(8_000)
    for (const began = realClock.monotonic(); (await main.running.read()).length < from + 8_000;) {
      if (realClock.monotonic() - began > 60_000) throw new Error(`without a leader only ${main.running.records.length - from} of 8000 results came\n${main.cluster.story()}`)
      await realClock.sleep(50)
    }
    await redis.restart()
    await leads()
    await main.fed(2_000)
    const after = await main.cluster.allRunning(main.job.name)
    expect(owners(after)).toEqual(owners(before))
    expect(new Set(epochs()).size).toBe(epochs().length)
    expect(await main.settle()).toEqual([])
  }, 180_000)
})
