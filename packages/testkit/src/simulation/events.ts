// The records of a simulation: those that every result counts, and those that come late, throw, kill, or only close windows.
import type { Random } from '@tidemark/base'

/**
 * `copartitioned`: one stage, a topic and a marker sink. `shuffled`: two stages, one input partition never has a record, or each has none now and then. `generated`: two stages, the input
 * comes from no log, and an outbox behind the shuffle.
 */
export type Shape = 'copartitioned' | 'shuffled' | 'generated'

/**
 * Where user code throws at a record: its codec, its time, the key's function, a process handler in front of the shuffle and one behind it, when each has
 * changed its state and sent something; an aggregate. `timer`, `result`: the record is taken, the timer that it sets throws, its window's result can't be encoded.
 */
export type FailsAt = 'decode' | 'time' | 'key' | 'seen' | 'running' | 'window' | 'timer' | 'result'
/** Behind the shuffle, where there is one. */
const BEHIND_SHUFFLE: ReadonlySet<FailsAt> = new Set(['running', 'window', 'timer', 'result'])
/** It is not the record that is set aside. */
const TAKEN: ReadonlySet<FailsAt> = new Set(['timer', 'result'])

export interface SimEvent {
  readonly user: string
  readonly amount: number
  readonly ts: number
  /** Which of its user's records it is, from 1; those that come to no shuffle not counted. */
  readonly nth?: number
  readonly fails?: FailsAt
  /** Which of those that throw it is. */
  readonly odd?: number
  /** It comes late: counted in windows only, if there. Which of these it is, from 1. */
  readonly straggles?: number
}

export const WINDOW_MS = 100
/** Keys that only close windows. */
export const FLUSH = 'flush-'
/** Keys of records that kill the process in which they are processed. */
export const POISON = 'poison-'
/** Of the first that straggles; each has twice as much as the one before, so that a sum tells which of them are in it. Above the sum of all others. */
export const STRAGGLER_AMOUNT = 2 ** 16

/** Where a record that kills does so: in the first operator with user code, or in the last. */
export type DeadlyAt = 'first' | 'last'
const DEADLY: Readonly<Record<DeadlyAt, number>> = { first: -1, last: -2 }

export const poison = (user: string, at: DeadlyAt, ts: number): SimEvent => ({ user, amount: DEADLY[at], ts })

/** Its user, if this operator dies of it. */
export const kills = (value: unknown, isFirst: boolean, isLast: boolean): string | undefined => {
  const { amount, user } = value as Partial<SimEvent>
  return user !== undefined && ((isFirst && amount === DEADLY.first) || (isLast && amount === DEADLY.last)) ? user : undefined
}

/** It is in no result: the job sets it aside. */
export const isSetAside = ({ fails, user }: SimEvent): boolean => (fails !== undefined && !TAKEN.has(fails)) || user.startsWith(POISON)
/** It is in every result. */
export const isCounted = (event: SimEvent): boolean => !isSetAside(event) && event.straggles === undefined && !event.user.startsWith(FLUSH)
/** It gets through the operator in front of a shuffle. */
export const passesShuffle = ({ fails, amount }: SimEvent): boolean => (fails === undefined ? amount !== DEADLY.first : BEHIND_SHUFFLE.has(fails))

/** The n-th is the same for the same random source. */
export const makeEvents = (random: Random, events: number, users: readonly string[], startTs: number): SimEvent[] => {
  const written = new Map<string, number>()
  return Array.from({ length: events }, (_, i) => {
    const user = users[Math.floor(random.next() * users.length)] ?? ''
    const nth = (written.get(user) ?? 0) + 1
    written.set(user, nth)
    return { user, amount: 1 + Math.floor(random.next() * 9), ts: startTs + i * 10, nth }
  })
}
