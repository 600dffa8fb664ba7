// One of the threads that look for mutants: told which, it answers with what found it.
import { parentPort } from 'node:worker_threads'
import { findMutant } from './find-mutant.ts'
import { MUTANTS } from './mutants.ts'

export interface MutantQuestion {
  readonly name: string
  readonly firstSeed: number
  readonly seedsMax: number
}
export interface MutantAnswer {
  readonly name: string
  /** Undefined: nothing was found. */
  readonly found: undefined | { readonly seeds: number, readonly by: string, readonly faults: readonly string[], readonly trace: readonly string[], readonly steps: number }
}

parentPort?.on('message', ({ name, firstSeed, seedsMax }: MutantQuestion) => {
  void (async () => {
    const mutant = MUTANTS.find((one) => one.name === name)
    const found = mutant && await findMutant(mutant, firstSeed, seedsMax)
    const answer: MutantAnswer = {
      name,
      found: found && { seeds: found.seeds, by: found.shrunk.violations[0] ?? '', faults: found.shrunk.plan.map((fault) => JSON.stringify(fault)), trace: found.shrunk.trace(), steps: found.shrunk.steps },
    }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage(answer)
  })()
})
