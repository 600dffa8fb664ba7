// A running job on a cluster, what was written for it, and what it said: one answer for each event.
import { realClock } from '@tidemark/base'
import type { JobDescription } from '@tidemark/wire'
import type { Cluster } from '../../cluster/cluster.ts'
import { testJob } from '../../cluster/jobs.ts'
import type { TestJob, TestJobOptions } from '../../cluster/jobs.ts'
import { Output } from '../../cluster/output.ts'
import type { Event } from '../../workload/events.ts'
import { checkRunningTotals } from '../../workload/oracle.ts'
import type { RunningTotal } from '../../workload/oracle.ts'

/** Event time of the first event, ms. */
export const START = 1_700_000_000_000

export class Subject {
  readonly cluster: Cluster
  readonly job: TestJob
  readonly output: Output<RunningTotal>
  readonly written: Event[] = []

  private constructor(cluster: Cluster, job: TestJob) {
    this.cluster = cluster
    this.job = job
    this.output = new Output(cluster.log, job.running)
  }

  static async start(cluster: Cluster, options: TestJobOptions, config: Readonly<Record<string, string>> = {}): Promise<Subject> {
    const job = testJob({ checkpointInterval: 500, ...options })
    await job.createTopics(cluster.log)
    if (Object.keys(config).length > 0) {
      await cluster.log.deleteTopics([job.running])
      await cluster.log.createTopics([{ topic: job.running, partitions: options.partitions ?? 4, config }])
    }
    await cluster.submit(job.file)
    await cluster.allRunning(job.name)
    return new Subject(cluster, job)
  }

  events(count: number): Event[] {
    return Array.from({ length: count }, (_, i) => ({ user: `u${i % 7}`, amount: 1 + (i % 5), ts: START + this.written.length + i }))
  }

  async write(partition: number, events: readonly Event[]): Promise<void> {
    this.written.push(...events)
    await this.cluster.log.write([{ topic: this.job.input, partition, records: events.map((one) => ({ key: one.user, value: JSON.stringify(one), timestamp: one.ts })) }])
  }

  /** What stands in the input topic. */
  async input(): Promise<Event[]> {
    return (await new Output<Event>(this.cluster.log, this.job.input).read()).map(({ value }) => value)
  }

  /** Waits until there are as many answers as events were written; what is wrong with them, and with the job's books, for which the store is asked. */
  async wrong(): Promise<string[]> {
    return [...await this.wrongAnswers(), ...await this.cluster.audit(this.job.name)]
  }

  async wrongAnswers(): Promise<string[]> {
    for (const began = realClock.monotonic(); (await this.output.read()).length < this.written.length;) {
      if (realClock.monotonic() - began > 30_000) throw new Error(`${this.output.records.length} of ${this.written.length} answers\n${this.cluster.story()}`)
      await realClock.sleep(20)
    }
    return [...checkRunningTotals(this.written, this.output.values()), ...this.output.records.length === this.written.length ? [] : [`${this.output.records.length} answers to ${this.written.length} events`]]
  }

  async failed(): Promise<NonNullable<JobDescription['error']>> {
    const { error } = await this.cluster.until(this.job.name, ({ summary }) => summary.state === 'failed', 'the job stopped')
    if (error === undefined) throw new Error('the job failed without a reason')
    return error
  }

  /** Its slot is free for the next one. */
  async gone(): Promise<void> {
    await this.cluster.jobs.cancel(this.job.name)
    await this.cluster.until(this.job.name, ({ summary }) => summary.state === 'cancelled', 'cancelled')
    await this.job.remove(this.cluster.log)
  }
}
