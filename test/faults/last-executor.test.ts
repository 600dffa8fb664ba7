// All executors but one are killed at once under load: the last one takes every task, none of its processes dies of that, and gives them back when others come.
import { afterEach, describe, expect, test } from '@jest/globals'
import { MainJob, SEED } from '../cluster/main-job.ts'
import type { ServerEnvironment } from '../cluster/cluster.ts'
import { serversOf } from '../cluster/servers.ts'
import { describeWith } from '../services/index.ts'

const EXECUTORS = 4

let open: MainJob | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
}, 60_000)

const killAllButOne = async (servers: ServerEnvironment): Promise<void> => {
  const main = open = await MainJob.start(servers, { copartitioned: false, executors: EXECUTORS, env: { TIDEMARK_SLOT_HEAP: '256' } })
  main.feeder.start()
  await main.checkpoint(2)
  for (let round = 1; round <= 2; round += 1) {
    await main.fed(3_000)
    const [last, ...others] = await main.cluster.owners(main.job.name)
    if (last === undefined || others.length !== EXECUTORS - 1) throw new Error(`round ${round}: ${others.length + 1} executors have tasks\n${main.cluster.story()}`)
    await Promise.all(others.map((executor) => executor.kill()))
    const { summary } = await main.cluster.until(main.job.name, ({ summary: all, tasks }) => all.tasksRunning === all.tasks && tasks.every(({ executor }) => executor === last.name), 'the last one has every task')
    expect(summary.state).toBe('running')
    await main.fed(3_000)
    expect(await main.soFar()).toEqual([])
    for (let count = 1; count < EXECUTORS; count += 1) main.cluster.startExecutor()
    await main.cluster.until(main.job.name, ({ summary: all, tasks }) => all.tasksRunning === all.tasks && new Set(tasks.map(({ executor }) => executor)).size === EXECUTORS, 'the tasks are spread again')
    // It carried all of them: neither it nor a slot of it died meanwhile.
    expect(last.alive).toBe(true)
    expect(last.lines.filter(({ msg }) => msg === 'slot.exited')).toEqual([])
  }
  expect(await main.settle()).toEqual([])
}

describe(`the last executor, embedded (seed ${SEED})`, () => {
  test(`${EXECUTORS - 1} of ${EXECUTORS} executors killed at once under load, twice → the last one survives the return of all tasks; exact`, () => killAllButOne({}), 180_000)
})

describeWith(['kafka', 'minio', 'redis'], `the last executor, on servers (seed ${SEED})`, (server) => {
  test(`${EXECUTORS - 1} of ${EXECUTORS} executors killed at once under load, twice → the last one survives the return of all tasks; exact`, () => killAllButOne(serversOf(server)), 180_000)
})
