// The jobs that clusters are tested with, written as job files with names of their own, because servers are shared between suites.
import { rmSync, writeFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Log } from '@tidemark/base'
import { generatedFolder } from '../services/run-folder.ts'

export interface TestJob {
  readonly name: string
  readonly file: string
  readonly input: string
  /** One output per input, of running totals. */
  readonly running: string
  /** Final results of 10 s windows. */
  readonly windows: string
  readonly deadLetters: string
  /** Folder of a file sink, when the job has one. */
  readonly folder: string
  createTopics(log: Log): Promise<void>
  remove(log: Log): Promise<void>
}

export interface TestJobOptions {
  readonly partitions?: number
  readonly copartitioned: boolean
  /** Milliseconds. */
  readonly checkpointInterval?: number
  /** Milliseconds. Short only where all partitions get what is written at once (`FeederOptions.atOnce`). */
  readonly idleAfter?: number
  /** Adds a file sink (an outbox) in this folder. */
  readonly folder?: string
  /** Text of one more operator between source and keyBy: `.map((event) => …)`. */
  readonly between?: string
}

/**
 * Events { user, amount, ts } → keyBy user (with a shuffle, or copartitioned) → running totals on every change, and final totals of
 * tumbling windows.
 */
export const testJob = (options: TestJobOptions): TestJob => {
  const name = `t-${randomUUID().slice(0, 8)}`
  const partitions = options.partitions ?? 4
  const file = join(generatedFolder(), `${name}.ts`)
  const topics = { input: `${name}.events`, running: `${name}.running`, windows: `${name}.windows` }
  const folder = options.folder ?? ''
  writeFileSync(file, `
import { count, fileSink, job, json, sum, topic, topicSink, tumbling } from 'tidemark'
interface Event { readonly user: string, readonly amount: number, readonly ts: number }
const totals = job('${name}', { version: '1', parallelism: ${partitions}, checkpointInterval: ${options.checkpointInterval ?? 1_000}, commitIntervalMax: 100 })
const keyed = totals.source('events', topic('${topics.input}', { value: json<Event>(), timestamp: (event) => event.ts, outOfOrderness: 0, idleAfter: ${options.idleAfter ?? 5_000} }))
  ${options.between ?? ''}
  .keyBy((event) => event.user, { copartitioned: ${options.copartitioned} })
const running = keyed.aggregate('running', { count: count(), sum: sum((event) => event.amount) }, { emit: 'updates' })
running.sink('running', topicSink('${topics.running}', { value: json() }))
${folder === '' ? '' : `running.sink('files', fileSink(${JSON.stringify(folder)}))`}
keyed.window(tumbling('10s', { allowedLateness: '1s' }))
  .aggregate('windows', { count: count(), sum: sum((event) => event.amount) })
  .sink('windows', topicSink('${topics.windows}', { value: json() }))
export default totals
`)
  return {
    name, file, ...topics, deadLetters: `${name}.dead-letters`, folder,
    createTopics: (log) => log.createTopics(Object.values(topics).map((topic) => ({ topic, partitions, config: { 'retention.ms': '-1' } }))),
    remove: async (log) => {
      rmSync(file, { force: true })
      const all = await log.listTopics()
      await log.deleteTopics(all.filter((topic) => topic.startsWith(`${name}.`) || topic.startsWith(`tidemark.${name}.`)))
    },
  }
}
