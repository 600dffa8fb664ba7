// What is in the input of a simulation besides records that its job takes well, and what the job has for it. Drawn from the seed, by streams of their own.
import type { Random } from '@tidemark/base'
import { passesShuffle, STRAGGLER_AMOUNT, WINDOW_MS } from './events.ts'
import type { FailsAt, Shape, SimEvent } from './events.ts'

/** Each of these is in some simulations only. */
export interface Variety {
  /** There are records at which user code throws: what the job does with them. */
  readonly onError?: 'dead-letter' | 'skip' | undefined
  /** There is a handler with event-time timers. */
  readonly timers?: boolean | undefined
  /** Records come too late for their window, or nearly so: how late they may be, ms. Only `copartitioned`. */
  readonly lateness?: number | undefined
  /** Windows say each change. */
  readonly emit?: 'updates' | undefined
  /** Event times have fractions of a millisecond. */
  readonly fractions?: boolean | undefined
  /** Windows keep accumulators that user code changes in place. */
  readonly folds?: boolean | undefined
  /** Codecs use one buffer for everything. */
  readonly buffers?: boolean | undefined
  /** One input partition after the other falls idle beside the others, and wakes. Only `shuffled`. */
  readonly bursts?: boolean | undefined
}

const FAILS: Readonly<Record<Shape, readonly FailsAt[]>> = { copartitioned: ['decode', 'time', 'key', 'running'], shuffled: ['decode', 'time', 'key', 'seen', 'running'], generated: ['time', 'key', 'running'] }

const PLAIN_SHARE = 0.5
const FAILS_SHARE = 0.1
const STRAGGLES_SHARE = 0.15
const STRAGGLERS_MAX = 12
/** Records before the first of them. */
const STRAGGLES_FROM = 30
/** By how much they come late, ms. */
const BACK_MS = [40, 90, 150, 200, 250, 290] as const

/** Well within the time for which a partition of a burst has no records, ms. */
export const BURST_IDLE_MS = 100

export const hasWindows = (shape: Shape, { lateness }: Variety): boolean => shape === 'shuffled' || lateness !== undefined

/** Not where windows say each change: it would be its record's. Nor where records may come late: nobody could tell of those in such a result. */
export const breaksResults = (shape: Shape, { emit, onError }: Variety): boolean => shape === 'shuffled' && onError !== undefined && emit === undefined

export const varietyOf = (random: Random, shape: Shape): Variety => {
  const some = (share = 0.5): boolean => random.next() < share
  if (some(PLAIN_SHARE)) return {}
  // What a generator makes ends with no record that closes windows.
  const closes = shape !== 'generated'
  return {
    ...(some() ? { onError: some(0.3) ? 'skip' as const : 'dead-letter' as const } : {}),
    ...(some() && closes ? { timers: true } : {}),
    ...(some() && shape === 'copartitioned' ? { lateness: some() ? 0 : WINDOW_MS / 2 } : {}),
    ...(some(0.4) && closes ? { emit: 'updates' as const } : {}),
    ...(some(0.4) ? { fractions: true } : {}),
    ...(some(0.4) && shape === 'shuffled' ? { bursts: true } : {}),
    ...(some(0.4) && closes ? { folds: true } : {}),
    ...(some(0.4) ? { buffers: true } : {}),
  }
}

export interface VaryOptions {
  readonly shape: Shape
  readonly variety: Variety
  readonly partitions: number
  /** Of a user's records. */
  readonly partitionOf: (user: string) => number
}

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random.next() * from.length)] as T

/** Without variety the events as they are. */
export const vary = (random: Random, events: readonly SimEvent[], { shape, variety, partitions, partitionOf }: VaryOptions): SimEvent[] => {
  const { bursts, fractions, lateness, onError, timers } = variety
  const users = [...new Set(events.map(({ user }) => user))]
  const failing = [...FAILS[shape], ...(hasWindows(shape, variety) ? ['window' as const] : []), ...(timers ? ['timer' as const] : []), ...(breaksResults(shape, variety) ? ['result' as const] : [])]
  const passed = new Map<string, number>()
  let [odd, stragglers] = [0, 0]
  return events.map((event, i) => {
    const silent = bursts ? Math.floor((i * partitions) / events.length) : -1
    const user = partitionOf(event.user) === silent ? pick(random, users.filter((one) => partitionOf(one) !== silent)) : event.user
    const ts = event.ts + (fractions ? random.next() * 9 : 0)
    if (lateness !== undefined && i >= STRAGGLES_FROM && stragglers < STRAGGLERS_MAX && random.next() < STRAGGLES_SHARE) {
      stragglers += 1
      return { user, amount: STRAGGLER_AMOUNT * 2 ** (stragglers - 1), ts: ts - pick(random, BACK_MS), straggles: stragglers }
    }
    const nth = (passed.get(user) ?? 0) + 1
    const regular: SimEvent = { user, amount: event.amount, ts, nth }
    const isOdd = onError !== undefined && random.next() < FAILS_SHARE
    if (isOdd) odd += 1
    const fails = isOdd ? pick(random, failing) : undefined
    // Each its own part of a whole: no sum that one of them is in is whole.
    const varied = fails === undefined ? regular : { ...regular, fails, odd, ...(fails === 'result' ? { amount: 2 ** -odd } : {}) }
    if (passesShuffle(varied)) passed.set(user, nth)
    return varied
  })
}
