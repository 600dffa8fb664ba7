// Executors that should not be as they are: two of one name, one of another version.
import { afterEach, expect, test } from '@jest/globals'
import { executorId, realRandom } from '@tidemark/base'
import { connectCluster } from '@tidemark/wire'
import type { DriverMessage } from '@tidemark/wire'
import { Cluster } from '../../cluster/cluster.ts'
import { Subject } from './subject.ts'

let cluster: Cluster | undefined
afterEach(async () => {
  await cluster?.stop()
  cluster = undefined
}, 60_000)

test('two executors with one name → both work, told apart by their UUIDs; one is killed and only its tasks move', async () => {
  cluster = await Cluster.start({ executors: 0 })
  const first = cluster.startExecutor('west')
  cluster.startExecutor('west')
  const one = await Subject.start(cluster, { copartitioned: false, partitions: 4 })
  const { tasks, executors } = await cluster.until(one.job.name, ({ summary, tasks: all }) => summary.tasksRunning === summary.tasks && new Set(all.map(({ executorId: id }) => id)).size === 2, 'tasks on both')
  expect(executors.map(({ label, state }) => [label, state])).toEqual([['west', 'alive'], ['west', 'alive']])
  for (const partition of [0, 1, 2, 3]) await one.write(partition, one.events(50))
  expect(await one.wrong()).toEqual([])
  await first.kill()
  const after = await cluster.until(one.job.name, ({ summary, tasks: all }) => summary.tasksRunning === summary.tasks && new Set(all.map(({ executorId: id }) => id)).size === 1, 'all tasks on the other')
  const survivor = after.tasks[0]?.executorId
  const kept = tasks.filter(({ executorId: id }) => id === survivor)
  expect(kept.length).toBeGreaterThan(0)
  for (const { stage, partition, generation } of kept) expect(after.tasks.find((task) => task.stage === stage && task.partition === partition)?.generation).toEqual(generation)
  for (const partition of [0, 1, 2, 3]) await one.write(partition, one.events(50))
  expect(await one.wrong()).toEqual([])
  await one.job.remove(cluster.log)
}, 90_000)

test('an executor of another version → refused with both versions and what to do; the others do not notice', async () => {
  cluster = await Cluster.start({ executors: 1 })
  const one = await Subject.start(cluster, { copartitioned: true, partitions: 1 })
  const heard: DriverMessage[] = []
  const stream = connectCluster(cluster.address)
  const ended = new Promise((resolve) => stream.onClose(resolve))
  stream.onMessage((message) => void heard.push(message))
  stream.send({ kind: 'register', executor: executorId(realRandom.uuid()), label: 'newer', slots: 4, processes: [], probeAddress: '127.0.0.1:1', engineVersion: '99.0.0', pid: 1, pidStart: '', running: [] })
  await ended
  expect(heard).toMatchObject([{ kind: 'refused', error: { code: 'DRIVER_OTHER_VERSION', message: expect.stringContaining('99.0.0'), hint: expect.stringMatching(/one release/) } }])
  const { executors } = await cluster.jobs.describe(one.job.name)
  expect(executors.map(({ label }) => label)).not.toContain('newer')
  await one.write(0, one.events(50))
  expect(await one.wrong()).toEqual([])
  await one.job.remove(cluster.log)
}, 90_000)
