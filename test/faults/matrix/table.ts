// The matrix as a table for people: a row a fault, the worst of its times, one run beside the other.
import type { Figures } from './measure.ts'

export interface Row {
  readonly fault: string
  readonly what: string
  readonly run: number
  readonly figures: readonly Figures[]
  /** Why it was not done. */
  readonly skipped?: string
  /** Why it counts as not recovered, or what is wrong with the output. */
  readonly failed?: string
}

const worst = (figures: readonly Figures[], of: (one: Figures) => number | undefined): number | undefined => {
  const known = figures.flatMap((one) => of(one) ?? [])
  return known.length === 0 ? undefined : Math.max(...known)
}

const COLUMNS: readonly (readonly [string, (row: Row) => number | undefined])[] = [
  ['lasted ms', ({ figures }) => worst(figures, ({ lastedMs }) => lastedMs)],
  ['detection ms', ({ figures }) => worst(figures, ({ detectedMs }) => detectedMs)],
  ['recovery ms', ({ figures }) => worst(figures, ({ recoveredMs }) => recoveredMs)],
  ['longest gap ms', ({ figures }) => worst(figures, ({ gapMs }) => gapMs)],
  ['others\' gap ms', ({ figures }) => worst(figures, ({ othersGapMs }) => othersGapMs)],
  ['gap before ms', ({ figures }) => worst(figures, ({ beforeGapMs }) => beforeGapMs)],
  ['moved', ({ figures }) => worst(figures, ({ moved }) => moved)],
  ['lost', ({ figures }) => worst(figures, ({ verdict }) => verdict.lost)],
  ['doubled', ({ figures }) => worst(figures, ({ verdict }) => verdict.doubled)],
]

const cell = (rows: readonly Row[], of: (row: Row) => number | undefined): string => rows.map((row) => of(row)?.toString() ?? '-').join(' / ')

const titleOf = (rows: readonly Row[]): string => {
  const times = Math.max(...rows.map(({ figures }) => figures.length))
  return `${rows[0]?.fault ?? ''}${times > 1 ? ` × ${times}` : ''}`
}

const stateOf = (rows: readonly Row[]): string => rows.some(({ failed }) => failed !== undefined) ? 'FAILED' : rows.some(({ skipped }) => skipped !== undefined) ? 'skipped' : 'by itself'

/** Of all runs; cells of several runs are `first / second / …`. */
export const table = (rows: readonly Row[]): string => {
  const byFault = [...Map.groupBy(rows, ({ fault }) => fault).values()]
  const lines = [['fault', ...COLUMNS.map(([title]) => title), 'recovered'], ...byFault.map((of) => [titleOf(of), ...COLUMNS.map(([, value]) => cell(of, value)), stateOf(of)])]
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  const print = (line: readonly string[]): string => `| ${line.map((text, column) => column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = lines
  const notes = rows.flatMap(({ fault, run, figures, skipped, failed }) => [
    ...skipped === undefined ? [] : [`${fault}: skipped: ${skipped}`],
    ...failed === undefined ? [] : [`${fault}, run ${run}: FAILED: ${failed}`],
    ...new Set(figures.flatMap(({ note }) => note === undefined ? [] : [`${fault}: ${note}`])),
  ])
  return [print(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body.map(print), '', ...new Set(notes)].join('\n')
}
