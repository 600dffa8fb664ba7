// What is refused at submit, and what is found out only where the bundle is loaded: the job stops with the reason, its neighbour goes on.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { bundleJob } from '@tidemark/cli'
import type { JobDescription } from '@tidemark/wire'
import { Cluster } from '../../cluster/cluster.ts'
import { testJob } from '../../cluster/jobs.ts'
import type { TestJob } from '../../cluster/jobs.ts'
import { Output } from '../../cluster/output.ts'

const MIB = 1024 * 1024

describe('submissions', () => {
  let cluster: Cluster
  const made: TestJob[] = []
  let neighbour: TestJob
  const make = async (): Promise<TestJob> => {
    const one = testJob({ copartitioned: true, partitions: 1 })
    made.push(one)
    await one.createTopics(cluster.log)
    return one
  }
  beforeAll(async () => {
    cluster = await Cluster.start({ executors: 1, slots: 2 })
    neighbour = await make()
    await cluster.submit(neighbour.file)
    await cluster.allRunning(neighbour.name)
  }, 60_000)
  afterAll(async () => {
    for (const one of made) await one.remove(cluster.log)
    await cluster.stop()
  }, 60_000)

  /** It has answered so many events in all: nothing that happened to others held it up. */
  const neighbourAnswers = async (events: number): Promise<void> => {
    const output = new Output(cluster.log, neighbour.running)
    await cluster.log.write([{ topic: neighbour.input, partition: 0, records: [{ key: 'ann', value: JSON.stringify({ user: 'ann', amount: 1, ts: 1_700_000_000_000 + events }) }] }])
    await cluster.until(neighbour.name, ({ tasks }) => tasks[0]?.inputs[0]?.next === events, 'the neighbour went on')
    expect(await output.read()).toHaveLength(events)
  }
  const failed = (name: string): Promise<JobDescription> => cluster.until(name, ({ summary }) => summary.state === 'failed', 'the job failed')

  test('a plan that is wrong → refused with every mistake and its path, nothing is stored', async () => {
    const job = await make()
    const { plan, bundle } = await bundleJob(job.file)
    const wrong = { ...plan, settings: { ...plan.settings, parallelism: 0, checkpointIntervalMs: -1 } }
    await expect(cluster.jobs.submit({ plan: wrong, bundle })).rejects.toMatchObject({ code: 'PLAN_INVALID', blame: 'user', message: expect.stringMatching(/settings\.parallelism[^]*settings\.checkpointIntervalMs/) })
    expect(await cluster.store.list(`jobs/${job.name}/`)).toEqual([])
  })

  test('a topic that does not exist → refused with its path, and it is not made', async () => {
    const job = await make()
    await cluster.log.deleteTopics([job.input])
    await expect(cluster.submit(job.file)).rejects.toMatchObject({ code: 'PLAN_INVALID', message: expect.stringContaining(`topic ${job.input} does not exist`) })
    expect(await cluster.log.listTopics()).not.toContain(job.input)
  })

  test('a bundle over the limit → refused, with the limit', async () => {
    const job = await make()
    const { plan } = await bundleJob(job.file)
    await expect(cluster.jobs.submit({ plan, bundle: Buffer.alloc(33 * MIB) })).rejects.toMatchObject({ code: 'JOB_BUNDLE_TOO_LARGE', blame: 'user', message: expect.stringContaining(String(32 * MIB)) })
  })

  test.each([
    ['throws at load', `throw new Error('there is no rates.csv')`, /does not load[^]*there is no rates\.csv/],
    ['does not load: it is no JavaScript', 'export default {{', /does not load/],
    ['does not load: it exports no job', 'export default 42', /default export is no job/],
  ])('a bundle that %s → the job stops with SLOT_BUNDLE_INVALID and the cause, no process dies for it; corrected it runs', async (_how, text, message) => {
    const job = await make()
    const { plan } = await bundleJob(job.file)
    await cluster.jobs.submit({ plan, bundle: Buffer.from(text) })
    const { error } = await failed(job.name)
    expect(error).toMatchObject({ code: 'SLOT_BUNDLE_INVALID', blame: 'user', action: 'fail-job', hint: expect.stringMatching(/./) })
    expect(error?.message).toMatch(message)
    expect(cluster.executors[0]?.lines.filter(({ msg, reason }) => msg === 'slot.exited' && reason !== 'it gets another job')).toEqual([])
    // The way out that the refusal names.
    await expect(cluster.submit(job.file)).rejects.toMatchObject({ code: 'JOB_EXISTS', hint: expect.stringContaining(`tidemark cancel ${job.name} --now`) })
    await cluster.jobs.cancel(job.name)
    await cluster.until(job.name, ({ summary }) => summary.state === 'cancelled', 'cancelled')
    await cluster.submit(job.file)
    await cluster.allRunning(job.name)
    await cluster.jobs.cancel(job.name)
    await cluster.until(job.name, ({ summary }) => summary.state === 'cancelled', 'cancelled')
  }, 60_000)

  test('a name that is taken, same content → unchanged; other content → refused with the way out, and the running job does not notice', async () => {
    const { run } = (await cluster.jobs.describe(neighbour.name)).summary
    expect(await cluster.submit(neighbour.file)).toMatchObject({ outcome: 'unchanged', run })
    const { plan, bundle } = await bundleJob(neighbour.file)
    await expect(cluster.jobs.submit({ plan, bundle: Buffer.concat([bundle, Buffer.from('\n// another')]) })).rejects.toMatchObject({ code: 'JOB_EXISTS', hint: expect.stringMatching(/tidemark cancel[^]*--from <number>/) })
    expect((await cluster.jobs.describe(neighbour.name)).summary).toMatchObject({ run, state: 'running' })
  })

  test('the neighbour of all these went on in the one run and process that it had', async () => {
    for (const events of [1, 2]) await neighbourAnswers(events)
    expect(await cluster.audit(neighbour.name)).toEqual([])
  }, 60_000)
})
