// The demo's last word: what went in, what came out, what was lost, and how to go on from there.
import { isCompiled } from '@tidemark/base'
import { facts, table } from '../format/table.ts'
import { number, plural } from '../format/values.ts'
import type { Paint } from '../terminal.ts'
import type { Verdict } from './check.ts'
import type { Recovery } from './kill.ts'

export interface DemoResult {
  readonly seed: number
  readonly eventsIn: number
  readonly totals: Verdict
  readonly sales: Verdict
  readonly recoveries: readonly Recovery[]
}

export interface DemoSums {
  readonly results: number
  readonly lost: number
  readonly doubled: number
  readonly wrong: number
  readonly exact: boolean
}

export const sumsOf = ({ totals, sales }: DemoResult): DemoSums => {
  const [results, lost, doubled, wrong] = [totals.found + sales.found, totals.lost + sales.lost, totals.doubled + sales.doubled, totals.wrong + sales.wrong]
  // A check of nothing proves nothing.
  return { results, lost, doubled, wrong, exact: lost + doubled + wrong === 0 && totals.found > 0 && sales.found > 0 }
}

/** What `--json` prints, in one line. */
export type DemoAnswer = DemoResult & DemoSums

export const answerOf = (result: DemoResult): DemoAnswer => ({ ...result, ...sumsOf(result) })

export const reportLines = (result: DemoResult, paint: Paint): string[] => {
  const { eventsIn, totals, sales, recoveries, seed } = result
  const { results, lost, doubled, wrong, exact } = sumsOf(result)
  const count = (value: number): string => paint(value === 0 ? 'green' : 'red', number(value))
  const gaps = table(
    [{ title: 'killed' }, { title: 'tasks', align: 'right' }, { title: 'noticed', align: 'right' }, { title: 'all moved', align: 'right' }, { title: 'gap in its results', align: 'right' }, { title: "in the others'", align: 'right' }, { title: 'noticed by' }],
    recoveries.map((one) => [one.victim, String(one.tasks), `${one.detectedMs} ms`, `${one.recoveredMs} ms`, `${one.gapMs} ms`, `${one.othersGapMs} ms`, one.cause]),
  )
  return [
    '',
    ...facts([
      ['events in', number(eventsIn)], ['results', `${number(results)}: ${plural(totals.found, 'running total')}, ${plural(sales.found, 'window')}`],
      ['lost', count(lost)], ['doubled', count(doubled)], ['wrong', count(wrong)], ['recoveries', String(recoveries.length)],
    ]),
    '', ...gaps, '',
    exact
      ? paint('green', `Exact: ${plural(recoveries.length, 'executor')} killed under load, and each of the ${number(results)} results is there once, with the value that plain code computes from the ${number(eventsIn)} events.`)
      : paint('red', `Not exact. ${[...totals.examples, ...sales.examples].join('; ')}. The events come again with --seed ${seed}.`),
  ]
}

/** As it is typed where this runs: installed as a package, or in the repository. */
const [TIDEMARK, QUIETLY, EXAMPLES] = isCompiled(import.meta.url) ? ['npx tidemark', 'npx tidemark', 'node_modules/tidemark/examples'] as const : ['npm run tidemark --', 'npm run --silent tidemark --', 'examples'] as const

const GOES_ON = [
  [`${TIDEMARK} dev ${EXAMPLES}/running-totals.ts`, 'a job in a cluster of its own, on this machine'],
  [`echo '{"user":"ann","amount":5,"ts":1700000000000}' | ${QUIETLY} write orders --key user`],
  [`${QUIETLY} read running-totals --follow`, 'its results, read committed'],
  [`${QUIETLY} describe running-totals`, 'tasks, owners, lag, state, last recoveries'],
] as const

export const GOING_ON = ['', 'Go on from here, in two terminals:', ...GOES_ON.map(([line, what]) => what === undefined ? `  ${line}` : `  ${line.padEnd(64)}  ${what}`)]
