// What an idle input lets the watermark pass. That it is idle says only that it had nothing when it was looked at: so it clears what the others
// had told before that look, and nothing they told later. Judged by the order of blocks (of looks, where it is a source partition) alone, so no
// slow or dead owner, and no clock, can make records late.
import type { UpstreamMark } from '@tidemark/checkpoint'
import type { InputProgress } from './stage-watermark.ts'

const RENEW_MS_MIN = 50
const RENEW_MS_MAX = 250
const RENEWALS = 4

/** An idle task says so again this often, ms. `idleAfterMs`: the longest of the sources before it. */
export const renewMs = (idleAfterMs: number): number => Math.min(RENEW_MS_MAX, Math.max(RENEW_MS_MIN, idleAfterMs / RENEWALS))

/** Claims that take at least `idleAfterMs` to make. */
const graceOf = (idleAfterMs: number): number => Math.ceil(idleAfterMs / renewMs(idleAfterMs))

/** Up to where an input that has nothing need not hold the others: where the active ones are; nobody is active: the highest of all. */
export const clearable = (others: readonly InputProgress[]): number => {
  let [least, most] = [Infinity, -Infinity]
  for (const { watermark, idle } of others) {
    most = Math.max(most, watermark)
    if (!idle) least = Math.min(least, watermark)
  }
  return least === Infinity ? most : least
}

/** Never heard from: it holds the watermark. */
export const progressOf = (mark: UpstreamMark | undefined): InputProgress => {
  const own = mark?.watermark ?? -Infinity
  return mark?.idle === true ? { watermark: Math.max(own, mark.cleared ?? -Infinity), idle: true } : { watermark: own, idle: false }
}

const finite = (name: 'cleared' | 'pending', value: number): Partial<UpstreamMark> => value === -Infinity ? {} : { [name]: value }

/**
 * The mark of an idle task after one more of its blocks. It looked some time behind its block before: what stood then (`pending`) is cleared, what
 * the others have told by now is what its next claim clears.
 */
export const claimed = (mark: UpstreamMark, others: readonly InputProgress[]): UpstreamMark => {
  const { cleared, pending, grace = 0, ...rest } = mark
  const passes = grace > 0 ? -Infinity : pending ?? -Infinity
  return {
    ...rest, ...(grace > 1 ? { grace: grace - 1 } : {}),
    ...finite('cleared', Math.max(cleared ?? -Infinity, passes)), ...finite('pending', clearable(others)),
  }
}

/** The mark of a task that has records again, or has not looked yet. */
export const active = ({ cleared: _cleared, pending: _pending, grace: _grace, ...mark }: UpstreamMark): UpstreamMark => mark

/** All were idle, and another task has records again: this one has `idleAfterMs` to have some too, before it clears anything. */
export const graced = (mark: UpstreamMark, idleAfterMs: number): UpstreamMark => ({ ...mark, grace: graceOf(idleAfterMs) })
