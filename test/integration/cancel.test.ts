// Cancelling on a real cluster: drained, a job ends at a checkpoint that a run goes on from exactly; now, it ends at once.
import { afterEach, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { MainJob, SEED } from '../cluster/main-job.ts'

let open: MainJob | undefined
afterEach(() => open?.stop(), 60_000)

/** Checkpoints come only when they are asked for. */
const NEVER_MS = 600_000

const start = async (): Promise<MainJob> => {
  const main = await MainJob.start({}, { copartitioned: false, checkpointInterval: NEVER_MS })
  open = main
  main.feeder.start()
  await main.fed(1_500)
  return main
}

test(`cancel, drained under load (seed ${SEED}) → its last checkpoint is told, the name is free, and a run from there processes nothing twice`, async () => {
  const main = await start()
  const { cluster, job: { name, file } } = main
  expect((await cluster.jobs.cancel(name, 'drain')).state).toMatch(/draining|cancelling|cancelled/)
  await expect(cluster.submit(file)).rejects.toMatchObject({ code: 'JOB_BUSY' })
  // Asked for again while it is under way: nothing changes.
  expect((await cluster.jobs.cancel(name, 'drain')).run).toBe(1)
  const { summary, checkpoints } = await cluster.until(name, (one) => one.summary.state === 'cancelled', 'drained and cancelled')
  const last = summary.finalCheckpoint
  expect(last).toBe(checkpoints[0]?.checkpoint)
  expect(await cluster.jobs.cancel(name, 'drain')).toEqual({ job: name, run: 1, state: 'cancelled', finalCheckpoint: last })
  expect((await cluster.log.listTopics()).filter((topic) => topic.startsWith(`tidemark.${name}.`))).toEqual([])

  // Who leads next still knows.
  await cluster.driver?.kill()
  await cluster.startDriver()
  expect((await cluster.jobs.describe(name)).summary).toMatchObject({ state: 'cancelled', finalCheckpoint: last })

  const restored = await cluster.submit(file, last)
  expect(restored).toMatchObject({ outcome: 'restored', run: 2 })
  await cluster.allRunning(name)
  // Drained again before it had a checkpoint of its own.
  await cluster.jobs.cancel(name, 'drain')
  const again = await cluster.until(name, (one) => one.summary.state === 'cancelled', 'drained once more')
  expect(again.summary.finalCheckpoint).toBeGreaterThan(last ?? 0)
  await main.fed(500)
  // And once more before its tasks run at all: they take what was in flight where their run began, and nothing else.
  await cluster.submit(file, again.summary.finalCheckpoint)
  await cluster.jobs.cancel(name, 'drain')
  const third = await cluster.until(name, (one) => one.summary.state === 'cancelled', 'drained while it was restored')
  expect(third.summary.finalCheckpoint).toBeGreaterThan(again.summary.finalCheckpoint ?? 0)
  await cluster.submit(file, third.summary.finalCheckpoint)
  await cluster.allRunning(name)
  await main.fed(500)
  // Each input once, none twice, over all runs.
  expect(await main.settle()).toEqual([])
}, 120_000)

test('cancel, drained while an executor and then the driver die → it is drained all the same, and nothing is processed twice', async () => {
  const main = await start()
  const { cluster, job: { name, file } } = main
  await cluster.jobs.cancel(name, 'drain')
  await (await cluster.owners(name))[0]?.kill()
  await cluster.driver?.kill()
  await cluster.startDriver()
  const { summary } = await cluster.until(name, (one) => one.summary.state === 'cancelled', 'drained and cancelled')
  await cluster.submit(file, summary.finalCheckpoint)
  await cluster.allRunning(name)
  await main.fed(500)
  // Each input once, none twice, over all runs.
  expect(await main.settle()).toEqual([])
}, 120_000)

test('cancel, now → over without a checkpoint; one that is drained and gets nowhere is ended by it too', async () => {
  const main = await start()
  const { cluster, job: { name, file } } = main
  const began = realClock.monotonic()
  await cluster.jobs.cancel(name, 'now')
  await cluster.jobs.cancel(name, 'now')
  const { summary, checkpoints } = await cluster.until(name, (one) => one.summary.state === 'cancelled', 'cancelled')
  console.log(`cancelled now, twice: over after ${Math.round(realClock.monotonic() - began)} ms`)
  expect([summary.finalCheckpoint, checkpoints]).toEqual([undefined, []])
  expect(await cluster.jobs.cancel(name)).toEqual({ job: name, run: 1, state: 'cancelled' })

  await cluster.submit(file)
  await cluster.allRunning(name)
  // Nobody is left who could take the last checkpoint.
  await Promise.all(cluster.executors.map((executor) => executor.kill()))
  await cluster.jobs.cancel(name, 'drain')
  const stuck = await cluster.until(name, (one) => one.summary.tasksWaiting > 0, 'tasks without an executor')
  expect([stuck.summary.state, stuck.summary.reason]).toEqual(['draining', expect.stringContaining('there is no executor')])
  await cluster.jobs.cancel(name, 'now')
  await cluster.until(name, (one) => one.summary.state === 'cancelled', 'cancelled')
}, 120_000)
