// A cluster with one executor of two slots: in one a job that a record can kill, in the other a neighbour that must not notice.
import { isTidemarkError, jobId, realClock, stageId } from '@tidemark/base'
import type { Append } from '@tidemark/base'
import type { JobDescription, JobEvent } from '@tidemark/wire'
import { Cluster } from '../../cluster/cluster.ts'
import { Output } from '../../cluster/output.ts'
import { readJournal } from '../../integration/promises/journal.ts'
import { poisonJob } from './poison-job.ts'
import type { PoisonJob, PoisonJobOptions, PoisonRecord } from './poison-job.ts'

const START_TS = 1_700_000_000_000
const NEIGHBOUR_EVERY_MS = 5

export interface Total {
  readonly key: string
  readonly count: number
}

export class Poison {
  readonly cluster: Cluster
  readonly job: PoisonJob
  readonly neighbour: PoisonJob
  readonly written: PoisonRecord[] = []
  readonly out: Output<Total>
  readonly deadLetters: Output<PoisonRecord>
  #feeding: Promise<number> | undefined
  #feed = true
  /** The first record that harms was written, and everything that was waited for next was there; monotonic, ms. */
  #harmedAt: number | undefined
  #healedAt: number | undefined

  private constructor(cluster: Cluster, job: PoisonJob, neighbour: PoisonJob) {
    this.cluster = cluster
    this.job = job
    this.neighbour = neighbour
    this.out = new Output(cluster.log, job.output)
    this.deadLetters = new Output(cluster.log, job.deadLetters)
  }

  static async start(options: PoisonJobOptions, env: Readonly<Record<string, string>> = {}): Promise<Poison> {
    const cluster = await Cluster.start({ executors: 1, slots: 2, env: { TIDEMARK_SLOT_HEAP: '256', TIDEMARK_SLOT_STUCK: '2s', ...env } })
    const [job, neighbour] = [poisonJob(options), poisonJob({ place: 'source', partitions: 1 })]
    for (const one of [neighbour, job]) {
      await one.createTopics(cluster.log)
      await cluster.submit(one.file)
      await cluster.allRunning(one.name)
    }
    const poison = new Poison(cluster, job, neighbour)
    poison.#feeding = poison.#feedNeighbour()
    return poison
  }

  /** All at once, so that they are processed in one batch. */
  async write(records: readonly (Omit<PoisonRecord, 'n' | 'ts'> & { readonly ts?: number })[]): Promise<void> {
    const { length: partitions } = await this.cluster.log.offsets(this.job.input)
    const all = records.map((record, i): PoisonRecord => ({ ts: START_TS + (this.written.length + i) * 10, ...record, n: this.written.length + i }))
    const lists = Map.groupBy(all, ({ key }) => this.cluster.log.partitionFor(Buffer.from(key), partitions))
    await this.cluster.log.write([...lists].map(([partition, mine]): Append => ({ topic: this.job.input, partition, records: mine.map((record) => ({ key: record.key, value: JSON.stringify(record), timestamp: record.ts })) })))
    this.written.push(...all)
    if (all.some(({ deed }) => deed !== undefined)) this.#harmedAt ??= realClock.monotonic()
  }

  /** Polls until nothing is missing. */
  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    for (const began = realClock.monotonic(); realClock.monotonic() - began < 90_000;) {
      await this.out.read()
      await this.deadLetters.read().catch(() => {})
      if (await holds()) {
        if (this.#harmedAt !== undefined) this.#healedAt ??= realClock.monotonic()
        return
      }
      await realClock.sleep(25)
    }
    throw new Error(`waited in vain: ${what}; ${this.out.records.length} results, ${this.deadLetters.records.length} dead letters of ${this.written.length}\n${this.cluster.story(60)}`)
  }

  /** Of slots that had tasks of the job. */
  async deaths(): Promise<readonly string[]> {
    const events: JobEvent[] = []
    for await (const event of this.cluster.jobs.watchEvents({ after: 0, follow: false })) events.push(event)
    return events.filter(({ event, facts }) => event === 'slot.died' && JSON.stringify(facts).includes(`"${this.job.name}/`)).map(({ message }) => message)
  }

  describe(): Promise<JobDescription> {
    return this.cluster.jobs.describe(this.job.name)
  }

  /** Ends the neighbour's input. What its journal says: its owners, and the longest time between two commits, ms. `harmMs`: what the other job's harm took, from its first record to all that was waited for. */
  async neighbourStory(): Promise<{ readonly sessions: number, readonly records: number, readonly gapMs: number, readonly harmMs: number }> {
    this.#feed = false
    const written = await this.#feeding ?? 0
    const output = new Output<Total>(this.cluster.log, this.neighbour.output)
    await this.until('the neighbour\'s results', async () => (await output.read()).length >= written)
    const journal = await readJournal(this.cluster.log, { job: jobId(this.neighbour.name), run: 1, stage: stageId(0), partition: 0 })
    const commits = journal.flatMap(({ record }) => (record.kind === 'commit' && record.content.books.records > 0 ? [record] : []))
    const gaps = commits.map(({ timestamp }, i) => timestamp - (commits[i - 1]?.timestamp ?? timestamp))
    return { sessions: new Set(journal.map(({ record }) => record.transactionalId)).size, records: output.records.length, gapMs: Math.max(...gaps), harmMs: Math.round((this.#healedAt ?? 0) - (this.#harmedAt ?? 0)) }
  }

  /** Who is stopped while it holds the lock of the log's file keeps others from writing: then nothing of it is written. */
  async #feedNeighbour(): Promise<number> {
    let n = 0
    while (this.#feed) {
      try {
        await this.cluster.log.write([{ topic: this.neighbour.input, partition: 0, records: [{ key: 'k', value: JSON.stringify({ key: 'k', n, ts: START_TS + n }), timestamp: START_TS + n }] }])
      } catch (error) {
        if (!isTidemarkError(error) || error.code !== 'LOG_UNAVAILABLE') throw error
        continue
      }
      n += 1
      await realClock.sleep(NEIGHBOUR_EVERY_MS)
    }
    return n
  }

  async stop(): Promise<void> {
    this.#feed = false
    await this.#feeding
    await this.job.remove(this.cluster.log)
    await this.neighbour.remove(this.cluster.log)
    await this.cluster.stop()
  }
}

/** For each key the counts go up by one, and the last is right. */
export const wrongTotals = (written: readonly PoisonRecord[], out: readonly Total[]): string[] => {
  const faults: string[] = []
  const seen = new Map<string, number>()
  for (const { key, count } of out) {
    if (count !== (seen.get(key) ?? 0) + 1) faults.push(`${key}: ${count} follows ${seen.get(key) ?? 0}`)
    seen.set(key, count)
  }
  const expected = Map.groupBy(written.filter(({ deed }) => deed === undefined), ({ key }) => key)
  for (const [key, all] of expected) if (seen.get(key) !== all.length) faults.push(`${key}: ends at ${seen.get(key)}, expected ${all.length}`)
  return faults
}
