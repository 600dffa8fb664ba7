// `npm run simulate`: simulates seeds on all cores, for so long or so many, and prints each that fails with its shrunk plan and trace.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { realClock, realRandom } from '@tidemark/base'
import type { SeedAnswer } from './seeds.worker.ts'
import { simulate } from './simulate.ts'

const WORKERS_MAX = 2
const SEED_MAX = 2 ** 31

const { values } = parseArgs({
  options: {
    /** How long at most. */ minutes: { type: 'string' },
    /** The first seed; alone: only this one. */ seed: { type: 'string' },
    /** How many. */ seeds: { type: 'string' },
    /** Threads. */ workers: { type: 'string' },
    /** Prints what happens in the first seed, and does nothing else. */ trace: { type: 'boolean', default: false },
  },
})

const first = values.seed === undefined ? Math.floor(realRandom.next() * SEED_MAX) : Number(values.seed)
const seeds = values.seeds === undefined ? (values.minutes === undefined ? 1 : Infinity) : Number(values.seeds)
const untilMs = values.minutes === undefined ? Infinity : realClock.monotonic() + Number(values.minutes) * 60_000
const workers = Math.min(seeds, values.workers === undefined ? Math.min(WORKERS_MAX, availableParallelism()) : Number(values.workers))

if (values.trace) {
  const outcome = await simulate({ seed: first })
  process.stdout.write(`${[...outcome.trace(), ...outcome.violations, `seed ${first}, ${outcome.shape}: ${outcome.violations.length === 0 ? 'all is well' : 'it fails'}`].join('\n')}\n`)
  process.exit(outcome.violations.length === 0 ? 0 : 1)
}

process.stdout.write(`seeds from ${first}, ${workers} threads\n`)
const began = realClock.monotonic()
let next = first
const sums = { seeds: 0, faults: 0, steps: 0, virtualMs: 0, failed: 0 }

const take = (answer: SeedAnswer): void => {
  sums.seeds += 1
  sums.faults += answer.faults
  sums.steps += answer.steps
  sums.virtualMs += answer.virtualMs
  if (answer.failure === undefined) return
  sums.failed += 1
  process.stdout.write(`${answer.failure}\n\n`)
}

await Promise.all(Array.from({ length: workers }, () => new Promise<void>((resolve, reject) => {
  const worker = new Worker(new URL('./seeds.worker.ts', import.meta.url))
  const more = (): void => {
    if (next - first >= seeds || realClock.monotonic() >= untilMs) return void worker.terminate().then(() => resolve())
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage(next)
    next += 1
  }
  worker.on('message', (answer: SeedAnswer) => {
    take(answer)
    more()
  })
  worker.on('error', reject)
  more()
})))

const seconds = (realClock.monotonic() - began) / 1_000
process.stdout.write(`${sums.seeds} seeds from ${first}, ${(sums.faults / sums.seeds).toFixed(1)} faults each, ${Math.round(sums.steps / sums.seeds)} steps and ${(sums.virtualMs / sums.seeds / 1_000).toFixed(1)} virtual seconds each, in ${seconds.toFixed(1)} s: ${sums.failed} failed\n`)
process.exitCode = sums.failed === 0 ? 0 : 1
