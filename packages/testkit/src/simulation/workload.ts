// The jobs that simulations run, and their input: small, seeded, every result of which can be told from the input alone.
import { count, generator, job, json, markerSink, sum, topic, topicSink, tumbling } from 'tidemark'
import type { Aggregate, Codec, Job, Stream } from 'tidemark'
import { alarms } from './alarms.ts'
import type { Alarm, Spans } from './alarms.ts'
import { inPlace, oneBuffer } from './careless.ts'
import { WINDOW_MS } from './events.ts'
import type { FailsAt, Shape, SimEvent } from './events.ts'
import { breaksResults, BURST_IDLE_MS, hasWindows } from './variety.ts'
import type { Variety } from './variety.ts'

const SHAPES: readonly Shape[] = ['copartitioned', 'shuffled', 'copartitioned', 'shuffled', 'copartitioned', 'shuffled', 'copartitioned', 'generated', 'generated', 'shuffled', 'copartitioned', 'shuffled', 'copartitioned', 'shuffled', 'generated', 'shuffled']
export const shapeOf = (seed: number): Shape => SHAPES[seed % SHAPES.length] ?? 'copartitioned'

/** Records of a simulation. */
export const EVENTS = 60

export const INPUT = 'events'
export const RUNNING = 'running'
export const WINDOWS = 'windows'
export const ALARMS = 'alarms'
const MARKERS = 'markers'
/** Added to the amount of a record that is not the next of its user. */
const WRONG = 1_000

export interface Workload {
  readonly shape: Shape
  readonly variety: Variety
  readonly job: Job
  readonly name: string
  readonly partitions: number
  readonly idle: ReadonlySet<number>
  /** What its source reads: a topic, or what is in `lines`. */
  readonly input: string
  /** Of a generator: what it makes, by partition. */
  readonly lines: SimEvent[][]
  readonly sinks: readonly ('the topic' | 'the marker sink')[]
}

/** A checkpoint that takes longer is given up, ms. */
const CHECKPOINT_TIMEOUT_MS = 3_000

const throwsAt = ({ fails, odd }: SimEvent, at: FailsAt): void => {
  if (fails === at) throw new RangeError(`record ${odd} throws: ${at}`)
}

const userOf = (event: SimEvent): string => {
  throwsAt(event, 'key')
  return event.user
}

/** What windows count may have no number; nobody else looks. */
const countedAmount = ({ amount, fails }: SimEvent): number => (fails === 'window' ? Number.NaN : amount)

const foldedAmount = (event: SimEvent): number => {
  throwsAt(event, 'window')
  return event.amount
}

/** What a window counts and sums up. */
const aggregates = ({ folds }: Variety): Readonly<Record<'count' | 'sum', Aggregate<SimEvent, number>>> => (folds ? { count: inPlace<SimEvent>(() => 1), sum: inPlace(foldedAmount) } : { count: count(), sum: sum(countedAmount) })

interface Summed {
  readonly sum: number
}

const wholeOnly = ({ encode, decode }: Codec<Summed>): Codec<Summed> => ({
  decode,
  encode: (result) => {
    if (result.sum % 1 !== 0) throw new RangeError(`${result.sum} is no whole number`)
    return encode(result)
  },
})

export const workload = (shape: Shape, variety: Variety = {}, checkpointTimeout = CHECKPOINT_TIMEOUT_MS): Workload => {
  const { buffers, bursts, emit, lateness, onError, timers } = variety
  const codec = <T>(): Codec<T> => (buffers ? oneBuffer<T>() : json<T>())
  const partitions = shape === 'shuffled' ? 3 : 2
  const lines: SimEvent[][] = Array.from({ length: partitions }, () => [])
  const built = job(shape, { version: '1', parallelism: 2, checkpointInterval: 300, checkpointTimeout, commitIntervalMin: 15, commitIntervalMax: 60, checkpointsRetained: 2, futureTimestampBound: '7d', ...(onError === undefined ? {} : { onError }) })
  const time = { timestamp: ({ fails, ts }: SimEvent) => (fails === 'time' ? Number.NaN : ts), outOfOrderness: 0, idleAfter: bursts ? BURST_IDLE_MS : 1_500 }
  const source = built.source('in', shape === 'generated' ? generator<SimEvent>({ ...time, partitions, count: EVENTS, perSecond: EVENTS * partitions, make: (partition, sequence) => ({ ...lines[partition]?.[sequence] as SimEvent }) }) : topic(INPUT, { ...time, value: codec<SimEvent>() }))
  const byUser = (of: Stream<SimEvent>) => of.keyBy(userOf, { copartitioned: shape !== 'generated' })
  const all = byUser(source)
  // State on both sides of the shuffle: a record that was seen before says so by an amount that no sum accounts for.
  const keyed = shape !== 'shuffled' ? all : all
    .process<SimEvent, number>('seen', {
      state: () => 0,
      onRecord: (ctx, event) => {
        const seen = ctx.state.get() + 1
        ctx.state.set(seen)
        ctx.emit(event.nth === undefined || event.nth === seen ? event : { ...event, amount: event.amount + WRONG })
        throwsAt(event, 'seen')
      },
    }).keyBy((event) => event.user)
  const prompt = lateness === undefined ? keyed : byUser(source.filter(({ straggles }) => straggles === undefined))
  const running = prompt.process<{ key: string, count: number, sum: number }, { count: number, sum: number }>('running', {
    state: () => ({ count: 0, sum: 0 }),
    onRecord: (ctx, event) => {
      const total = ctx.state.get()
      // In place, as careless code does.
      total.count += 1
      total.sum += event.amount
      ctx.state.set(total)
      ctx.emit({ key: String(ctx.key), ...total })
      throwsAt(event, 'running')
    },
  })
  running.sink('running', topicSink(RUNNING, { value: codec() }))
  if (shape !== 'shuffled') running.sink(MARKERS, markerSink())
  if (hasWindows(shape, variety)) {
    keyed.window(tumbling(WINDOW_MS, { allowedLateness: lateness ?? 0 })).aggregate('windows', aggregates(variety), emit === undefined ? {} : { emit })
      .sink('windows', topicSink(WINDOWS, { value: breaksResults(shape, variety) ? wholeOnly(codec()) : codec<Summed>() }))
  }
  if (timers) prompt.process<Alarm, Spans>('alarms', alarms).sink('alarms', topicSink(ALARMS, { value: codec() }))
  return {
    shape, variety, job: built, name: shape, partitions, idle: new Set(shape === 'shuffled' && !bursts ? [2] : []), input: shape === 'generated' ? 'in' : INPUT, lines,
    sinks: shape === 'shuffled' ? ['the topic'] : ['the topic', 'the marker sink'],
  }
}
