// Kafka restarted and MinIO away under load, one after the other and both at once: the job goes on by itself, every result once.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { MainJob, SEED } from '../cluster/main-job.ts'
import { serversOf } from '../cluster/servers.ts'
import { Subject } from '../integration/bad-input/subject.ts'
import { describeWith, startKafka, startMinio } from '../services/index.ts'

describeWith(['kafka', 'minio', 'redis'], `Kafka restarted, MinIO away (seed ${SEED})`, (server) => {
  let broker: Awaited<ReturnType<typeof startKafka>>
  let minio: Awaited<ReturnType<typeof startMinio>>
  let main: MainJob
  let young: Subject
  beforeAll(async () => {
    [broker, minio] = await Promise.all([startKafka(), startMinio()])
    main = await MainJob.start({ ...serversOf(server), TIDEMARK_KAFKA: broker.brokers, TIDEMARK_S3_ENDPOINT: minio.endpoint, TIDEMARK_S3_ACCESS_KEY: minio.accessKey, TIDEMARK_S3_SECRET_KEY: minio.secretKey }, { copartitioned: false, executors: 2, idlePartitions: [3], env: { TIDEMARK_SLOTS: '2', TIDEMARK_SLOT_HEAP: '512' } })
    // Without a checkpoint: its journals reach back to their start.
    young = await Subject.start(main.cluster, { copartitioned: false, partitions: 2, checkpointInterval: 600_000 })
    for (const partition of [0, 1]) await young.write(partition, young.events(50))
    main.feeder.start()
    await main.fed(1_000)
  }, 180_000)
  afterAll(async () => {
    await young.job.remove(main.cluster.log)
    await main.stop()
    await Promise.all([broker.close(), minio.close()])
  }, 60_000)

  const outputs = async (): Promise<number> => (await main.running.read()).length
  /** So many more results come out. */
  const answers = async (more: number): Promise<void> => {
    const from = await outputs()
    for (const began = realClock.monotonic(); await outputs() < from + more;) {
      if (realClock.monotonic() - began > 60_000) throw new Error(`seed ${SEED}: no ${more} more results\n${main.cluster.story()}`)
      await realClock.sleep(50)
    }
  }
  /** The test's own writer does not try a write again whose answer was lost: it rests while its broker is away. */
  const restartKafka = async (): Promise<void> => {
    await main.feeder.pause()
    await broker.restart()
    for (let answered = false; !answered;) {
      answered = await main.cluster.log.listTopics().then(() => true, () => false)
      await realClock.sleep(100)
    }
    main.feeder.start()
  }

  test('Kafka restarted under load → goes on by itself', async () => {
    await restartKafka()
    await answers(1_000)
    expect(await main.soFar()).toEqual([])
  }, 180_000)

  test('MinIO down, later → processing goes on without it', async () => {
    // Journals that are trimmed no longer reach back to their start.
    const trimmed = async (): Promise<boolean> => (await Promise.all(['s0', 's1'].map((stage) => main.cluster.log.offsets(`tidemark.${main.job.name}.1.journal.${stage}`)))).flat().every(({ start }) => start > 0)
    for (const began = realClock.monotonic(); !await trimmed();) {
      if (realClock.monotonic() - began > 60_000) throw new Error('the journals are not trimmed')
      await realClock.sleep(50)
    }
    // A planned move that is under way at this moment would wait for MinIO, and so would an executor that has not run the job before: for its bundle.
    for (const { name } of [main.job, young.job]) await main.cluster.until(name, ({ summary, tasks }) => summary.tasksRunning === summary.tasks && new Set(tasks.map(({ executor }) => executor)).size === 2, 'tasks spread over both executors')
    await minio.stop()
    await answers(2_000)
    expect(await main.soFar()).toEqual([])
  }, 180_000)

  test('an executor is killed while MinIO is down → taken over from the journals where they reach back far enough; the others wait and say for what, never empty', async () => {
    const victim = main.cluster.executors[0]
    await victim?.kill()
    await main.cluster.until(young.job.name, ({ summary, tasks }) => summary.tasksRunning === summary.tasks && tasks.every(({ executor }) => executor !== victim?.name), 'the young job runs on the survivor')
    for (const partition of [0, 1]) await young.write(partition, young.events(50))
    expect(await young.wrongAnswers()).toEqual([])
    const reasons = new Set<string>()
    const { tasks } = await main.cluster.until(main.job.name, (description) => {
      for (const { waitingFor } of description.tasks) if (waitingFor !== undefined) reasons.add(waitingFor.replaceAll(/\d+/g, 'N'))
      return reasons.size > 0
    }, 'the reason why tasks wait')
    expect([...reasons].join()).toContain('store unreachable: the snapshot of checkpoint N is not reachable; the journal begins at N')
    if (!tasks.some(({ phase }) => phase === 'running')) throw new Error(`none of its tasks goes on: ${JSON.stringify(tasks.map(({ stage, partition, phase, executor, waitingFor }) => ({ stage, partition, phase, executor, waitingFor })))}\n${main.cluster.story(60)}`)
    expect(await main.soFar()).toEqual([])
  }, 180_000)

  test('Kafka restarted while MinIO is down → goes on without it', async () => {
    await restartKafka()
    await answers(1_000)
    expect(await main.soFar()).toEqual([])
  }, 180_000)

  test('MinIO is back → checkpoints go on, and every result is right', async () => {
    const before = (await main.cluster.jobs.describe(main.job.name)).checkpoints[0]?.checkpoint ?? 0
    await minio.restart()
    await main.checkpoint(before + 1)
    expect(await main.settle()).toEqual([])
    expect(await young.wrong()).toEqual([])
  }, 180_000)
})
