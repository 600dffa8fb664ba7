// Micro benchmark of a task alone: operators, state, encoding, undo log, books. No log, no slot. Run: node packages/runtime/bench/task.ts [events] [job]
import { crc32 } from 'node:zlib'
import { jobId, realClock, stageId } from '@tidemark/base'
import type { LogRecord } from '@tidemark/base'
import { count, cutStages, job, jobFunctions, json, stagePartitions, sum, topic, topicSink, tumbling } from 'tidemark'
import type { Job } from 'tidemark'
import { createTask } from '../src/task/create-task.ts'

interface Payment {
  readonly user: string
  readonly amount: number
  readonly ts: number
}

const payments = () => topic('in', { value: json<Payment>(), timestamp: (payment: Payment) => payment.ts })

const JOBS: Readonly<Record<string, () => Job>> = {
  windowed: () => job('windowed').source('in', payments()).keyBy((payment) => payment.user, { copartitioned: true })
    .window(tumbling('10s', { allowedLateness: '1s' })).aggregate('totals', { count: count(), sum: sum((payment) => payment.amount) }, { emit: 'final' }).sink('out', topicSink('out', { value: json() })),
  running: () => job('running').source('in', payments()).keyBy((payment) => payment.user, { copartitioned: true })
    .aggregate('totals', { count: count(), sum: sum((payment) => payment.amount) }, { emit: 'updates' }).sink('out', topicSink('out', { value: json() })),
  shuffle: () => job('shuffle').source('in', payments()).keyBy((payment) => payment.user)
    .aggregate('totals', { count: count(), sum: sum((payment) => payment.amount) }, { emit: 'updates' }).sink('out', topicSink('out', { value: json() })),
  process: () => job('process').source('in', payments()).keyBy((payment) => payment.user, { copartitioned: true })
    .process<{ user: string, total: number }, { total: number, at: number }>('totals', {
      state: () => ({ total: 0, at: 0 }),
      onRecord(ctx, payment) {
        const state = ctx.state.get()
        if (state.at === 0) ctx.timers.set(ctx.timestamp + 60_000)
        ctx.state.set({ total: state.total + payment.amount, at: ctx.timestamp })
      },
      onTimer(ctx) {
        ctx.emit({ user: String(ctx.key), total: ctx.state.get().total })
        ctx.state.delete()
      },
    }).sink('out', topicSink('out', { value: json() })),
}

const EVENTS = Number(process.argv[2] ?? 1_000_000)
const USERS = 100_000
const FETCHED = 5_000
const BATCH_MS = 100

/** mulberry32. */
const random = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
}

const run = (name: string, built: Job): void => {
  const plan = built.plan()
  const physical = cutStages(plan)
  const counts = stagePartitions(plan, physical, () => 1)
  const task = createTask({
    ref: { job: jobId(name), run: 1, stage: stageId(0), partition: 0 }, plan, physical, functions: jobFunctions(built), clock: realClock, partitionFor: (key, partitions) => crc32(key) % partitions,
    topics: new Map([['out', { partitions: 4 }], [plan.settings.deadLetterTopic, { partitions: 1 }]]),
    run: {
      stages: [{ stage: stageId(0), partitions: 1, inputs: [{ input: 'n0', kind: 'topic', topic: 'in', partitions: 1 }] }],
      shuffles: physical.stages.flatMap((stage) => stage.shuffles.map(({ shuffle, to }) => ({ shuffle, from: stageId(0), to: stageId(1), topic: shuffle, partitions: counts.get(to) ?? 1 }))),
    },
  })
  const next = random(7)
  const start = 1_700_000_000_000
  const spent = { make: 0, offer: 0, work: 0, freeze: 0, committed: 0 }
  let [batches, outputs, stateBytes] = [0, 0, 0]
  // Processor time, so that a busy machine does not count.
  const timed = <T>(what: keyof typeof spent, body: () => T): T => {
    const before = process.cpuUsage()
    const result = body()
    const { user, system } = process.cpuUsage(before)
    spent[what] += (user + system) / 1_000
    return result
  }
  const recordAt = (offset: number): LogRecord => {
    const user = `u${Math.floor(next() * USERS)}`
    const ts = start + offset
    return { offset, timestamp: ts, key: Buffer.from(user), value: Buffer.from(`{"user":"${user}","amount":${Math.floor(next() * 100)},"ts":${ts}}`) }
  }
  for (let from = 0; from < EVENTS; from += FETCHED) {
    const records = timed('make', () => Array.from({ length: FETCHED }, (_, i) => recordAt(from + i)))
    timed('offer', () => task.offer('n0', { topic: 'in', partition: 0, fromOffset: from, records, nextOffset: from + FETCHED, startOffset: 0, stableOffset: EVENTS }))
    for (;;) {
      const { more } = timed('work', () => task.work({ workMs: BATCH_MS, outputBytesMax: 16 << 20, stateBytesMax: 16 << 20 }, start + from))
      if (task.failure !== undefined) throw task.failure
      const frozen = timed('freeze', () => task.freeze())
      for (const append of frozen.appends) outputs += append.records.length
      stateBytes += frozen.content.state.length
      timed('committed', () => task.committed())
      batches += 1
      if (!more) break
    }
  }
  const ms = spent.offer + spent.work + spent.freeze + spent.committed
  const share = Object.entries(spent).filter(([what]) => what !== 'make').map(([what, each]) => `${what} ${Math.round(each / ms * 100)} %`).join(', ')
  process.stdout.write(`${name}: ${Math.round(EVENTS / ms * 1_000).toLocaleString('en')} events/s of processor time; ${share}; ${batches} batches, ${outputs} records out, ${Math.round(stateBytes / EVENTS)} state bytes an event, ${task.stateKeys} keys, heap ${Math.round(process.memoryUsage().heapUsed / 2 ** 20)} MiB\n`)
}

const only = process.argv[3]
for (const [name, make] of Object.entries(JOBS)) if (only === undefined || only === name) run(name, make())
