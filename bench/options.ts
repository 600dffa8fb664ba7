// The command line of the benchmarks.
import { parseArgs } from 'node:util'

export const WORKLOADS = ['windowed', 'running', 'latency', 'recovery', 'memory', 'all'] as const
export type Workload = (typeof WORKLOADS)[number]

export interface BenchOptions {
  readonly workload: Workload
  readonly log: 'local' | 'kafka'
  /** Nothing but the JSON line. */
  readonly json: boolean
  /** Slot processes of one executor. */
  readonly slots: number
  /** Preloaded events. */
  readonly events: number
  readonly kills: number
  /** latency, memory: how long is measured. */
  readonly seconds: number
  /** latency, recovery, memory: events a second. */
  readonly rate: number
  /** all: times that each is run; its figures are medians. */
  readonly runs: number
  /** recovery: what happens to whom. */
  readonly how: 'kill' | 'drain' | 'driver'
  readonly seed: number
  /** all: what its parts are told too, as it was given. */
  readonly passedOn: readonly string[]
}

export const USAGE = `usage: npm run bench -- windowed|running|latency|recovery|memory|all [options]

  windowed   preloaded events, count and sum of each user in windows of 10 s: events a second from the first record read to the last commit
  running    the same events, count and sum of each user so far, one result for each event
  latency    5,000 events a second, one result each: from just before an event is sent until another program that reads committed records has its result
  recovery   5,000 events a second, two executors, one of them killed again and again: how long its partitions are silent
  memory     the state of 1,000,000 users, 5,000 events a second and snapshots: what an executor and its slots take
  all        windowed with one slot and with two, running with two, latency, recovery, memory; a table of the figures beside the goals

  --log kafka|local   real Kafka, MinIO and Redis, started for this run; or the embedded log. Default: kafka
  --slots N           slot processes of an executor. Default: 1
  --events N          preloaded events. Default: windowed and running 2000000, latency and recovery 500000, memory 1000000
  --seconds N         latency, memory: how long is measured, at least. Default: 60
  --rate N            latency, recovery, memory: events a second. Default: 5000
  --kills N           recovery: executors killed. Default: 10
  --how kill|drain|driver   recovery: SIGKILL of an executor with its slots, SIGTERM of it, or SIGKILL of the driver. Default: kill
  --runs N            all: times that each is run; the figures are medians. Default: 1
  --seed N            of the input. Default: 1
  --json              print only the JSON line
`

const EVENTS: Readonly<Record<Workload, number>> = { windowed: 2_000_000, running: 2_000_000, latency: 500_000, recovery: 500_000, memory: 1_000_000, all: 2_000_000 }
const PASSED_ON = ['log', 'events', 'seconds', 'rate', 'kills', 'seed'] as const

/** A sentence about a wrong command line. */
export class WrongUse extends Error {}

const whole = (name: string, text: string | undefined, fallback: number, min: number): number => {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < min) throw new WrongUse(`--${name} wants a whole number of at least ${min}, not "${text}"`)
  return value
}

export const readOptions = (args: readonly string[]): BenchOptions => {
  const { values, positionals } = parseArgs({
    args: [...args], allowPositionals: true,
    options: { log: { type: 'string' }, json: { type: 'boolean' }, slots: { type: 'string' }, events: { type: 'string' }, kills: { type: 'string' }, seed: { type: 'string' }, how: { type: 'string' }, seconds: { type: 'string' }, rate: { type: 'string' }, runs: { type: 'string' } },
  })
  const [workload, ...rest] = positionals
  const found = WORKLOADS.find((name) => name === workload)
  if (found === undefined || rest.length > 0) throw new WrongUse(workload === undefined ? 'say which workload' : `there is no workload "${positionals.join(' ')}"`)
  const log = values.log ?? 'kafka'
  if (log !== 'kafka' && log !== 'local') throw new WrongUse(`--log wants kafka or local, not "${log}"`)
  const how = values.how ?? 'kill'
  if (how !== 'kill' && how !== 'drain' && how !== 'driver') throw new WrongUse(`--how wants kill, drain or driver, not "${how}"`)
  return {
    how, workload: found, log, json: values.json ?? false, slots: whole('slots', values.slots, 1, 1), events: whole('events', values.events, EVENTS[found], 1),
    kills: whole('kills', values.kills, 10, 1), seed: whole('seed', values.seed, 1, 0), seconds: whole('seconds', values.seconds, 60, 1), rate: whole('rate', values.rate, 5_000, 1), runs: whole('runs', values.runs, 1, 1),
    passedOn: PASSED_ON.flatMap((name) => (values[name] === undefined ? [] : [`--${name}`, values[name]])),
  }
}
