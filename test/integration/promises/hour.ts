// The hour from 10:00 to 11:00 on a real cluster, whose owner is SIGKILLed in it and at its end. Event time is compressed, not changed: the
// records carry these very times.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { jobId, realClock, stageId } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'
import { compareGenerations, paths } from '@tidemark/checkpoint'
import type { JobDescription } from '@tidemark/wire'
import { Cluster } from '../../cluster/cluster.ts'
import type { ServerEnvironment } from '../../cluster/cluster.ts'
import { Output } from '../../cluster/output.ts'
import { jobFile } from './job-file.ts'
import type { JobFile } from './job-file.ts'
import { commitsOf, readJournal } from './journal.ts'

interface Payment {
  readonly shop: string
  readonly amount: number
  readonly at: number
}
interface Result {
  readonly key: string
  readonly window: { readonly start: number, readonly end: number }
  readonly count: number
  readonly sum: number
}

const text = (name: string): string => `
interface Payment { readonly shop: string, readonly amount: number, readonly at: number }
const hourly = job('${name}', { parallelism: 1, checkpointInterval: 1_500, commitIntervalMax: 100, batchOutputMax: '1KiB' })
const windows = hourly.source('payments', topic('${name}.payments', { value: json<Payment>(), timestamp: (payment) => payment.at, outOfOrderness: '10m', idleAfter: '1h' }))
  .keyBy((payment) => payment.shop, { copartitioned: true })
  .window(tumbling('1h'))
windows.aggregate('so-far', { count: count(), sum: sum((payment) => payment.amount) }, { emit: 'updates' }).sink('so-far', topicSink('${name}.so-far', { value: json() }))
windows.aggregate('totals', { count: count(), sum: sum((payment) => payment.amount) }).sink('totals', topicSink('${name}.totals', { value: json() }))
export default hourly`

/** Each test has a day of its own. */
const clockOf = (day: number) => (time: string): number => Date.parse(`2024-01-${day}T${time}:00Z`)
/** `of` payments that make `total`, spread over the minutes from `from` to before `to`. */
const payments = (from: number, to: number, of: number, total: number): Payment[] =>
  Array.from({ length: of }, (_, i) => ({ shop: 'all', at: from + Math.floor(i * (to - from) / of), amount: Math.floor(total / of) + (i < total % of ? 1 : 0) }))

class Hour {
  readonly cluster: Cluster
  readonly job: JobFile
  readonly soFar: Output<Result>
  readonly totals: Output<Result>
  readonly task: TaskRef
  written = 0
  /** Of them, those that came too late to be counted. */
  late = 0

  private constructor(cluster: Cluster, job: JobFile) {
    this.cluster = cluster
    this.job = job
    this.soFar = new Output(cluster.log, job.topic('so-far'))
    this.totals = new Output(cluster.log, job.topic('totals'))
    this.task = { job: jobId(job.name), run: 1, stage: stageId(0), partition: 0 }
  }

  static async start(servers: ServerEnvironment): Promise<Hour> {
    const cluster = await Cluster.start({ servers, executors: 1 })
    const job = jobFile(['payments', 'so-far', 'totals'], 1, text)
    await job.createTopics(cluster.log)
    await cluster.submit(job.file)
    await cluster.allRunning(job.name)
    return new Hour(cluster, job)
  }

  async write(list: readonly Payment[]): Promise<void> {
    await this.cluster.log.write([{ topic: this.job.topic('payments'), partition: 0, records: list.map((one) => ({ key: one.shop, value: JSON.stringify(one), timestamp: one.at })) }])
    this.written += list.length
  }

  /** Everything written is processed and committed: each payment that is not late says how its window stands. */
  async processed(): Promise<Result | undefined> {
    const updates = this.written - this.late
    await this.#until(async () => (await this.soFar.read()).length >= updates, `${updates} updates, have ${this.soFar.records.length}`)
    return this.soFar.records.at(-1)?.value
  }

  /** Waits for a checkpoint at whose positions everything written so far is counted, and nothing else. Its number. */
  async checkpointed(): Promise<number> {
    let found = 0
    await this.#until(async () => {
      const newest = (await this.cluster.jobs.describe(this.job.name)).checkpoints[0]?.checkpoint
      if (newest === undefined) return false
      const offsets: { readonly tasks: readonly { readonly positions: readonly { readonly next: number }[] }[] } = JSON.parse((await this.cluster.store.get(paths.offsets(this.task.job, newest))).toString())
      found = newest
      return offsets.tasks[0]?.positions[0]?.next === this.written
    }, `a checkpoint at ${this.written}`)
    return found
  }

  /** Final results of this window, in the order they came. */
  async results(start: number): Promise<Result[]> {
    await this.totals.read()
    return this.totals.values().filter(({ window }) => window.start === start)
  }

  async until(condition: (results: readonly Result[]) => boolean, start: number, what: string): Promise<readonly Result[]> {
    await this.#until(async () => condition(await this.results(start)), what)
    return this.results(start)
  }

  async kill(): Promise<void> {
    await (await this.cluster.owners(this.job.name))[0]?.kill()
  }

  /** Arms a fault point for the owner's slot and executor. */
  arm(point: string): void {
    writeFileSync(join(this.cluster.faultFolder, point), 'both')
  }

  async fired(point: string): Promise<void> {
    await this.#until(async () => !existsSync(join(this.cluster.faultFolder, point)) && this.cluster.executors.every((executor) => !executor.alive), `a death at ${point}`)
  }

  async restart(): Promise<JobDescription> {
    await this.cluster.until(this.job.name, ({ summary }) => summary.tasksRunning === 0, 'the death noticed')
    this.cluster.startExecutor()
    return this.cluster.allRunning(this.job.name)
  }

  async stop(): Promise<void> {
    await this.job.remove(this.cluster.log)
    await this.cluster.stop()
  }

  async #until(condition: () => Promise<boolean>, what: string): Promise<void> {
    for (const began = realClock.monotonic(); realClock.monotonic() - began < 60_000;) {
      if (await condition()) return
      await realClock.sleep(20)
    }
    throw new Error(`waited in vain for ${what}\n${this.cluster.story()}`)
  }
}

export const hourSuite = (servers: () => ServerEnvironment, points: readonly string[]): void => {
  describe('crash in the middle of a window', () => {
    let hour: Hour
    beforeAll(async () => { hour = await Hour.start(servers()) }, 120_000)
    afterAll(async () => { await hour.stop() }, 30_000)

    test('window 10:00-11:00, 2000/50 at 10:30, 3500/80 at 10:45, crash at 10:46, restart 10:47: 5000 comes out once at 11:10', async () => {
      const clock = clockOf(15)
      const [start, end] = [clock('10:00'), clock('11:00')]
      await hour.write(payments(start, clock('10:30'), 50, 2_000))
      expect(await hour.processed()).toEqual({ key: 'all', window: { start, end }, count: 50, sum: 2_000 })
      const checkpoint = await hour.checkpointed()

      await hour.write(payments(clock('10:30'), clock('10:45'), 30, 1_500))
      expect(await hour.processed()).toEqual({ key: 'all', window: { start, end }, count: 80, sum: 3_500 })

      // 10:46
      await hour.kill()
      // 10:47
      const [task] = (await hour.restart()).tasks
      const steps = task?.recovery?.steps
      expect(task?.recovery).toMatchObject({ steps: { snapshot: { checkpoint: expect.any(Number) } } })
      expect(steps?.snapshot?.checkpoint).toBeGreaterThanOrEqual(checkpoint)
      // Unless a further checkpoint came in between, the replay was the journal's tail of after-images.
      if (steps?.snapshot?.checkpoint === checkpoint) expect(steps.tailBatches).toBeGreaterThan(0)

      await hour.write([...payments(clock('10:46'), end, 40, 1_500), { shop: 'all', amount: 0, at: clock('11:10') - 1 }])
      expect((await hour.processed())?.window.start).toBe(end)
      expect(hour.soFar.records.findLast(({ value }) => value.window.start === start)?.value).toMatchObject({ count: 120, sum: 5_000 })
      // A millisecond before 11:10 the watermark has not passed 11:00.
      expect(await hour.results(start)).toEqual([])
      await hour.write([{ shop: 'all', amount: 0, at: clock('11:10') }])
      expect(await hour.until((results) => results.length > 0, start, 'the result of 10:00-11:00')).toEqual([{ key: 'all', window: { start, end }, count: 120, sum: 5_000 }])

      // Later it does not come again, and who comes too late changes nothing.
      await hour.write([{ shop: 'all', amount: 1, at: clock('12:30') }, { shop: 'all', amount: 1, at: clock('10:59') }])
      await hour.until((results) => results.length > 0, end, 'the next result')
      await hour.cluster.until(hour.job.name, ({ tasks }) => tasks[0]?.totals['late'] === 1, 'a late payment in the books')
      hour.late += 1
      expect(await hour.results(start)).toEqual([{ key: 'all', window: { start, end }, count: 120, sum: 5_000 }])
    }, 120_000)

    test.each(points.map((point, i) => [point, 16 + i] as const))('crash at 11:10, between closing and commit (%s): before the commit the batch is done again, after it nothing is; the result comes out once', async (point, day) => {
      const clock = clockOf(day)
      const [start, end] = [clock('10:00'), clock('11:00')]
      await hour.write(payments(start, end, 99, 4_900))
      const before = (await hour.processed())?.sum
      expect(before).toBe(4_900)
      await hour.checkpointed()
      const generation = (await hour.cluster.jobs.describe(hour.job.name)).tasks[0]?.generation
      hour.arm(point)
      await hour.write([{ shop: 'all', amount: 100, at: clock('11:10') }])
      await hour.fired(point)

      const isCommitted = !(point === 'commit.frozen' || point === 'commit.appended')
      if (!isCommitted) expect(await hour.results(start)).toEqual([])
      await hour.restart()
      const expected = [{ key: 'all', window: { start, end }, count: 99, sum: 4_900 }]
      expect(await hour.until((results) => results.length > 0, start, 'the result')).toEqual(expected)
      // State, position and output are of one batch, and that is in the journal once: the dead owner's if it was committed, else the next one's.
      const records = commitsOf(await readJournal(hour.cluster.log, hour.task))
      const closing = records.filter(({ content }) => content.watermark === end && content.books.emitted > 0)
      expect(closing).toHaveLength(1)
      expect(closing[0]?.content).toMatchObject({ positions: [{ next: hour.written }], books: { folded: 1, emitted: 2 } })
      if (generation === undefined || closing[0] === undefined) throw new TypeError('no generation')
      expect(Math.sign(compareGenerations(closing[0].generation, generation))).toBe(isCommitted ? 0 : 1)
      expect(records.map(({ content }) => content.batchId)).toEqual(records.map((_, i) => (records[0]?.content.batchId ?? 0) + i))

      await hour.write([{ shop: 'all', amount: 1, at: clock('12:30') }])
      await hour.until((results) => results.length > 0, end, 'the next result')
      expect(await hour.results(start)).toEqual(expected)
      expect(await hour.results(end)).toEqual([{ key: 'all', window: { start: end, end: clock('12:00') }, count: 1, sum: 100 }])
    }, 120_000)

    test('a window bigger than a batch emits in portions and is killed between them: every result comes out once', async () => {
      const clock = clockOf(25)
      const [start, end] = [clock('10:00'), clock('11:00')]
      const shops = Array.from({ length: 200 }, (_, i): Payment => ({ shop: `shop-${i}`, amount: i, at: clock('10:05') + i }))
      await hour.write(shops)
      await hour.processed()
      const seen = [0]
      hour.arm('commit.committed')
      await hour.write([{ shop: 'all', amount: 0, at: clock('11:10') }])
      for (const [point, next] of [['commit.committed', 'commit.frozen'], ['commit.frozen', 'commit.applied'], ['commit.applied', undefined]] as const) {
        await hour.fired(point)
        seen.push((await hour.results(start)).length)
        if (next !== undefined) hour.arm(next)
        hour.cluster.startExecutor()
      }
      // Each death lay between two portions.
      expect(seen.at(-1)).toBeLessThan(200)
      expect(new Set(seen).size).toBeGreaterThan(1)
      const results = await hour.until((all) => all.length >= 200, start, '200 results')
      await hour.write([{ shop: 'all', amount: 1, at: clock('12:30') }])
      await hour.until((all) => all.length > 0, end, 'the next result')
      expect(results.map(({ key, sum }) => `${key} ${sum}`).toSorted()).toEqual(shops.map(({ shop, amount }) => `${shop} ${amount}`).toSorted())
      expect(await hour.results(start)).toHaveLength(200)
    }, 120_000)
  })
}
