// Records that can't be read, or that user code throws at, are set aside with everything needed to find and repeat them; the rest is exact.
import { afterEach, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import type { LogRecord } from '@tidemark/base'
import { Cluster } from '../cluster/cluster.ts'
import { testJob } from '../cluster/jobs.ts'
import type { TestJob } from '../cluster/jobs.ts'
import { Output } from '../cluster/output.ts'
import type { RunningTotal } from '../workload/oracle.ts'

let cluster: Cluster | undefined
let job: TestJob | undefined
afterEach(async () => {
  if (cluster !== undefined) await job?.remove(cluster.log)
  await cluster?.stop()
  cluster = undefined
}, 60_000)

const letters = async (log: Cluster['log'], topic: string): Promise<LogRecord[]> => {
  const reader = log.reader()
  const found: LogRecord[] = []
  for (const { partition, start, stable } of await log.offsets(topic)) {
    for (let offset = start; offset < stable;) {
      const [fetched] = await reader.fetch([{ topic, partition, offset, maxBytes: 1 << 20 }], { isolation: 'committed', maxWaitMs: 100 })
      if (fetched === undefined) break
      found.push(...fetched.records)
      offset = fetched.nextOffset
    }
  }
  await reader.close()
  return found
}

test('dead letters: malformed JSON and a function that throws → set aside with position, error, key, payload and headers; the rest is exact, through a kill', async () => {
  cluster = await Cluster.start({ executors: 2 })
  job = testJob({ copartitioned: true, partitions: 2, between: '.map((event) => { if (event.amount < 0) throw new Error(`amount ${event.amount} is negative`); return event })' })
  const { log } = cluster
  await job.createTopics(log)
  await cluster.submit(job.file)
  await cluster.allRunning(job.name)
  const { input } = job
  const partition = log.partitionFor(Buffer.from('ann'), 2)
  const write = (value: string): Promise<unknown> => log.write([{ topic: input, partition, records: [{ key: 'ann', value, headers: { trace: 'abc' } }] }])
  const event = (amount: number): string => JSON.stringify({ user: 'ann', amount, ts: 1_700_000_000_000 })
  for (const value of [event(1), '{"user":"ann",', event(2), event(-5), event(3)]) await write(value)
  const running = new Output<RunningTotal>(log, job.running)
  const { deadLetters } = job
  while ((await running.read()).length < 3 || (await letters(log, deadLetters)).length < 2) await realClock.sleep(20)
  await (await cluster.owners(job.name))[0]?.kill()
  cluster.startExecutor()
  await cluster.allRunning(job.name)
  for (const value of ['not json at all', event(4)]) await write(value)
  while ((await running.read()).length < 4 || (await letters(log, deadLetters)).length < 3) await realClock.sleep(20)

  expect(running.values().map(({ count, sum }) => [count, sum])).toEqual([[1, 1], [2, 3], [3, 6], [4, 10]])
  const found = await letters(log, deadLetters)
  expect(found.map(({ key, value }) => [key?.toString(), value?.toString()])).toEqual([['ann', '{"user":"ann",'], ['ann', event(-5)], ['ann', 'not json at all']])
  const texts = found.map(({ headers }) => Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, value.toString()])))
  expect(texts.map((text) => [text['tidemark-source-topic'], text['tidemark-source-partition'], text['tidemark-source-offset'], text['tidemark-code'], text['trace']])).toEqual([
    [input, String(partition), '1', 'JOB_DECODE', 'abc'], [input, String(partition), '3', 'TASK_USER_ERROR', 'abc'], [input, String(partition), '5', 'JOB_DECODE', 'abc'],
  ])
  expect(texts[1]?.['tidemark-error']).toMatch(/amount -5 is negative/)
  await cluster.until(job.name, ({ tasks }) => tasks.reduce((sum, task) => sum + (task.totals['deadLettered'] ?? 0), 0) === 3, 'three dead letters in the books')
}, 90_000)
