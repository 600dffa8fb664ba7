// Two drivers and the lease in Redis: one leads, whoever was replaced is refused everywhere, and the jobs notice nothing of it.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import { jobsClient } from '@tidemark/wire'
import type { JobDescription } from '@tidemark/wire'
import { Cluster } from '../../cluster/cluster.ts'
import { testJob } from '../../cluster/jobs.ts'
import type { TestJob } from '../../cluster/jobs.ts'
import { Output } from '../../cluster/output.ts'
import type { ClusterProcess } from '../../cluster/process.ts'
import { describeWith } from '../../services/index.ts'
import { Feeder } from '../../workload/events.ts'
import { checkRunningTotals } from '../../workload/oracle.ts'
import type { RunningTotal } from '../../workload/oracle.ts'

const LEASE_MS = 2_000
const PARTITIONS = 4

const owners = ({ tasks }: JobDescription): unknown => tasks.map(({ stage, partition, executorId, generation }) => ({ stage, partition, executorId, generation }))
const addressOf = (driver: ClusterProcess): string => String(driver.lines.find(({ event }) => event === 'driver.listening')?.['address'])
const epochsLed = (driver: ClusterProcess): unknown[] => driver.lines.filter(({ msg }) => msg === 'driver.leads').map(({ epoch }) => epoch)
/** By its last word; of one that is dead, too. */
const leads = (driver: ClusterProcess): boolean => driver.lines.findLast(({ msg }) => msg === 'driver.leads' || msg === 'driver.leads-no-more')?.msg === 'driver.leads'

describeWith(['redis'], 'leadership', (server) => {
  const cleanups: (() => Promise<unknown> | unknown)[] = []
  afterEach(async () => {
    for (const clean of cleanups.splice(0).toReversed()) await clean()
  }, 60_000)

  /** A leader, a standby, and two executors that know both, with a job under load. */
  const start = async (): Promise<{ readonly cluster: Cluster, readonly leader: ClusterProcess, readonly job: TestJob, readonly feeder: Feeder, readonly output: Output<RunningTotal>, readonly before: JobDescription }> => {
    const cluster = await Cluster.start({ servers: { TIDEMARK_REDIS: server('redis').url }, executors: 0 })
    cleanups.push(() => cluster.stop())
    await cluster.startStandby()
    for (let i = 0; i < 2; i += 1) cluster.startExecutor()
    const { driver: leader } = cluster
    if (leader === undefined) throw new Error('there is no driver')
    cleanups.push(() => leader.signal('SIGCONT'))
    const job = testJob({ partitions: PARTITIONS, copartitioned: false })
    cleanups.push(() => job.remove(cluster.log))
    await job.createTopics(cluster.log)
    await cluster.submit(job.file)
    const before = await cluster.until(job.name, ({ summary, tasks }) => summary.tasksRunning === summary.tasks && new Set(tasks.map(({ executor }) => executor)).size === 2, 'tasks on both executors')
    const feeder = new Feeder(cluster.log, job.input, PARTITIONS, { seed: 1, users: 100, perSecond: 500, stepMs: 5 })
    cleanups.push(() => feeder.close())
    feeder.start()
    return { cluster, leader, job, feeder, output: new Output<RunningTotal>(cluster.log, job.running), before }
  }
  const exact = async ({ feeder, output }: { readonly feeder: Feeder, readonly output: Output<RunningTotal> }): Promise<void> => {
    await feeder.pause()
    for (const began = realClock.monotonic(); (await output.read()).length < feeder.written.length && realClock.monotonic() - began < 30_000;) await realClock.sleep(20)
    expect(checkRunningTotals(feeder.written, output.values())).toEqual([])
  }
  /** The longest time in which nothing was processed, ms. */
  const watchGaps = (output: Output<RunningTotal>): (() => Promise<number>) => {
    let [going, longest, movedAt] = [true, 0, realClock.monotonic()]
    const watching = (async () => {
      for (let seen = output.records.length; going; await realClock.sleep(10)) {
        const { length } = await output.read()
        const at = realClock.monotonic()
        longest = Math.max(longest, at - movedAt)
        if (length > seen) [seen, movedAt] = [length, at]
      }
    })()
    return async () => {
      going = false
      await watching
      return Math.round(longest)
    }
  }

  test('the leader is SIGKILLed under load → the standby leads, no task changes its owner or its generation, everything goes on', async () => {
    const all = await start()
    const { cluster, leader, job, output, before } = all
    const gap = watchGaps(output)
    const at = realClock.monotonic()
    await leader.kill()
    await cluster.promoteStandby()
    const ledAfterMs = Math.round(realClock.monotonic() - at)
    const after = await cluster.allRunning(job.name)
    expect(owners(after)).toEqual(owners(before))
    console.log(`the standby led after ${ledAfterMs} ms, longest gap of the output ${await gap()} ms`)
    await exact(all)
    const recorded = await cluster.store.list(paths.driverEpochPrefix)
    // One for each election; more than two where the machine stood still for longer than the lease.
    const elections = [leader, cluster.driver].flatMap((driver) => driver?.lines.filter(({ msg }) => msg === 'driver.elected') ?? [])
    expect(elections.length).toBeGreaterThanOrEqual(2)
    expect(recorded).toHaveLength(elections.length)
  }, 120_000)

  test('the leader is SIGSTOPped beyond its lease and goes on → it is refused everywhere, and says who leads', async () => {
    const all = await start()
    const { cluster, leader, job, before } = all
    const zombieAddress = addressOf(leader)
    const [ledBefore, linesBefore] = [Number(epochsLed(leader).at(-1)), leader.lines.length]
    leader.signal('SIGSTOP')
    await cluster.promoteStandby()
    await cluster.allRunning(job.name)
    // Its executors are the other's by now.
    await realClock.sleep(LEASE_MS)
    leader.signal('SIGCONT')
    await leader.line((line) => line.msg === 'driver.leads-no-more' && leader.lines.indexOf(line) >= linesBefore)
    const zombie = jobsClient(zombieAddress)
    cleanups.push(() => zombie.close())
    // It sends its clients to the one that leads.
    expect((await zombie.describe(job.name)).tasks).toHaveLength(before.tasks.length)
    expect((await zombie.cancel(job.name)).state).toMatch(/cancel/)
    await all.feeder.pause()
    await cluster.until(job.name, ({ summary }) => summary.state === 'cancelled', 'cancelled by the one that leads')
    const definition = (await cluster.store.list(paths.jobsPrefix)).flatMap(({ key }) => paths.parseDefinition(key) ?? [])
    // Stored by one that led behind it. Where the machine stood still for longer than the lease, that one lost it in turn, and any driver may have it.
    const epochs = [leader, cluster.driver].flatMap((driver) => driver === undefined ? [] : epochsLed(driver))
    expect(new Set(epochs).size).toBe(epochs.length)
    expect(definition).toHaveLength(1)
    expect(definition[0]?.number).toBeGreaterThan(ledBefore)
    expect(epochs).toContain(definition[0]?.number)
  }, 120_000)

  test('the leader is SIGSTOPped beyond its lease and goes on → no task changes its owner or its generation, everything is exact', async () => {
    const all = await start()
    const { cluster, leader, job, before } = all
    for (let i = 0; i < 2; i += 1) {
      const stopped = cluster.driver ?? leader
      stopped.signal('SIGSTOP')
      cleanups.push(() => stopped.signal('SIGCONT'))
      await cluster.promoteStandby()
      await cluster.allRunning(job.name)
      stopped.signal('SIGCONT')
      await stopped.line(({ msg }) => msg === 'driver.leads-no-more')
      await realClock.sleep(1_000)
      expect(owners(await cluster.allRunning(job.name))).toEqual(owners(before))
      if (i > 0) break
      await stopped.kill()
      await cluster.startStandby()
    }
    await exact(all)
  }, 120_000)

  test('three drivers started at once → one leads, every other names it, each epoch is given once', async () => {
    const cluster = await Cluster.start({ servers: { TIDEMARK_REDIS: server('redis').url }, executors: 0 })
    cleanups.push(() => cluster.stop())
    const drivers = await Promise.all(Array.from({ length: 3 }, () => cluster.startAnotherDriver()))
    await cluster.driver?.kill()
    const leading = (): ClusterProcess[] => drivers.filter(leads)
    await realClock.sleep(LEASE_MS)
    for (const began = realClock.monotonic(); leading().length !== 1 && realClock.monotonic() - began < 60_000;) await realClock.sleep(20)
    expect(leading()).toHaveLength(1)
    const [leader] = leading()
    for (const driver of drivers) {
      const client = jobsClient(addressOf(driver))
      try {
        expect(await client.list()).toEqual([])
      } finally {
        client.close()
      }
    }
    await leader?.kill()
    const others = (): ClusterProcess[] => leading().filter((driver) => driver !== leader)
    for (const began = realClock.monotonic(); others().length !== 1 && realClock.monotonic() - began < 60_000;) await realClock.sleep(20)
    expect(others()).toHaveLength(1)
    const epochs = drivers.flatMap(epochsLed)
    expect(new Set(epochs).size).toBe(epochs.length)
  }, 180_000)

  test('a client is given a list: the first is dead, hangs, or does not lead → it is answered by the one that leads', async () => {
    const { cluster, leader, job } = await start()
    const [first, dead] = [addressOf(leader), '127.0.0.1:1']
    const ask = async (drivers: readonly string[]): Promise<string> => {
      const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(new URL('../../../packages/cli/src/main.ts', import.meta.url)), 'jobs', '--json', '--driver', drivers.join(',')], { env: process.env, timeout: 60_000 })
      return stdout
    }
    leader.signal('SIGSTOP')
    await cluster.promoteStandby()
    expect(await ask([dead, cluster.address])).toContain(job.name)
    expect(await ask([first, cluster.address])).toContain(job.name)
    leader.signal('SIGCONT')
    await leader.line(({ msg }) => msg === 'driver.leads-no-more')
    expect(await ask([first])).toContain(job.name)
  }, 120_000)
})
