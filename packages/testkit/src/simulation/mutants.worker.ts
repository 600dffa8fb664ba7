// One of the threads that look for mutants: told which, it answers with what found it.
import { parentPort } from 'node:worker_threads'
import { findMutant } from './find-mutant.ts'
import { MUTANTS } from './mutants.ts'
import { shrink } from './shrink.ts'

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
    const shrunk = mutant && found && await shrink(found.outcome, { mutation: mutant.make })
    const answer: MutantAnswer = {
      name, found: found && shrunk && { seeds: found.seeds, by: shrunk.violations[0] ?? '', faults: shrunk.plan.map((fault) => JSON.stringify(fault)), trace: shrunk.trace(), steps: shrunk.steps },
    }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage(answer)
  })()
})
