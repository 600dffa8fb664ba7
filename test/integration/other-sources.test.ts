// Sources that are not topics, through a kill: NDJSON files and generators.
import { afterEach, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import { Cluster } from '../cluster/cluster.ts'
import { Output } from '../cluster/output.ts'
import { generatedFolder } from '../services/run-folder.ts'
import { checkRunningTotals } from '../workload/oracle.ts'
import type { Event } from '../workload/events.ts'
import type { RunningTotal } from '../workload/oracle.ts'

const EVENTS = 6_000

let cluster: Cluster | undefined
let data: string | undefined
afterEach(async () => {
  await cluster?.stop()
  if (data !== undefined) rmSync(data, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
}, 60_000)

const event = (n: number): Event => ({ user: `u${n % 40}`, amount: 1 + (n % 9), ts: 1_700_000_000_000 + n })

const source = {
  files: (folder: string): string => `files([${[0, 1].map((n) => JSON.stringify(join(folder, `part-${n}.ndjson`))).join(', ')}], { value: json<Event>(), timestamp: (event) => event.ts })`,
  generator: (): string => `generator({ partitions: 2, count: ${EVENTS / 2}, perSecond: 3_000, timestamp: (event: Event) => event.ts, make: (partition, sequence): Event => { const n = sequence * 2 + partition; return { user: 'u' + (n % 40), amount: 1 + (n % 9), ts: 1_700_000_000_000 + n } } })`,
}

const jobFile = (name: string, from: string): string => {
  const file = join(generatedFolder(), `${name}.ts`)
  writeFileSync(file, `
import { count, files, generator, job, json, sum, topicSink } from 'tidemark'
interface Event { readonly user: string, readonly amount: number, readonly ts: number }
void files; void generator
export default job('${name}', { version: '1', parallelism: 2, checkpointInterval: 500, commitIntervalMax: 50 })
  .source('events', ${from})
  .keyBy((event) => event.user)
  .aggregate('running', { count: count(), sum: sum((event) => event.amount) }, { emit: 'updates' })
  .sink('running', topicSink('${name}.running', { value: json() }))
`)
  return file
}
const lines = (from: number, to: number): string => Array.from({ length: to - from }, (_, n) => `${JSON.stringify(event(from + n))}\n`).join('')

test.each(['files', 'generator'] as const)('sources, %s: read to the end through a kill → every record counted once', async (kind) => {
  data = mkdtempSync(join(tmpdir(), 'tidemark-source-'))
  const name = `src-${randomUUID().slice(0, 8)}`
  const all = Array.from({ length: EVENTS }, (_, n) => event(n))
  for (const part of [0, 1]) writeFileSync(join(data, `part-${part}.ndjson`), all.filter((_, n) => n % 2 === part).map((one) => `${JSON.stringify(one)}\n`).join(''))
  const file = jobFile(name, source[kind](data))
  cluster = await Cluster.start({ executors: 2 })
  const running = new Output<RunningTotal>(cluster.log, `${name}.running`)
  try {
    await cluster.log.createTopics([{ topic: `${name}.running`, partitions: 2, config: { 'retention.ms': '-1' } }])
    await cluster.submit(file)
    while ((await running.read()).length < 200) await realClock.sleep(5)
    await (await cluster.owners(name))[0]?.kill()
    cluster.startExecutor()
    await cluster.allRunning(name)
    for (const began = realClock.monotonic(); (await running.read()).length < EVENTS;) {
      if (realClock.monotonic() - began > 40_000) throw new Error(`only ${running.records.length} of ${EVENTS}\n${cluster.story()}`)
      await realClock.sleep(20)
    }
    await realClock.sleep(200)
    await running.read()
    expect(checkRunningTotals(all, running.values())).toEqual([])
  } finally {
    rmSync(file, { force: true })
  }
}, 90_000)

test.each([
  ['written anew and longer', lines(1_000, 1_100), 'TASK_SOURCE_CHANGED', /part-0\.ndjson holds another record at line 39 than the one that was read there: the file was made anew/],
  ['written anew and shorter', lines(1_000, 1_010), 'TASK_SOURCE_GONE', /holds offsets 0 to 10, .* is at 40: the file was made anew/],
  ['moved away and back, and grown', lines(0, 60), undefined, /^$/],
] as const)('sources, a file that is %s between two owners → the job stops and nothing of the new one is taken for the old; the same one is read on', async (_, content, code, message) => {
  const folder = data = mkdtempSync(join(tmpdir(), 'tidemark-source-'))
  const [part0, part1] = [0, 1].map((n) => join(folder, `part-${n}.ndjson`)) as [string, string]
  writeFileSync(part0, lines(0, 40))
  writeFileSync(part1, '')
  const name = `src-${randomUUID().slice(0, 8)}`
  const file = jobFile(name, source.files(folder))
  const running = cluster = await Cluster.start({ executors: 1, slots: 2 })
  const output = new Output<RunningTotal>(running.log, `${name}.running`)
  const outputs = async (wanted: number): Promise<void> => {
    for (const began = realClock.monotonic(); (await output.read()).length < wanted;) {
      if (realClock.monotonic() - began > 30_000) throw new Error(`only ${output.records.length} of ${wanted}\n${running.story()}`)
      await realClock.sleep(20)
    }
  }
  try {
    await running.log.createTopics([{ topic: `${name}.running`, partitions: 2, config: { 'retention.ms': '-1' } }])
    await running.submit(file)
    await outputs(40)
    await running.executors[0]?.kill()
    rmSync(part0)
    writeFileSync(part0, content)
    running.startExecutor()
    if (code === undefined) {
      await outputs(60)
      expect(checkRunningTotals(Array.from({ length: 60 }, (_each, n) => event(n)), output.values())).toEqual([])
    } else {
      const { error } = await running.until(name, ({ summary }) => summary.state === 'failed', 'the job stopped')
      expect(error).toMatchObject({ code, blame: 'user', action: 'fail-job', message: expect.stringMatching(message) })
      expect(await output.read()).toHaveLength(40)
    }
  } finally {
    rmSync(file, { force: true })
  }
}, 90_000)
