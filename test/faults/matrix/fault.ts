// What a fault is to the matrix: whom it strikes, and what is to move because of it.
import { realClock } from '@tidemark/base'
import type { TaskRecovery } from '@tidemark/wire'
import type { ClusterProcess } from '../../cluster/process.ts'
import type { Setting, Stage } from './stage.ts'

/** A moment by both clocks: ours measures, the cluster's processes tell theirs. */
export interface Moment {
  readonly monotonic: number
  readonly wall: number
}

export const now = (): Moment => ({ monotonic: realClock.monotonic(), wall: realClock.now() })

export interface Struck {
  /** When it began. */
  readonly at: Moment
  /** Its tasks have to move. */
  readonly victim?: ClusterProcess
  /** When what was away was back. */
  readonly healedAt?: Moment
  /** How long until it was noticed, where no takeover tells, ms. */
  readonly detectedMs?: number
  /** When the cluster was led again, where that is the recovery. */
  readonly ledAt?: Moment
  /** What may be added to the time until all is over: its tail is long, ms. */
  readonly replayMsMax?: number
  /** Asked for when all is over, with the takeovers there were. */
  readonly note?: (takeovers: readonly TaskRecovery[]) => string
}

export interface Fault {
  /** By the simulation's words, where it has them. */
  readonly name: string
  readonly what: string
  readonly setting: Setting
  /** So often, one after the other; the table tells the worst. Default 1. */
  readonly times?: number
  /** Done when it resolves, and what was taken away is back. */
  strike(stage: Stage): Promise<Struck>
}
