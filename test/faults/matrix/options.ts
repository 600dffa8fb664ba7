// The command line of the fault matrix.
import { parseArgs } from 'node:util'

export interface MatrixOptions {
  readonly json: boolean
  readonly runs: number
  /** Names of faults, or the beginnings of them; empty: all. */
  readonly only: readonly string[]
  /** The job has a shuffle: two stages. */
  readonly shuffle: boolean
  readonly seed: number
  /** Input. */
  readonly perSecond: number
  /** How long what is called long lasts. */
  readonly longMs: number
}

export const USAGE = `usage: npm run faults -- [options]

Does one fault after the other to a cluster under load, on a Kafka, MinIO and Redis of its own, and prints what each cost. Exit codes: 0 all recovered by themselves,
nothing lost, nothing doubled; 1 not; 2 wrong use.

  --only NAME   only faults whose name begins so; may be given again
  --runs N      the whole matrix so many times. Default: 1
  --shuffle     the job has two stages and a shuffle between them. Default: one stage
  --rate N      events a second. Default: 2000
  --minutes N   how long "long" is in a fault's name; may be a fraction. Default: 0.5
  --seed N      of the input. Default: a fresh one, printed
  --json        print only JSON: one object
  --list        print the names and stop
`

const PER_SECOND = 2_000
const MINUTE_MS = 60_000
const LONG_MS = 30_000
/** A day. */
const LONG_MS_MAX = 24 * 60 * MINUTE_MS

/** A sentence about a wrong command line. */
export class WrongUse extends Error {}

const whole = (name: string, text: string | undefined, fallback: number, min: number): number => {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < min) throw new WrongUse(`--${name} wants a whole number of at least ${min}, not "${text}"`)
  return value
}

const minutes = (text: string | undefined): number => {
  if (text === undefined) return LONG_MS
  const value = Number(text) * MINUTE_MS
  if (!(value > 0 && value <= LONG_MS_MAX)) throw new WrongUse(`--minutes wants a number above 0, of at most ${LONG_MS_MAX / MINUTE_MS}, not "${text}"`)
  return value
}

export const readOptions = (args: readonly string[]): MatrixOptions | 'list' => {
  const { values } = parseArgs({
    args: [...args],
    options: { json: { type: 'boolean' }, list: { type: 'boolean' }, runs: { type: 'string' }, only: { type: 'string', multiple: true }, shuffle: { type: 'boolean' }, seed: { type: 'string' }, rate: { type: 'string' }, minutes: { type: 'string' } },
  })
  if (values.list === true) return 'list'
  return {
    json: values.json ?? false, runs: whole('runs', values.runs, 1, 1), only: values.only ?? [], shuffle: values.shuffle ?? false,
    perSecond: whole('rate', values.rate, PER_SECOND, 1), longMs: minutes(values.minutes), seed: whole('seed', values.seed, Math.floor(Math.random() * 2 ** 31), 0),
  }
}
