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
}

export const USAGE = `usage: npm run faults -- [options]

Does one fault after the other to a cluster under load, on a Kafka, MinIO and Redis of its own, and prints what each cost. Exit codes: 0 all recovered by themselves,
nothing lost, nothing doubled; 1 not; 2 wrong use.

  --only NAME   only faults whose name begins so; may be given again
  --runs N      the whole matrix so many times. Default: 1
  --shuffle     the job has two stages and a shuffle between them. Default: one stage
  --seed N      of the input. Default: a fresh one, printed
  --json        print only JSON: one object
  --list        print the names and stop
`

/** A sentence about a wrong command line. */
export class WrongUse extends Error {}

const whole = (name: string, text: string | undefined, fallback: number, min: number): number => {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < min) throw new WrongUse(`--${name} wants a whole number of at least ${min}, not "${text}"`)
  return value
}

export const readOptions = (args: readonly string[]): MatrixOptions | 'list' => {
  const { values } = parseArgs({
    args: [...args],
    options: { json: { type: 'boolean' }, list: { type: 'boolean' }, runs: { type: 'string' }, only: { type: 'string', multiple: true }, shuffle: { type: 'boolean' }, seed: { type: 'string' } },
  })
  if (values.list === true) return 'list'
  return {
    json: values.json ?? false, runs: whole('runs', values.runs, 1, 1), only: values.only ?? [], shuffle: values.shuffle ?? false,
    seed: whole('seed', values.seed, Math.floor(Math.random() * 2 ** 31), 0),
  }
}
