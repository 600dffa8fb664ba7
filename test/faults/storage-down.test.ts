// MinIO off under load and executors killed, in each order: whatever comes first, nothing is lost or doubled, and what is taken over in the end replays the whole time
// without a snapshot. Kills in the middle, Kafka too: kafka-and-minio-away.test.ts.
import { afterEach, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import type { JobDescription, TaskRecovery } from '@tidemark/wire'
import { MainJob, SEED } from '../cluster/main-job.ts'
import { serversOf } from '../cluster/servers.ts'
import { describeWith, startMinio } from '../services/index.ts'

/** Fed while MinIO is off, before anybody dies. */
const EVENTS_WITHOUT_STORE = 20_000

describeWith(['kafka', 'minio', 'redis'], `MinIO off and kills, in each order (seed ${SEED})`, (server) => {
  let minio: Awaited<ReturnType<typeof startMinio>> | undefined
  let open: MainJob | undefined
  afterEach(async () => {
    await open?.stop()
    await minio?.close()
    ;[open, minio] = [undefined, undefined]
  }, 60_000)

  const begin = async (): Promise<{ readonly main: MainJob, readonly store: Awaited<ReturnType<typeof startMinio>> }> => {
    const store = minio = await startMinio()
    const main = open = await MainJob.start({ ...serversOf(server), TIDEMARK_S3_ENDPOINT: store.endpoint, TIDEMARK_S3_ACCESS_KEY: store.accessKey, TIDEMARK_S3_SECRET_KEY: store.secretKey }, { copartitioned: true, executors: 2 })
    main.feeder.start()
    // Both snapshots that are named are of batches that there were: one taken before the first would keep the whole journal.
    await main.fed(500)
    await main.checkpoint(await main.checkpoint(1) + 2)
    return { main, store }
  }
  /** Of tasks that were taken over from a dead executor. */
  const recoveries = ({ tasks }: JobDescription): TaskRecovery[] => tasks.flatMap(({ recovery }) => (recovery?.cause.includes('is dead') === true ? [recovery] : []))

  test('MinIO off under load, then a kill, then MinIO on → exact; the tail is all that was committed without a snapshot', async () => {
    const { main, store } = await begin()
    await store.stop()
    const offAt = realClock.now()
    await main.fed(EVENTS_WITHOUT_STORE)
    const { checkpoints, tasks: before, growth } = await main.cluster.jobs.describe(main.job.name)
    expect(checkpoints[0]?.takenAt).toBeLessThan(offAt + 1_000)
    const victim = (await main.cluster.owners(main.job.name))[0]
    const orphans = before.filter(({ executor }) => executor === victim?.name)
    await victim?.kill()
    await main.cluster.until(main.job.name, ({ tasks }) => tasks.some(({ waitingFor }) => waitingFor?.includes('store unreachable') === true), 'what a journal alone can\'t give waits for the store')
    await store.restart()
    await main.recovered(2)
    const { tasks: after } = await main.cluster.until(main.job.name, (now) => recoveries(now).length >= orphans.length && recoveries(now).every(({ steps }) => steps?.firstCommitMs !== undefined), 'the orphans commit again')
    const replayed = orphans.map(({ stage, partition, tail }) => {
      const batches = after.find((task) => task.stage === stage && task.partition === partition)?.recovery?.steps?.tailBatches ?? 0
      return { stage, partition, told: tail?.batches ?? 0, batches }
    })
    console.log(`seed ${SEED}: off for ${Math.round((realClock.now() - offAt) / 1_000)} s; ${replayed.map(({ stage, partition, told, batches }) => `${stage}/${partition}: ${batches} batches replayed, ${told} told before`).join('; ')}`)
    expect(replayed.length).toBeGreaterThan(0)
    for (const { batches, told, ...task } of replayed) {
      // No snapshot for all that time; a slow machine commits less often, and more at once.
      expect({ ...task, batches, isLong: batches > 5 }).toEqual({ ...task, batches, isLong: true })
      // What was told before its owner was killed is replayed, and is most of it: the rest was committed between the word and the kill.
      expect({ ...task, batches, told, isTrue: told <= batches && told > batches / 2 }).toEqual({ ...task, batches, told, isTrue: true })
    }
    for (const { stage, partition, tail } of before) expect({ stage, partition, isLong: (tail?.batches ?? 0) > 5 && (tail?.bytes ?? 0) > 10_000 }).toEqual({ stage, partition, isLong: true })
    // All of the job's, those that were not taken over too.
    expect(growth).toMatchObject({ batches: before.reduce((sum, { tail }) => sum + (tail?.batches ?? 0), 0), bytes: before.reduce((sum, { tail }) => sum + (tail?.bytes ?? 0), 0) })
    expect(growth?.bytesPerHour).toBeGreaterThan(1_000_000)
    console.log(`seed ${SEED}: forecast while it was off: ${JSON.stringify(growth)}`)
    expect(await main.settle()).toEqual([])
  }, 180_000)

  test('a kill, then MinIO off while its tasks are taken over, a second kill, then MinIO on → exact', async () => {
    const { main, store } = await begin()
    const [first, second] = await main.cluster.owners(main.job.name)
    await Promise.all([first?.kill(), store.kill()])
    await main.fed(2_000)
    await second?.kill()
    main.cluster.startExecutor()
    await main.fed(2_000)
    await store.restart()
    await main.recovered(2)
    expect(await main.settle()).toEqual([])
  }, 180_000)

  test('every executor killed, MinIO off, one started: waits and says for what, then MinIO on → exact', async () => {
    const { main, store } = await begin()
    await Promise.all(main.cluster.executors.map((executor) => executor.kill()))
    await store.stop()
    const fresh = main.cluster.startExecutor()
    await fresh.line(({ msg }) => msg === 'slot.store-unreachable')
    expect((await main.cluster.jobs.describe(main.job.name)).summary).toMatchObject({ state: 'running', tasksRunning: 0 })
    await store.restart()
    await main.recovered(2)
    expect(await main.settle()).toEqual([])
  }, 180_000)
})
