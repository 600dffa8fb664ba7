// Every kind of record that can't be used, among good ones: each is set aside with its code, and what is good is counted as if they had not been there.
import { afterEach, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import type { LogRecord } from '@tidemark/base'
import { Cluster } from '../../cluster/cluster.ts'
import { jobFile } from '../promises/job-file.ts'
import type { JobFile } from '../promises/job-file.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND

let cluster: Cluster | undefined
let job: JobFile | undefined
afterEach(async () => {
  if (cluster !== undefined) await job?.remove(cluster.log)
  await cluster?.stop()
  cluster = undefined
}, 60_000)

const text = (name: string): string => `
interface Sale { readonly user: string, readonly amount: number, readonly ts?: number, readonly note?: string }
const sale = { '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => (typeof value === 'object' && value !== null && 'amount' in value && typeof value.amount === 'number' ? { value: value as Sale } : { issues: [{ message: 'a number is wanted', path: ['amount'] }] }) } }
const totals = job('${name}', { version: '1', parallelism: 1, futureTimestampBound: '10m', commitIntervalMax: 50 })
const sales = totals.source('sales', topic('${name}.sales', { value: json<Sale>(sale), timestamp: (one) => one.ts as number, outOfOrderness: 0 }))
  .map((one) => { if (one.amount < 0) throw new Error('amount ' + one.amount + ' is negative'); return one })
  .keyBy((one) => one.user)
sales.window(tumbling('10s')).aggregate('windows', { count: count(), sum: sum((one) => one.amount) }).sink('windows', topicSink('${name}.windows', { value: json() }))
sales.process<string, { notes: string }>('notes', { state: () => ({ notes: '' }), onRecord(ctx, one) { ctx.state.set({ notes: one.note ?? '' }); ctx.emit(ctx.key) } }).sink('notes', topicSink('${name}.notes', { value: json() }))
export default totals`

const all = async (log: Cluster['log'], topic: string): Promise<LogRecord[]> => {
  const reader = log.reader()
  const found: LogRecord[] = []
  for (const { partition, start, stable } of await log.offsets(topic)) {
    for (let offset = start; offset < stable;) {
      const [fetched] = await reader.fetch([{ topic, partition, offset, maxBytes: 8 << 20 }], { isolation: 'committed', maxWaitMs: 100 })
      if (fetched === undefined) break
      found.push(...fetched.records)
      offset = fetched.nextOffset
    }
  }
  await reader.close()
  return found
}

test('malformed JSON, wrong schema, no timestamp, a timestamp far in the future, a function that throws, a value too large for a record → set aside, each with its code; windows close when they should, nothing is late', async () => {
  cluster = await Cluster.start({ executors: 1 })
  const { log } = cluster
  job = jobFile(['windows', 'notes'], 1, text)
  const { name } = job
  await job.createTopics(log)
  const large = { 'max.message.bytes': String(8 << 20), 'retention.ms': '-1' }
  await log.createTopics([{ topic: job.topic('sales'), partitions: 1, config: large }, { topic: job.topic('dead-letters'), partitions: 1, config: large }])
  await cluster.submit(job.file)
  await cluster.allRunning(name)

  const start = Math.floor((realClock.now() - 5 * MINUTE) / (10 * SECOND)) * 10 * SECOND
  const sale = (ts: number | undefined, more: object = {}): string => JSON.stringify({ user: 'ann', amount: 1, ts, ...more })
  const bad: readonly (readonly [code: string, value: string])[] = [
    ['JOB_DECODE', '{"user":"ann",'],
    ['JOB_SCHEMA', JSON.stringify({ user: 'ann', amount: 'one', ts: start })],
    ['TASK_TIMESTAMP_INVALID', sale(undefined)],
    ['TASK_TIMESTAMP_FUTURE', sale(realClock.now() + 11 * MINUTE)],
    ['TASK_TIMESTAMP_FUTURE', sale(realClock.now() + 10 * 365 * 24 * 60 * MINUTE)],
    ['TASK_USER_ERROR', sale(start, { amount: -5 })],
    ['TASK_VALUE_TOO_LARGE', sale(start, { note: 'x'.repeat(901 * 1024) })],
    ['TASK_VALUE_TOO_LARGE', sale(start, { note: 'x'.repeat(3 << 20) })],
  ]
  const good = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((second) => sale(start + second * SECOND))
  for (const [i, value] of good.entries()) {
    await log.write([{ topic: job.topic('sales'), partition: 0, records: [value, ...bad[i] === undefined ? [] : [bad[i][1]]].map((one) => ({ key: 'ann', value: one })) }])
  }
  // It closes the window of all of them.
  await log.write([{ topic: job.topic('sales'), partition: 0, records: [{ key: 'ann', value: sale(start + 12 * SECOND) }] }])
  const { tasks } = await cluster.until(name, ({ tasks: found }) => found.reduce((sum, { totals }) => sum + (totals['deadLettered'] ?? 0), 0) === bad.length && found.some(({ stage, watermark }) => stage === 's1' && watermark === start + 12 * SECOND), 'all of it processed')

  const letters = await all(log, job.topic('dead-letters'))
  expect(letters.map(({ headers }) => headers?.['tidemark-code']?.toString()).toSorted()).toEqual(bad.map(([code]) => code).toSorted())
  for (const [code, value] of bad) if (code.startsWith('JOB_') || code.startsWith('TASK_TIMESTAMP')) expect(letters.map((letter) => letter.value?.toString())).toContain(value)
  const windows = (await all(log, job.topic('windows'))).map(({ value }) => JSON.parse(value?.toString() ?? '') as unknown)
  expect(windows).toEqual([{ key: 'ann', window: { start, end: start + 10 * SECOND }, count: good.length, sum: good.length }])
  expect(await all(log, job.topic('notes'))).toHaveLength(good.length + 1)
  expect(tasks.reduce((sum, { totals }) => sum + (totals['late'] ?? 0), 0)).toBe(0)
  expect(await cluster.audit(name)).toEqual([])
}, 90_000)
