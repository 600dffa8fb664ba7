// The whole shell over real sockets, with ports in memory: executors and clients are played, drivers come and go.
import { afterEach, describe, expect, test } from '@jest/globals'
import { executorId, realClock, realRandom } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import { emptyLeaseState, MemoryLease } from '@tidemark/testkit'
import type { MemoryLeaseState } from '@tidemark/testkit'
import { connectCluster, jobsClient, probe, serveCluster, serveProbe } from '@tidemark/wire'
import type { DriverMessage, ExecutorStream, JobEvent, JobsClient, RunningTask } from '@tidemark/wire'
import { DEFAULT_SETTINGS } from '../core/protocol.ts'
import type { ProcessId } from '../core/protocol.ts'
import { bundle, JOB, memoryPorts, planOf } from './cluster.sample.ts'
import type { TestPorts } from './cluster.sample.ts'
import { Driver } from './driver.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})

const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  const end = realClock.monotonic() + 15_000
  while (!await holds()) {
    if (realClock.monotonic() > end) throw new Error(`waited for: ${what}`)
    await realClock.sleep(10)
  }
}

/** Longer than this process may stand still on a busy machine: a shorter lease is lost then, and with it the leader that a test talks to. */
const LEASE_MS = 3_000

interface Running {
  readonly driver: Driver
  readonly address: string
  readonly killed: ProcessId[]
}
const startDriver = async (ports: TestPorts, state: MemoryLeaseState, lease = new MemoryLease({ name: 'leader', clock: realClock, state })): Promise<Running> => {
  const killed: ProcessId[] = []
  const driver = new Driver({
    ports, lease, random: realRandom, listen: '127.0.0.1:0', leaseMs: LEASE_MS, settings: DEFAULT_SETTINGS, engineVersion: '0.1.0', probe, serve: serveCluster,
    kill: (processes) => killed.push(...processes),
  })
  const address = await driver.start()
  cleanups.push(() => driver.stop())
  return { driver, address, killed }
}
const dial = (address: string): JobsClient => {
  const client = jobsClient(address)
  cleanups.push(() => client.close())
  return client
}

/** An executor that says whatever the test wants. */
const playExecutor = async (address: string, label: string, running: readonly RunningTask[] = []): Promise<{ readonly stream: ExecutorStream, readonly heard: DriverMessage[], die(): Promise<void> }> => {
  const executor = executorId(label)
  const serving = await serveProbe({ address: '127.0.0.1:0', executor })
  const stream = connectCluster(address)
  const heard: DriverMessage[] = []
  stream.onMessage((message) => void heard.push(message))
  stream.send({ kind: 'register', executor, label, slots: 1, processes: [], probeAddress: serving.address, engineVersion: '0.1.0', pid: 4_000_000, pidStart: '1', running })
  const beat = setInterval(() => stream.send({ kind: 'heartbeat', sequence: 1, tasks: [], logs: [] }), 200)
  const die = async (): Promise<void> => {
    clearInterval(beat)
    await serving.close()
    stream.close()
  }
  cleanups.push(die)
  return { stream, heard, die }
}
const assigned = (heard: readonly DriverMessage[]) => heard.flatMap((message) => message.kind === 'assign' ? message.tasks : [])

describe('driver', () => {
  test('submit, run, an executor dies, cancel → what each side is told, with events', async () => {
    const ports = await memoryPorts()
    const { address, killed } = await startDriver(ports, emptyLeaseState())
    const client = dial(address)
    await until('a leader', () => client.list().then(() => true, () => false))
    const events: JobEvent[] = []
    const following = (async () => {
      for await (const event of client.watchEvents({ after: 0, follow: true })) {
        events.push(event)
        if (event.event === 'job.cancelled') return
      }
    })()

    expect(await client.submit({ plan: planOf(), bundle: bundle() })).toMatchObject({ outcome: 'created', run: 1 })
    await until('no executor', async () => (await client.describe(JOB)).summary.reason === '2 of 2 tasks wait: there is no executor')
    const a = await playExecutor(address, 'a')
    await until('tasks', () => assigned(a.heard).length === 2)
    const b = await playExecutor(address, 'b')
    await a.die()
    await until('takeover', () => assigned(b.heard).length === 2)
    expect(killed).toEqual([{ pid: 4_000_000, pidStart: '1' }])
    expect(await client.submit({ plan: planOf(), bundle: bundle() })).toMatchObject({ outcome: 'unchanged' })
    await expect(client.submit({ plan: planOf({ version: '2' }), bundle: bundle() })).rejects.toMatchObject({ code: 'JOB_EXISTS' })

    expect(await client.cancel(JOB)).toMatchObject({ state: 'cancelling' })
    await following
    expect((await client.describe(JOB)).summary.state).toBe('cancelled')
    expect(b.heard.at(-1)).toMatchObject({ kind: 'revoke', reason: 'stop' })
    expect((await ports.log.listTopics()).filter((topic) => topic.startsWith('tidemark.'))).toEqual([])
    expect(events.map(({ event }) => event)).toEqual(expect.arrayContaining(['job.submitted', 'job.started', 'executor.joined', 'task.assigned', 'executor.dead', 'job.cancelling', 'job.cancelled']))
    expect(events.find(({ event }) => event === 'executor.dead')).toMatchObject({ facts: { reason: 'stream ended without goodbye, probe refused' } })
  })

  test('two drivers → one leads, the other names it; the leader goes → the other leads with a higher epoch and restarts nothing that runs', async () => {
    const ports = await memoryPorts()
    const state = emptyLeaseState()
    const first = await startDriver(ports, state)
    const client = dial(first.address)
    await until('a leader', () => client.list().then(() => true, () => false))
    const second = await startDriver(ports, state)
    await client.submit({ plan: planOf(), bundle: bundle() })
    const a = await playExecutor(first.address, 'a')
    await until('tasks', () => assigned(a.heard).length === 2)

    expect(await dial(second.address).list()).toHaveLength(1)
    const turnedAway = await playExecutor(second.address, 'b')
    await until('the way', () => turnedAway.heard.some((message) => message.kind === 'not-leader' && message.leader === first.address))

    const running = assigned(a.heard).map(({ task, generation, slot }) => ({ task, generation, slot, transactionalId: 'x' }))
    await first.driver.stop()
    const other = dial(second.address)
    await until('the other leads', () => other.list().then(() => true, () => false))
    const again = await playExecutor(second.address, 'a', running)
    await until('registered', () => again.heard.some((message) => message.kind === 'registered' && message.epoch === 2))
    await until('adopted', async () => (await other.list())[0]?.tasksRunning === 2)
    expect(assigned(again.heard)).toEqual([])
    expect((await other.describe(JOB)).tasks.map(({ generation }) => generation?.epoch)).toEqual([1, 1])
  })

  test('what is stored of a job is damaged when a driver begins to lead → clients hear which and why', async () => {
    const ports = await memoryPorts()
    await ports.store.put(paths.definition(JOB, 1), Buffer.from('{'))
    const client = dial((await startDriver(ports, emptyLeaseState())).address)
    await until('a leader', () => client.list().then(() => true, () => false))
    expect([await client.list(), await client.damaged()]).toEqual([[], [{ job: JOB, error: expect.objectContaining({ code: 'JOB_DEFINITION_DAMAGED', message: `${paths.definition(JOB, 1)} is damaged` }) }]])
    await expect(client.describe(JOB)).rejects.toMatchObject({ code: 'JOB_UNREADABLE', hint: expect.stringContaining('backup') })
  })

  test('a driver is replaced while it takes a submission → the client is not told that it was taken', async () => {
    const ports = await memoryPorts()
    const { address } = await startDriver(ports, emptyLeaseState())
    const client = dial(address)
    await until('a leader', () => client.list().then(() => true, () => false))
    await ports.store.put('drivers/epochs/2.json', Buffer.from('{}'))
    await expect(client.submit({ plan: planOf(), bundle: bundle() })).rejects.toMatchObject({ code: 'DRIVER_NOT_LEADER', action: 'retry' })
  })

  test('the lease is lost and its store does not say who leads → nothing is decided any more meanwhile', async () => {
    const ports = await memoryPorts()
    const state = emptyLeaseState()
    let away = false
    let asked = 0
    const lease = new MemoryLease({ name: 'leader', clock: realClock, state, intercept: ({ call }, run) => {
      if (!away || call !== 'lease.holder') return run()
      asked += 1
      return new Promise(() => {})
    } })
    const { address, killed } = await startDriver(ports, state, lease)
    const client = dial(address)
    await until('a leader', () => client.list().then(() => true, () => false))
    const a = await playExecutor(address, 'a')
    await until('registered', () => a.heard.some(({ kind }) => kind === 'registered'))
    away = true
    state.held = { epoch: 99, holder: '127.0.0.1:9', until: Infinity }
    await until('it asks who leads', () => asked > 0)
    await a.die()
    // A verdict takes some milliseconds: an end of the stream, a probe that is refused.
    await realClock.sleep(200)
    expect(killed).toEqual([])
  })

  test('the lease is lost → it stops leading, executors and clients are told', async () => {
    const ports = await memoryPorts()
    const state = emptyLeaseState()
    const { address } = await startDriver(ports, state)
    const client = dial(address)
    await until('a leader', () => client.list().then(() => true, () => false))
    const a = await playExecutor(address, 'a')
    await until('registered', () => a.heard.some(({ kind }) => kind === 'registered'))
    state.held = { epoch: 99, holder: '127.0.0.1:9', until: Infinity }
    await until('told', () => a.heard.some(({ kind }) => kind === 'not-leader'))
    await expect(client.list()).rejects.toMatchObject({ code: expect.stringMatching(/DRIVER_NOT_LEADER|WIRE_UNAVAILABLE/) })
  })
})
