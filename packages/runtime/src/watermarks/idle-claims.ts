// When an upstream task that says it is idle may be left out of the minimum. A claim can be older than it looks: its owner died, or was held up,
// and records wait for the next one; or nobody had records, and the first to have them again must not close the windows of those that are only
// a moment later. Judged by the log's timestamps of the blocks, so that a backlog gives what reading at once would have given.
import type { UpstreamMark } from '@tidemark/checkpoint'
import type { InputProgress } from './stage-watermark.ts'

const RENEW_MS_MIN = 50
const RENEW_MS_MAX = 1_000
/** A claim is good for so many renewals. */
const RENEWALS = 4
const VALID_MS_MIN = 1_000

/** An idle task says so again this often, ms. `idleAfterMs`: the longest of the sources before it. */
export const renewMs = (idleAfterMs: number): number => Math.min(RENEW_MS_MAX, Math.max(RENEW_MS_MIN, idleAfterMs / RENEWALS))

const validMs = (idleAfterMs: number): number => Math.max(VALID_MS_MIN, RENEWALS * renewMs(idleAfterMs))

/** The mark with its times, after one more batch of its task was read. `at`: the log's timestamp of the last block; undefined: it has none. */
export const stamped = (mark: UpstreamMark, before: UpstreamMark | undefined, at: number | undefined): UpstreamMark => {
  if (at === undefined) return mark
  const wakes = !mark.idle && (before === undefined || before.idle || before.activeAt === undefined)
  return { ...mark, at, ...(before?.at === undefined ? {} : { previousAt: before.at }), ...(wakes ? { activeAt: at } : {}) }
}

export interface ClaimedMark {
  /** Undefined: never heard from; it holds the watermark. */
  readonly mark: UpstreamMark | undefined
  readonly idleAfterMs: number
}

/**
 * Idle counts who says so, and has looked (some time behind its block before the last) when the others had been active for `idleAfterMs`, and not
 * long before the newest block of all.
 */
export const judgeClaims = (claims: readonly ClaimedMark[]): InputProgress[] => {
  let [newest, activeSince, lastWoken, active] = [-Infinity, Infinity, -Infinity, 0]
  for (const { mark } of claims) {
    if (mark?.at !== undefined) newest = Math.max(newest, mark.at)
    if (mark?.activeAt !== undefined) lastWoken = Math.max(lastWoken, mark.activeAt)
    if (mark === undefined || mark.idle) continue
    active += 1
    activeSince = Math.min(activeSince, mark.activeAt ?? Infinity)
  }
  // Nobody is active: what counts is when somebody last began to be.
  const since = active > 0 ? activeSince : lastWoken
  return claims.map(({ mark, idleAfterMs }) => {
    const lookedAt = mark?.previousAt ?? -Infinity
    return { watermark: mark?.watermark ?? -Infinity, idle: mark?.idle === true && lookedAt >= since + idleAfterMs && newest - lookedAt <= validMs(idleAfterMs) }
  })
}
