// One of the threads that simulate seeds: told a seed, it answers with what came of it.
import { parentPort } from 'node:worker_threads'
import { describeOutcome } from './report.ts'
import { shrink } from './shrink.ts'
import { simulate } from './simulate.ts'

export interface SeedAnswer {
  readonly seed: number
  readonly faults: number
  readonly steps: number
  readonly virtualMs: number
  /** Undefined: all is well. */
  readonly failure: string | undefined
}

parentPort?.on('message', (seed: number) => {
  void (async () => {
    const outcome = await simulate({ seed })
    const failure = outcome.violations.length === 0 ? undefined : describeOutcome(outcome, await shrink(outcome))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage({ seed, faults: outcome.plan.length, steps: outcome.steps, virtualMs: outcome.virtualMs, failure } satisfies SeedAnswer)
  })()
})
