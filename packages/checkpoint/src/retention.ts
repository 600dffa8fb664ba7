// Which checkpoints a job keeps: the newest, thinned ones of the past, and what the present run began from while it may be needed.
import type { Manifest } from './manifest.ts'

export interface RetentionPolicy {
  /** At least 2: recovery names the two newest. */
  readonly newest: number
  /** Older ones: one each `everyMs` up to an age of `withinMs`. */
  readonly thinned: readonly { readonly withinMs: number, readonly everyMs: number }[]
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** The newest ten, one an hour for a day, one a day for a week. */
export const DEFAULT_RETENTION: RetentionPolicy = { newest: 10, thinned: [{ withinMs: DAY_MS, everyMs: HOUR_MS }, { withinMs: 7 * DAY_MS, everyMs: DAY_MS }] }

export interface Retained {
  readonly checkpoint: number
  readonly run: number
  readonly timestamp: number
}

export interface RetentionPlan {
  readonly keep: readonly { readonly checkpoint: number, readonly because: string }[]
  /** Manifests to delete, oldest first; what only they named is garbage afterwards. Savepoints are never among them: they are other files. */
  readonly remove: readonly number[]
}

/** `origin`: the checkpoint that run `run` began from. */
export const retentionPlan = (manifests: readonly Retained[], policy: RetentionPolicy, run: number, origin: number | undefined, now: number): RetentionPlan => {
  if (!Number.isSafeInteger(policy.newest) || policy.newest < 2) throw new RangeError(`${policy.newest} checkpoints are too few to keep, at least 2 are needed`)
  const sorted = manifests.toSorted((a, b) => b.checkpoint - a.checkpoint)
  const keep = new Map<number, string>()
  for (const { checkpoint } of sorted.slice(0, policy.newest)) keep.set(checkpoint, `one of the newest ${policy.newest}`)
  const ownOnes = sorted.filter((manifest) => manifest.run === run).length
  if (origin !== undefined && ownOnes < 2 && !keep.has(origin)) keep.set(origin, `run ${run} began from it and has ${ownOnes} of its own`)
  const filled = new Set<string>()
  // Newest first, so that the newest of each period stays.
  for (const { checkpoint, timestamp } of sorted) {
    const rule = policy.thinned.find(({ withinMs }) => now - timestamp <= withinMs)
    if (rule === undefined) continue
    const period = `${rule.everyMs} ${Math.floor(timestamp / rule.everyMs)}`
    if (!filled.has(period) && !keep.has(checkpoint)) keep.set(checkpoint, `the newest of its ${rule.everyMs === DAY_MS ? 'day' : rule.everyMs === HOUR_MS ? 'hour' : `${rule.everyMs} ms`}`)
    filled.add(period)
  }
  return {
    keep: sorted.filter(({ checkpoint }) => keep.has(checkpoint)).map(({ checkpoint }) => ({ checkpoint, because: keep.get(checkpoint) ?? '' })),
    remove: sorted.filter(({ checkpoint }) => !keep.has(checkpoint)).map(({ checkpoint }) => checkpoint).toReversed(),
  }
}

export interface InputGap {
  readonly topic: string
  readonly partition: number
  /** Offsets [from, to) are gone. */
  readonly from: number
  readonly to: number
}

/** Whether the input behind a checkpoint's positions still exists: the gaps. `start`: oldest offset held; undefined: not a log's, or unknown. */
export const inputGaps = (manifest: Manifest, sources: ReadonlySet<string>, start: (topic: string, partition: number) => number | undefined): InputGap[] =>
  manifest.parts.flatMap(({ ref }) => ref.positions.flatMap(({ input, topic, partition, next }): InputGap[] => {
    const begin = sources.has(input) ? start(topic, partition) : undefined
    return begin === undefined || begin <= next ? [] : [{ topic, partition, from: next, to: begin }]
  }))
