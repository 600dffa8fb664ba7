// What a cluster lives through besides dead executors: orderly leaves, dead drivers, everything dead at once, restores.
import { afterEach, describe, expect, test } from '@jest/globals'
import { bundleJob } from '@tidemark/cli'
import type { Cluster, ServerEnvironment } from '../../cluster/cluster.ts'
import { testJob } from '../../cluster/jobs.ts'
import { MainJob, SEED } from '../../cluster/main-job.ts'
import { checkRestored } from '../../workload/oracle.ts'

const SHUFFLED = { copartitioned: false, idlePartitions: [3] } as const

/** Kills driver and executors at one moment. */
const killEverybody = async (cluster: Cluster): Promise<void> => {
  await Promise.all([cluster.driver, ...cluster.executors].map((one) => one?.kill()))
}

export const livesSuite = (servers: () => ServerEnvironment): void => {
  describe(`lives of a cluster (seed ${SEED})`, () => {
    let open: MainJob | undefined
    afterEach(async () => {
      await open?.stop()
      open = undefined
    }, 30_000)

    test('drain: SIGTERM of an executor under load → its tasks move by release records, nobody is fenced, nothing is replayed', async () => {
      const main = open = await MainJob.start(servers(), { ...SHUFFLED, executors: 3 })
      main.feeder.start()
      await main.fed(1_000)
      const [leaving] = await main.cluster.owners(main.job.name)
      leaving?.signal('SIGTERM')
      await leaving?.ended()
      const { tasks } = await main.cluster.allRunning(main.job.name)
      expect(tasks.every((task) => (task.recovery?.steps?.fencedIds ?? 0) === 0)).toBe(true)
      await main.fed(1_000)
      expect(await main.settle()).toEqual([])
    }, 120_000)

    test('driver: SIGKILLed five times under load → the job goes on meanwhile, the next driver takes over what runs', async () => {
      const main = open = await MainJob.start(servers(), SHUFFLED)
      main.feeder.start()
      const generations = async (): Promise<string> => JSON.stringify((await main.cluster.allRunning(main.job.name)).tasks.map((task) => [task.stage, task.partition, task.generation]))
      const before = await generations()
      for (let kill = 0; kill < 5; kill += 1) {
        await main.cluster.driver?.kill()
        const had = (await main.running.read()).length
        await main.fed(400)
        for (let now = had; now < had + 200;) now = (await main.running.read()).length
        await main.cluster.startDriver()
        // Nothing that runs is restarted: every task keeps its owner and generation.
        const after = await generations()
        if (after !== before) throw new Error(`kill ${kill}: ${before} became ${after}\n${main.cluster.story(60)}`)
      }
      expect(await main.settle()).toEqual([])
    }, 180_000)

    test('everything is SIGKILLed at once and started again → goes on by itself', async () => {
      const main = open = await MainJob.start(servers(), SHUFFLED)
      main.feeder.start()
      await main.fed(1_500)
      await killEverybody(main.cluster)
      await main.fed(500)
      await main.cluster.startDriver()
      await main.recovered(2)
      await main.fed(1_000)
      expect(await main.settle()).toEqual([])
    }, 120_000)

    test('restore: an older checkpoint, another one, then a kill → state is what the input says', async () => {
      const main = open = await MainJob.start(servers(), SHUFFLED)
      main.feeder.start()
      const early = await main.checkpoint(2)
      await main.fed(2_000)
      await main.checkpoint(early + 2)
      const first = await main.cluster.submit(main.job.file, early)
      expect(first.outcome).toBe('restored')
      await main.cluster.until(main.job.name, ({ summary }) => summary.run === first.run && summary.tasksRunning === summary.tasks, 'the restored run')
      await main.fed(1_000)
      const later = await main.checkpoint(early + 4)
      const second = await main.cluster.submit(main.job.file, later)
      await main.cluster.until(main.job.name, ({ summary }) => summary.run === second.run && summary.tasksRunning === summary.tasks, 'the second restored run')
      await main.fed(500)
      await (await main.cluster.owners(main.job.name))[0]?.kill()
      await main.recovered(2)
      await main.fed(500)
      await main.finish()
      expect(await main.until(() => checkRestored(main.feeder.written, main.running.values(), main.windows.values()))).toEqual([])
    }, 240_000)

    test('cancel: ends the run, deletes its internal topics, keeps its checkpoints; the name is free for an empty start or a restore', async () => {
      const main = open = await MainJob.start(servers(), SHUFFLED)
      const { name, file } = main.job
      expect((await main.cluster.submit(file)).outcome).toBe('unchanged')
      const other = testJob({ copartitioned: true })
      await expect(bundleJob(other.file).then(({ plan, bundle }) => main.cluster.jobs.submit({ plan: { ...plan, job: name }, bundle }))).rejects.toMatchObject({ blame: 'user' })
      await other.remove(main.cluster.log)
      main.feeder.start()
      const checkpoint = await main.checkpoint(1)
      await main.feeder.pause()
      await main.cluster.jobs.cancel(name)
      const { checkpoints } = await main.cluster.until(name, ({ summary }) => summary.state === 'cancelled', 'cancelled')
      expect(checkpoints.map((one) => one.checkpoint)).toContain(checkpoint)
      expect((await main.cluster.log.listTopics()).filter((topic) => topic.startsWith(`tidemark.${name}.`))).toEqual([])
      const restored = await main.cluster.submit(file, checkpoint)
      expect(restored).toMatchObject({ outcome: 'restored', run: 2 })
      await main.cluster.allRunning(name)
      main.feeder.start()
      await main.fed(500)
      await main.finish()
      expect(await main.until(() => checkRestored(main.feeder.written, main.running.values(), main.windows.values()))).toEqual([])
      await main.cluster.jobs.cancel(name)
      await main.cluster.until(name, ({ summary }) => summary.state === 'cancelled', 'cancelled again')
      const empty = await main.cluster.submit(file)
      expect(empty).toMatchObject({ outcome: 'created', run: 3 })
      expect(empty.notes.join()).toMatch(/empty/)
    }, 120_000)

    test('scale out: a new executor gets its share by planned moves', async () => {
      const main = open = await MainJob.start(servers(), { copartitioned: true, executors: 1 })
      main.feeder.start()
      await main.fed(500)
      const joined = main.cluster.startExecutor()
      await main.cluster.until(main.job.name, ({ tasks, summary }) => summary.tasksRunning === summary.tasks && tasks.filter((task) => task.executor === joined.name).length === 2, 'two of four tasks at the new executor')
      await main.fed(500)
      expect(await main.settle()).toEqual([])
    }, 120_000)
  })
}
