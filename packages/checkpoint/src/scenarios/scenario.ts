// One scenario a rule: a short story over the real decisions, that ends well with the rule and is seen to end badly without it.
import { AssertionError } from 'node:assert'
import { isTidemarkError } from '@tidemark/base'
import { ALL_RULES } from '../rules.ts'
import type { RuleName, Rules } from '../rules.ts'

export interface Scenario {
  readonly rule: RuleName
  /** What happens without the rule, for people. */
  readonly breaks: string
  /** Throws an AssertionError or `INVARIANT_BROKEN` when a promise is broken; anything else is a mistake in the scenario. */
  readonly play: (rules: Rules) => void
}

/** How the promise was seen to break; undefined: it was kept. */
export const playWithout = (scenario: Scenario, off: RuleName | undefined): string | undefined => {
  try {
    scenario.play(off === undefined ? ALL_RULES : { ...ALL_RULES, [off]: false })
    return undefined
  } catch (error) {
    if (error instanceof AssertionError || (isTidemarkError(error) && error.code === 'INVARIANT_BROKEN')) return error.message.split('\n')[0] ?? ''
    throw error
  }
}
