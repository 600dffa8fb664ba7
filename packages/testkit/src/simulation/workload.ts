// The jobs that simulations run, and their input: small, seeded, every result of which can be told from the input alone.
import type { Random } from '@tidemark/base'
import { count, generator, job, json, markerSink, sum, topic, topicSink, tumbling } from 'tidemark'
import type { Job } from 'tidemark'

export interface SimEvent {
  readonly user: string
  readonly amount: number
  readonly ts: number
  /** Which of its user's records it is, from 1. */
  readonly nth?: number
}

/**
 * `copartitioned`: one stage, a topic and a marker sink. `shuffled`: two stages, one input partition never has a record. `generated`: two stages, the input
 * comes from no log, and an outbox behind the shuffle.
 */
export type Shape = 'copartitioned' | 'shuffled' | 'generated'
const SHAPES: readonly Shape[] = ['copartitioned', 'shuffled', 'copartitioned', 'shuffled', 'copartitioned', 'shuffled', 'copartitioned', 'generated', 'generated', 'shuffled', 'copartitioned', 'shuffled', 'copartitioned', 'shuffled', 'generated', 'shuffled']
export const shapeOf = (seed: number): Shape => SHAPES[seed % SHAPES.length] ?? 'copartitioned'

/** Records of a simulation. */
export const EVENTS = 60

export const INPUT = 'events'
export const RUNNING = 'running'
export const WINDOWS = 'windows'
const MARKERS = 'markers'
export const WINDOW_MS = 100
/** Added to the amount of a record that is not the next of its user. */
const WRONG = 1_000
/** Keys that only close windows. */
export const FLUSH = 'flush-'
/** Keys of records that kill the process in which they are processed. */
export const POISON = 'poison-'

export interface Workload {
  readonly shape: Shape
  readonly job: Job
  readonly name: string
  readonly partitions: number
  readonly idle: ReadonlySet<number>
  /** What its source reads: a topic, or what is in `lines`. */
  readonly input: string
  /** Of a generator: what it makes, by partition. */
  readonly lines: SimEvent[][]
  readonly sinks: readonly ('the topic' | 'the marker sink')[]
  readonly hasWindows: boolean
}

/** A checkpoint that takes longer is given up, ms. */
const CHECKPOINT_TIMEOUT_MS = 3_000

export const workload = (shape: Shape, checkpointTimeout = CHECKPOINT_TIMEOUT_MS): Workload => {
  const partitions = shape === 'shuffled' ? 3 : 2
  const lines: SimEvent[][] = Array.from({ length: partitions }, () => [])
  const built = job(shape, { version: '1', parallelism: 2, checkpointInterval: 300, checkpointTimeout, commitIntervalMin: 15, commitIntervalMax: 60, checkpointsRetained: 2, futureTimestampBound: '7d' })
  const time = { timestamp: (event: SimEvent) => event.ts, outOfOrderness: 0, idleAfter: 1_500 }
  const source = built.source('in', shape === 'generated' ? generator<SimEvent>({ ...time, partitions, count: EVENTS, perSecond: EVENTS * partitions, make: (partition, sequence) => ({ ...lines[partition]?.[sequence] as SimEvent }) }) : topic(INPUT, { ...time, value: json<SimEvent>() }))
  const byUser = source.keyBy((event) => event.user, { copartitioned: shape !== 'generated' })
  // State on both sides of the shuffle: a record that was seen before says so by an amount that no sum accounts for.
  const keyed = shape !== 'shuffled' ? byUser : byUser
    .process<SimEvent, number>('seen', {
      state: () => 0,
      onRecord: (ctx, event) => {
        const seen = ctx.state.get() + 1
        ctx.state.set(seen)
        ctx.emit(event.nth === undefined || event.nth === seen ? event : { ...event, amount: event.amount + WRONG })
      },
    }).keyBy((event) => event.user)
  const running = keyed.process<{ key: string, count: number, sum: number }, { count: number, sum: number }>('running', {
    state: () => ({ count: 0, sum: 0 }),
    onRecord: (ctx, event) => {
      const total = ctx.state.get()
      // In place, as careless code does.
      total.count += 1
      total.sum += event.amount
      ctx.state.set(total)
      ctx.emit({ key: String(ctx.key), ...total })
    },
  })
  running.sink('running', topicSink(RUNNING, { value: json() }))
  const hasWindows = shape === 'shuffled'
  if (!hasWindows) running.sink(MARKERS, markerSink())
  else {
    keyed.window(tumbling(WINDOW_MS, { allowedLateness: 0 })).aggregate('windows', { count: count(), sum: sum((event) => event.amount) })
      .sink('windows', topicSink(WINDOWS, { value: json() }))
  }
  return {
    shape, job: built, name: shape, partitions, idle: new Set(shape === 'shuffled' ? [2] : []), input: shape === 'generated' ? 'in' : INPUT, lines,
    sinks: hasWindows ? ['the topic'] : ['the topic', 'the marker sink'], hasWindows,
  }
}

/** Where a record that kills does so: in the first operator with user code, or in the last. */
export type DeadlyAt = 'first' | 'last'
const DEADLY: Readonly<Record<DeadlyAt, number>> = { first: -1, last: -2 }

export const poison = (user: string, at: DeadlyAt, ts: number): SimEvent => ({ user, amount: DEADLY[at], ts })

/** Its user, if this operator dies of it. */
export const kills = (value: unknown, isFirst: boolean, isLast: boolean): string | undefined => {
  const { amount, user } = value as Partial<SimEvent>
  return user !== undefined && ((isFirst && amount === DEADLY.first) || (isLast && amount === DEADLY.last)) ? user : undefined
}

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
