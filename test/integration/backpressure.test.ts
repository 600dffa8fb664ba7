// A reader of a shuffle that is slower than its writers, on a real cluster: what lies between them stays bounded, and nothing is lost by it.
import { writeFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { Cluster } from '../cluster/cluster.ts'
import { Output } from '../cluster/output.ts'
import { generatedFolder } from '../services/run-folder.ts'

const RECORDS = 12_000
const RECORD_BYTES = 8_192
const USERS = 10
const MIB = 1024 * 1024
/** The bound, what the writer reads until it is told, and what it had queued then. Half of the input. */
const BACKLOG_BYTES_MAX = 48 * MIB

let cluster: Cluster | undefined
afterEach(() => cluster?.stop(), 60_000)

const slowJob = (name: string): string => {
  const file = join(generatedFolder(), `${name}.ts`)
  writeFileSync(file, `
import { count, job, json, sum, topic, topicSink } from 'tidemark'
interface Event { readonly user: string, readonly amount: number, readonly text: string }
const slowly = (amount: number): number => {
  for (const until = performance.now() + 0.7; performance.now() < until;);
  return amount
}
const slow = job('${name}', { version: '1', parallelism: 1, shuffleBacklogMax: '1MiB', checkpointInterval: 2_000, commitIntervalMax: 100 })
slow.source('events', topic('${name}.in', { value: json<Event>() })).keyBy((event) => event.user)
  .aggregate('totals', { count: count(), sum: sum((event) => slowly(event.amount)) }, { emit: 'updates' })
  .sink('out', topicSink('${name}.out', { value: json() }))
export default slow
`)
  return file
}

test('backpressure, a reader is slower than its writer → the writer is paused and goes on, again and again; the shuffle stays bounded, checkpoints are taken, the output is exact', async () => {
  const name = `slow-${randomUUID().slice(0, 8)}`
  cluster = await Cluster.start({ executors: 2 })
  const { log, jobs } = cluster
  await log.createTopics(['in', 'out'].map((one) => ({ topic: `${name}.${one}`, partitions: 1 })))
  const text = 'x'.repeat(RECORD_BYTES)
  for (let from = 0; from < RECORDS; from += 500) {
    await log.write([{ topic: `${name}.in`, partition: 0, records: Array.from({ length: 500 }, (_, i) => ({ key: null, value: JSON.stringify({ user: `u${(from + i) % USERS}`, amount: 1, text }) })) }])
  }
  await cluster.submit(slowJob(name))
  const output = new Output<{ readonly key: string, readonly count: number, readonly sum: number }>(log, `${name}.out`)
  let most = 0
  let pausedSeen = ''
  const times = (event: string): number => cluster?.driver?.lines.filter((line) => line.event === event).length ?? 0
  for (const began = realClock.monotonic(); (await output.read()).length < RECORDS;) {
    if (realClock.monotonic() - began > 240_000) throw new Error(`${output.records.length} of ${RECORDS} after 240 s`)
    const { tasks } = await jobs.describe(name)
    most = Math.max(most, ...tasks.flatMap(({ inputs }) => inputs.flatMap(({ behindBytes }) => behindBytes ?? [])))
    pausedSeen ||= tasks.find(({ stage, waitingFor }) => stage === 's0' && waitingFor?.startsWith('paused'))?.waitingFor ?? ''
    await realClock.sleep(100)
  }
  expect(pausedSeen).toMatch(/^paused: shuffle \S+ is \d+ MiB behind$/)
  const [paused, resumed] = [times('shuffle.paused'), times('shuffle.resumed')]
  console.log(`paused ${paused} times, resumed ${resumed} times; at most ${Math.round(most / MIB)} MiB behind`)
  expect(paused).toBeGreaterThan(1)
  expect(resumed).toBeGreaterThanOrEqual(paused - 1)
  expect(most).toBeGreaterThan(MIB)
  expect(most).toBeLessThan(BACKLOG_BYTES_MAX)
  expect(output.records).toHaveLength(RECORDS)
  const last = new Map(output.values().map(({ key, count, sum }) => [key, [count, sum]]))
  expect([...last.values()]).toEqual(Array.from({ length: USERS }, () => [RECORDS / USERS, RECORDS / USERS]))
  expect((await jobs.describe(name)).checkpoints.length).toBeGreaterThan(0)
}, 300_000)
