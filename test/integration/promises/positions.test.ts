// Positions as a checkpoint writes them down, and what becomes of a job whose source is no longer where its position is.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { jobId, realClock } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { JobDescription } from '@tidemark/wire'
import { Cluster } from '../../cluster/cluster.ts'
import { testJob } from '../../cluster/jobs.ts'
import type { TestJob } from '../../cluster/jobs.ts'
import { Output } from '../../cluster/output.ts'
import type { Event } from '../../workload/events.ts'
import type { RunningTotal } from '../../workload/oracle.ts'

const USERS = 5
const event = (i: number): Event => ({ user: `u${i % USERS}`, amount: 1 + (i % 7), ts: 1_700_000_000_000 + i })
/** What is said of the i-th event: the user's events up to it. */
const totalAt = (i: number): { readonly key: string, readonly count: number, readonly sum: number } => {
  const own = Array.from({ length: i + 1 }, (_, at) => event(at)).filter(({ user }) => user === event(i).user)
  return { key: event(i).user, count: own.length, sum: own.reduce((sum, { amount }) => sum + amount, 0) }
}

interface OffsetsFile {
  readonly job: string
  readonly checkpoint: number
  readonly tasks: readonly { readonly stage: string, readonly partition: number, readonly positions: readonly { readonly source: string, readonly topic: string, readonly partition: number, readonly next: number }[] }[]
}

/** One input partition, so that an output stands for the input at the same place. */
class OnePartition {
  readonly cluster: Cluster
  readonly job: TestJob
  readonly output: Output<RunningTotal>

  private constructor(cluster: Cluster, job: TestJob) {
    this.cluster = cluster
    this.job = job
    this.output = new Output(cluster.log, job.running)
  }

  static async start(cluster: Cluster): Promise<OnePartition> {
    const job = testJob({ partitions: 1, copartitioned: true, checkpointInterval: 500 })
    await job.createTopics(cluster.log)
    await cluster.submit(job.file)
    await cluster.allRunning(job.name)
    return new OnePartition(cluster, job)
  }

  async write(from: number, to: number): Promise<void> {
    const list = Array.from({ length: to - from }, (_, i) => event(from + i))
    await this.cluster.log.write([{ topic: this.job.input, partition: 0, records: list.map((one) => ({ key: one.user, value: JSON.stringify(one), timestamp: one.ts })) }])
  }

  async outputs(wanted: number): Promise<void> {
    await this.#until(async () => (await this.output.read()).length >= wanted, `${wanted} outputs`)
  }

  offsetsFile = async (checkpoint: number): Promise<OffsetsFile> => JSON.parse((await this.cluster.store.get(paths.offsets(jobId(this.job.name), checkpoint))).toString())

  /** The first checkpoint whose position is this. */
  async checkpointAt(next: number): Promise<OffsetsFile> {
    let found: OffsetsFile | undefined
    await this.#until(async () => {
      const newest = (await this.cluster.jobs.describe(this.job.name)).checkpoints[0]
      found = newest === undefined ? undefined : await this.offsetsFile(newest.checkpoint)
      return found?.tasks[0]?.positions[0]?.next === next
    }, `a checkpoint at ${next}`)
    return found as OffsetsFile
  }

  /** 40 events counted, and a checkpoint that says so. */
  async counted40(): Promise<OffsetsFile> {
    await this.write(0, 40)
    await this.outputs(40)
    return this.checkpointAt(40)
  }

  /** The job comes to a stop by itself. */
  async failed(): Promise<NonNullable<JobDescription['error']>> {
    const { error } = await this.cluster.until(this.job.name, ({ summary }) => summary.state === 'failed', 'the job stopped')
    if (error === undefined) throw new Error('the job failed without a reason')
    return error
  }

  async topicMadeAnew(events: number): Promise<void> {
    await this.cluster.log.deleteTopics([this.job.input])
    await this.cluster.log.createTopics([{ topic: this.job.input, partitions: 1, config: { 'retention.ms': '-1' } }])
    await this.write(1_000, 1_000 + events)
  }

  async #until(condition: () => Promise<boolean>, what: string): Promise<void> {
    for (const began = realClock.monotonic(); realClock.monotonic() - began < 60_000;) {
      if (await condition()) return
      await realClock.sleep(20)
    }
    throw new Error(`waited in vain for ${what}\n${this.cluster.story()}`)
  }
}

/** What happens to a job's topic while the job is down. */
const WHILE_DOWN = {
  longer: (one: OnePartition) => one.topicMadeAnew(100),
  shorter: (one: OnePartition) => one.topicMadeAnew(10),
  oneShort: (one: OnePartition) => one.topicMadeAnew(39),
  passed: async (one: OnePartition) => {
    await one.write(40, 90)
    await one.cluster.log.trim(one.job.input, 0, 63)
  },
  reached: async (one: OnePartition) => {
    await one.write(40, 90)
    await one.cluster.log.trim(one.job.input, 0, 40)
  },
} as const
type Happening = keyof typeof WHILE_DOWN

describe('positions', () => {
  let cluster: Cluster
  const jobs = new Map<Happening, OnePartition>()
  const after = (happening: Happening): OnePartition => {
    const one = jobs.get(happening)
    if (one === undefined) throw new Error(`no job for ${happening}`)
    return one
  }
  // One life for all: every job counts 40 events, all are down at once, and come back to what was done to their topics.
  beforeAll(async () => {
    const happenings = Object.keys(WHILE_DOWN) as Happening[]
    cluster = await Cluster.start({ executors: 1, slots: happenings.length })
    for (const happening of happenings) jobs.set(happening, await OnePartition.start(cluster))
    for (const one of jobs.values()) await one.counted40()
    await cluster.executors[0]?.kill()
    for (const [happening, one] of jobs) await WHILE_DOWN[happening](one)
    cluster.startExecutor()
  }, 120_000)
  afterAll(async () => {
    for (const one of jobs.values()) await one.job.remove(cluster.log)
    await cluster.stop()
  }, 60_000)

  test('topic made anew, longer than the position: the job stops with TASK_SOURCE_CHANGED, nothing of the new topic is taken for the old', async () => {
    const one = after('longer')
    const error = await one.failed()
    expect(error).toMatchObject({ code: 'TASK_SOURCE_CHANGED', blame: 'user', action: 'fail-job' })
    expect(error.message).toContain(`${one.job.input}/0 holds another record at offset 39`)
    expect(await one.output.read()).toHaveLength(40)
  }, 90_000)

  test.each([
    ['shorter', 'TASK_SOURCE_GONE', /holds offsets 0 to 10, .* is at 40: the topic was made anew/],
    // Ends right where the last record stood: nothing to compare, and nothing at the position.
    ['oneShort', 'LOG_OUT_OF_RANGE', /position 40 of partition 0 .* it ends at 39/],
  ] as const)('topic made anew, shorter than the position (%s): the job stops and names both', async (happening, code, message) => {
    const one = after(happening)
    const error = await one.failed()
    expect(error).toMatchObject({ code, action: 'fail-job' })
    expect(error.message).toMatch(message)
    expect(await one.output.read()).toHaveLength(40)
  }, 90_000)

  test('Kafka seek, retention passes the position while the job is down: it stops, range and size named, nothing is skipped', async () => {
    const one = after('passed')
    const error = await one.failed()
    expect(error).toMatchObject({ code: 'TASK_SOURCE_GONE', action: 'fail-job' })
    expect(error.message).toMatch(/holds offsets 63 to 90, .* is at 40: 23 records were removed by retention before they were read/)
    expect(error.hint).toMatch(/Nothing was skipped/)
    expect(await one.output.read()).toHaveLength(40)
  }, 90_000)

  test('Kafka seek, retention has reached the position and not passed it: the job goes on, the first record continues it', async () => {
    const one = after('reached')
    await one.outputs(90)
    expect(one.output.values()).toEqual(Array.from({ length: 90 }, (_, i) => totalAt(i)))
  }, 90_000)

  test('offsets/N.json: source, topic, partition and next; the record before next is counted, the one at next is not', async () => {
    const one = after('reached')
    const file = await one.checkpointAt(90)
    expect(file).toMatchObject({ job: one.job.name, tasks: [{ stage: 's0', partition: 0, positions: [{ source: expect.stringMatching(/./), topic: one.job.input, partition: 0, next: 90 }] }] })
    const input = new Output<Event>(cluster.log, one.job.input)
    await one.write(90, 120)
    await one.outputs(120)
    const { next } = file.tasks[0]?.positions[0] ?? { next: -1 }
    expect((await input.read()).filter(({ offset }) => offset === next - 1 || offset === next).map(({ value }) => value)).toEqual([event(89), event(90)])

    // A run that begins there says of the record at `next` what follows from all before it, and goes on with those behind it.
    const { outcome, run } = await cluster.submit(one.job.file, file.checkpoint)
    expect(outcome).toBe('restored')
    await one.outputs(150)
    await cluster.until(one.job.name, ({ summary, tasks }) => summary.run === run && summary.tasksRunning === 1 && tasks[0]?.inputs[0]?.next === 120, 'the restored run at the end of its input')
    await one.output.read()
    expect(one.output.values()).toEqual([...Array.from({ length: 120 }, (_, i) => totalAt(i)), ...Array.from({ length: 30 }, (_, i) => totalAt(next + i))])
  }, 90_000)
})
