// `npm run rules`: plays each rule's scenario with the rule on and off, and prints what breaks without it. Ends with 1 when a rule's
// absence goes unnoticed, or a promise is broken with all rules on.
import { SCENARIOS } from './all.ts'
import { playWithout } from './scenario.ts'

const rows = SCENARIOS.map((scenario) => ({ ...scenario, on: playWithout(scenario, undefined), off: playWithout(scenario, scenario.rule) }))
const wide = Math.max(...rows.map(({ breaks }) => breaks.length))
process.stdout.write(`${'rule'.padEnd(6)}${'without it'.padEnd(wide + 2)}seen as\n`)
for (const { rule, breaks, on, off } of rows) {
  const seen = on !== undefined ? `BROKEN WITH ALL RULES ON: ${on}` : off ?? 'NOT NOTICED'
  process.stdout.write(`${rule.padEnd(6)}${breaks.padEnd(wide + 2)}${seen}\n`)
}
const failed = rows.filter(({ on, off }) => on !== undefined || off === undefined)
process.stdout.write(failed.length === 0 ? `${rows.length} rules, each missed when it is off\n` : `${failed.map(({ rule }) => rule).join(', ')}: see above\n`)
process.exitCode = failed.length === 0 ? 0 : 1
