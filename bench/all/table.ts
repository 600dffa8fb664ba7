// The figures of all workloads beside their goals, as a table for people.
import { median } from '../recovery/silence.ts'

/** A figure of one run: the JSON line of its workload. */
export type Line = Readonly<Record<string, unknown>>

export interface RowSpec {
  readonly figure: string
  /** Name of the part of `all` that it is from. */
  readonly part: string
  readonly unit: string
  /** At least this, or at most this. */
  readonly goal: { readonly atLeast: number } | { readonly atMost: number }
  readonly value: (line: Line) => number
  /** What the raw client, which keeps no state and commits nothing, had in the same run. */
  readonly raw?: (line: Line) => number
}

export interface Row {
  readonly figure: string
  readonly unit: string
  readonly measured: number
  readonly least: number
  readonly most: number
  readonly goal: RowSpec['goal']
  readonly reached: boolean
  /** Of the raw client's: below 1 is slower for rates; above 1 is more for times. */
  readonly rawRatio: number | null
}

const number = (name: string) => (line: Line): number => Number(line[name])

const ROWS: readonly RowSpec[] = [
  { figure: 'windowed, one slot', part: 'windowed 1', unit: 'events/s', goal: { atLeast: 120_000 }, value: number('eventsPerSecond'), raw: number('rawEventsPerSecond') },
  { figure: 'windowed, two slots', part: 'windowed 2', unit: 'events/s', goal: { atLeast: 180_000 }, value: number('eventsPerSecond'), raw: number('rawEventsPerSecond') },
  { figure: 'windowed, one slot, CPU of a million events', part: 'windowed 1', unit: 's', goal: { atMost: 9 }, value: number('cpuSecondsPerMillion'), raw: number('rawCpuSecondsPerMillion') },
  { figure: 'running, two slots', part: 'running 2', unit: 'events/s', goal: { atLeast: 120_000 }, value: number('eventsPerSecond'), raw: number('rawEventsPerSecond') },
  { figure: 'latency at 5,000 events/s, half within', part: 'latency', unit: 'ms', goal: { atMost: 25 }, value: number('p50Ms'), raw: number('floorP50Ms') },
  { figure: 'latency at 5,000 events/s, 99 % within', part: 'latency', unit: 'ms', goal: { atMost: 80 }, value: number('p99Ms'), raw: number('floorP99Ms') },
  { figure: 'silence after a kill, 100,000 keys, half within', part: 'recovery', unit: 'ms', goal: { atMost: 300 }, value: number('p50Ms') },
  { figure: 'silence after a kill, 100,000 keys, worst', part: 'recovery', unit: 'ms', goal: { atMost: 600 }, value: number('worstMs') },
  { figure: 'the survivor\'s own partitions meanwhile, worst', part: 'recovery', unit: 'ms', goal: { atMost: 100 }, value: number('survivorGapMs') },
  { figure: 'memory, 1,000,000 keys, executor and slot', part: 'memory', unit: 'MB', goal: { atMost: 800 }, value: number('rssMb') },
  { figure: 'the same, highest with snapshots and backlog', part: 'memory', unit: 'MB', goal: { atMost: 800 }, value: number('peakRssMb') },
]

const short = (value: number): number => Number(value.toFixed(Math.abs(value) >= 100 ? 0 : 2))

export const rowsOf = (lines: ReadonlyMap<string, readonly Line[]>): Row[] => ROWS.flatMap(({ figure, part, unit, goal, value, raw }): Row[] => {
  const runs = lines.get(part) ?? []
  if (runs.length === 0) return []
  const values = runs.map(value)
  const measured = short(median(values))
  const rawRatio = raw === undefined ? null : Number(median(runs.map((line) => value(line) / raw(line))).toFixed(2))
  return [{ figure, unit, measured, least: Math.min(...values), most: Math.max(...values), goal, reached: 'atLeast' in goal ? measured >= goal.atLeast : measured <= goal.atMost, rawRatio }]
})

const words = (value: number): string => value.toLocaleString('en-US')

/** Markdown. */
export const tableOf = (rows: readonly Row[], runs: number): string => {
  const cells = [
    ['figure', runs === 1 ? 'measured' : `measured, median of ${runs}`, ...runs === 1 ? [] : ['from - to'], 'goal', 'reached', 'to the raw client, same run'],
    ...rows.map(({ figure, unit, measured, least, most, goal, reached, rawRatio }) => [
      figure, `${words(measured)} ${unit}`, ...runs === 1 ? [] : [`${words(least)} - ${words(most)}`], 'atLeast' in goal ? `≥ ${words(goal.atLeast)} ${unit}` : `≤ ${words(goal.atMost)} ${unit}`, reached ? 'yes' : 'no', rawRatio === null ? '-' : `${rawRatio} times`,
    ]),
  ]
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ?? []
  const line = (row: readonly string[]): string => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |\n`
  const [head = [], ...body] = cells
  return `${line(head)}${line(widths.map((width) => '-'.repeat(width)))}${body.map(line).join('')}`
}
