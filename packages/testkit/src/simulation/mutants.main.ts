// `npm run mutants`: simulates each mutant of the protocol until it is found, and prints the table: seeds needed, what found it, what its shrunk
// simulation takes.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { realClock, realRandom } from '@tidemark/base'
import { MUTANTS } from './mutants.ts'
import type { MutantAnswer, MutantQuestion } from './mutants.worker.ts'

const WORKERS_MAX = 2
const BY_SHOWN = 110
const TRACE_SHOWN = 40

const { values } = parseArgs({
  options: {
    /** The first seed of each. */ seed: { type: 'string' },
    /** At most so many seeds for each. */ seeds: { type: 'string', default: '3000' },
    /** Only these, comma-separated. */ only: { type: 'string' },
    /** Print shrunk plans and the ends of their traces too. */ traces: { type: 'boolean', default: false },
  },
})

const firstSeed = values.seed === undefined ? Math.floor(realRandom.next() * 2 ** 31) : Number(values.seed)
const wanted = MUTANTS.filter(({ name }) => values.only === undefined || values.only.split(',').includes(name))
const waiting = wanted.map(({ name }): MutantQuestion => ({ name, firstSeed, seedsMax: Number(values.seeds) }))
const answers = new Map<string, MutantAnswer>()
const began = realClock.monotonic()
process.stdout.write(`seeds from ${firstSeed}\n`)

await Promise.all(Array.from({ length: Math.min(WORKERS_MAX, availableParallelism(), waiting.length) }, () => new Promise<void>((resolve, reject) => {
  const worker = new Worker(new URL('./mutants.worker.ts', import.meta.url))
  const more = (): void => {
    const question = waiting.shift()
    if (question === undefined) return void worker.terminate().then(() => resolve())
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    return worker.postMessage(question)
  }
  worker.on('message', (answer: MutantAnswer) => {
    answers.set(answer.name, answer)
    process.stderr.write(`${answer.name}: ${answer.found ? `${answer.found.seeds} seeds` : 'not found'}\n`)
    more()
  })
  worker.on('error', reject)
  more()
})))

process.stdout.write('\n| without | that is | found by | seeds | faults | trace lines | steps |\n|---|---|---|---|---|---|---|\n')
for (const { name, what } of wanted) {
  const found = answers.get(name)?.found
  process.stdout.write(found === undefined
    ? `| ${name} | ${what} | **not found** | > ${values.seeds} | | | |\n`
    : `| ${name} | ${what} | ${found.by.slice(0, BY_SHOWN)} | ${found.seeds} | ${found.faults.length} | ${found.trace.length} | ${found.steps} |\n`)
}
if (values.traces) {
  for (const { name } of wanted) {
    const found = answers.get(name)?.found
    if (found) process.stdout.write(`\n${name}: ${found.by}\n${found.faults.join('\n')}\n${found.trace.slice(-TRACE_SHOWN).join('\n')}\n`)
  }
}
const missed = wanted.filter(({ name }) => answers.get(name)?.found === undefined)
process.stdout.write(`\n${wanted.length - missed.length} of ${wanted.length} found, in ${((realClock.monotonic() - began) / 1_000).toFixed(0)} s\n`)
process.exitCode = missed.length === 0 ? 0 : 1
