// `npm run mutants`: simulates each mutant of the protocol until it is found, and prints the table: seeds needed, shrunk plan and trace.
import { parseArgs } from 'node:util'
import { realClock, realRandom } from '@tidemark/base'
import { MUTANTS } from './mutants.ts'
import { findMutant } from './find-mutant.ts'

const { values } = parseArgs({
  options: { /** The first seed. */ seed: { type: 'string' }, /** At most so many seeds for each. */ seeds: { type: 'string', default: '2000' }, /** Only these, comma-separated. */ only: { type: 'string' }, /** Print shrunk plans and traces. */ traces: { type: 'boolean', default: false } },
})

const first = values.seed === undefined ? Math.floor(realRandom.next() * 2 ** 31) : Number(values.seed)
const only = values.only?.split(',')
process.stdout.write(`seeds from ${first}\n\n| without | that is | found by | seeds | faults left | trace lines | steps |\n|---|---|---|---|---|---|---|\n`)
const began = realClock.monotonic()
let missed = 0
for (const mutant of MUTANTS) {
  if (only && !only.includes(mutant.name)) continue
  const found = await findMutant(mutant, first, Number(values.seeds))
  if (found === undefined) missed += 1
  process.stdout.write(found === undefined
    ? `| ${mutant.name} | ${mutant.what} | **not found** | ${values.seeds} | | | |\n`
    : `| ${mutant.name} | ${mutant.what} | ${found.shrunk.violations[0]?.slice(0, 120)} | ${found.seeds} | ${found.shrunk.plan.length} | ${found.shrunk.traceLength} | ${found.shrunk.steps} |\n`)
  if (found !== undefined && values.traces) process.stdout.write(`${found.shrunk.plan.map((fault) => JSON.stringify(fault)).join('\n')}\n${found.shrunk.trace().slice(-30).map((line) => line.slice(0, 220)).join('\n')}\n`)
}
process.stdout.write(`\n${missed} not found, ${((realClock.monotonic() - began) / 1_000).toFixed(0)} s\n`)
process.exitCode = missed === 0 ? 0 : 1
