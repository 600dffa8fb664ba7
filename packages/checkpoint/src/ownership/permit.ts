// Permission to act as a value: only the decisions of this room make one, and the call that acts demands it.
import type { Stamp } from '../records/records.ts'

const permit: unique symbol = Symbol('permit')

/** To append a claim (a driver: an `ended` record) with this stamp, once. */
export interface ClaimPermit {
  readonly [permit]: 'claim'
  readonly stamp: Stamp
}

/** To commit batches of the task with this stamp, until its session fails. */
export interface CommitPermit {
  readonly [permit]: 'commit'
  readonly stamp: Stamp
  /** The claim that it rests on. */
  readonly claimOffset: number
}

export const claimPermit = (stamp: Stamp): ClaimPermit => ({ [permit]: 'claim', stamp })
export const commitPermit = (stamp: Stamp, claimOffset: number): CommitPermit => ({ [permit]: 'commit', stamp, claimOffset })
