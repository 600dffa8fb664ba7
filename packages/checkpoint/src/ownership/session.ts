// R5: a transactional id is initialised by its owner once. What follows the end of a producer session, for whatever reason.
import type { TransactionalId } from '@tidemark/base'
import type { Rules } from '../rules.ts'

export interface SessionEnd {
  /** Fence these and wait for the answers before anything else: a request still under way could land in a later transaction. */
  readonly fence: readonly TransactionalId[]
  /** Number of the next id of this slot. */
  readonly counter: number
  /** Every task of the slot is claimed again under the new id, and read up to that claim, before it is processed again. */
  readonly claimAgain: boolean
}

/** Any failed send, commit or unknown outcome ends the id. */
export const afterSessionEnd = (id: TransactionalId, counter: number, rules: Rules): SessionEnd =>
  rules.R5 ? { fence: [id], counter: counter + 1, claimAgain: true } : { fence: [], counter, claimAgain: false }
