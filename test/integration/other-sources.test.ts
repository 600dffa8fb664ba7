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

test.each(['files', 'generator'] as const)('sources, %s: read to the end through a kill → every record counted once', async (kind) => {
  data = mkdtempSync(join(tmpdir(), 'tidemark-source-'))
  const name = `src-${randomUUID().slice(0, 8)}`
  const all = Array.from({ length: EVENTS }, (_, n) => event(n))
  for (const part of [0, 1]) writeFileSync(join(data, `part-${part}.ndjson`), all.filter((_, n) => n % 2 === part).map((one) => `${JSON.stringify(one)}\n`).join(''))
  const file = join(generatedFolder(), `${name}.ts`)
  writeFileSync(file, `
import { count, files, generator, job, json, sum, topicSink } from 'tidemark'
interface Event { readonly user: string, readonly amount: number, readonly ts: number }
void files; void generator
export default job('${name}', { version: '1', parallelism: 2, checkpointInterval: 500, commitIntervalMax: 50 })
  .source('events', ${source[kind](data)})
  .keyBy((event) => event.user)
  .aggregate('running', { count: count(), sum: sum((event) => event.amount) }, { emit: 'updates' })
  .sink('running', topicSink('${name}.running', { value: json() }))
`)
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
