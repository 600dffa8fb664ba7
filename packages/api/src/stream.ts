// The builder as a job file sees it. Only types; `build/` makes them.
import type { Aggregate } from './aggregates.ts'
import type { LogicalPlan } from './plan/plan.ts'
import type { Key, ProcessHandler } from './process.ts'
import type { SinkSpec } from './sinks.ts'
import type { SourceSpec } from './sources.ts'
import type { Window, WindowSpec } from './windows.ts'

/** Fields of an `aggregate`: names to aggregates. `key` and `window` are taken by the result. */
export type AggregateFields<T> = Readonly<Record<string, Aggregate<T, unknown>>>
export interface ReservedFields {
  readonly key?: never
  readonly window?: never
}
export type AggregateResults<F> = { readonly [N in keyof F]: F[N] extends Aggregate<never, infer R> ? R : never }

type Flat<T> = { readonly [N in keyof T]: T[N] }
/** `{ key, …fields }` */
export type Aggregated<K extends Key, F> = Flat<{ key: K } & AggregateResults<F>>
/** `{ key, window: { start, end }, …fields }` */
export type WindowAggregated<K extends Key, F> = Flat<{ key: K, window: Window } & AggregateResults<F>>
export interface Reduced<K extends Key, T> {
  readonly key: K
  readonly value: T
}
export interface WindowReduced<K extends Key, T> extends Reduced<K, T> {
  readonly window: Window
}

export interface KeyByOptions {
  /**
   * The topic is keyed by this already, so that nothing needs to be shuffled: a promise about the source topic, checked on every record
   * that passes. Only between a topic source and the first shuffle. Default false.
   */
  readonly copartitioned?: boolean
}
export interface UpdatesOptions {
  /** Without a window there is a result for each input. */
  readonly emit?: 'updates'
}
export interface WindowedOptions {
  /** `final` (default): once, when the watermark passes window end + allowed lateness. `updates`: for each input. */
  readonly emit?: 'final' | 'updates'
}

/**
 * Records of type `T`. A stream may be used several times: each use sees every record. User functions are synchronous and are run again for
 * records of a batch that was undone. What is made from a record keeps its event time and, behind a `keyBy`, its key.
 */
export interface Stream<T> {
  map<U>(f: (value: T) => U): Stream<U>
  /** Keeps the values for which `f` is true; a type guard narrows the stream. */
  filter<U extends T>(f: (value: T) => value is U): Stream<U>
  filter(f: (value: T) => boolean): Stream<T>
  /** Any number of values for each. */
  flatMap<U>(f: (value: T) => Iterable<U>): Stream<U>
  /** All records of one key go to one task, in the order in which each upstream task sent them. */
  keyBy<K extends Key>(f: (value: T) => K, options?: KeyByOptions): KeyedStream<K, T>
  /** `name`: this sink's, unique among the job's sinks. Answers the job, so that `export default job(…)….sink(…)` works. */
  sink(name: string, sink: SinkSpec<T>): Job
}

/** Records of type `T` by key. Each stateful operator has a name, under which its state is kept: unique among the job's operators, never changed while state lives. */
export interface KeyedStream<K extends Key, T> {
  window(window: WindowSpec): WindowedStream<K, T>
  /**
   * Running aggregates of each key: `{ key, …fields }`, one for each input.
   *
   * @example
   * orders.keyBy((order) => order.user).aggregate('per-user', { orders: count(), total: sum((order) => order.amount) })
   */
  aggregate<F extends AggregateFields<T>>(name: string, fields: F & ReservedFields, options?: UpdatesOptions): Stream<Aggregated<K, F>>
  /** Running reduction of each key: `{ key, value }`, one for each input. The first value of a key is the first accumulator. */
  reduce(name: string, f: (accumulator: T, value: T) => T, options?: UpdatesOptions): Stream<Reduced<K, T>>
  /**
   * User code with keyed state and event-time timers. Name the types of what it emits and of its state, or only one of them.
   *
   * @example
   * logins.keyBy((login) => login.user).process<Alert, number>('failures', {
   *   state: () => 0,
   *   onRecord(ctx, login) {
   *     ctx.state.set(login.ok ? 0 : ctx.state.get() + 1)
   *     if (ctx.state.get() === 5) ctx.emit({ user: ctx.key })
   *   },
   * })
   */
  process<Out = never, S = undefined>(name: string, handler: ProcessHandler<K, T, Out, S>): Stream<Out>
}

export interface WindowedStream<K extends Key, T> {
  /** Aggregates of each key and window: `{ key, window: { start, end }, …fields }`. */
  aggregate<F extends AggregateFields<T>>(name: string, fields: F & ReservedFields, options?: WindowedOptions): Stream<WindowAggregated<K, F>>
  /** Reduction of each key and window: `{ key, window: { start, end }, value }`. */
  reduce(name: string, f: (accumulator: T, value: T) => T, options?: WindowedOptions): Stream<WindowReduced<K, T>>
}

export interface Job {
  readonly name: string
  /** `name`: this source's, unique among the job's sources. A job may have several. */
  source<T>(name: string, source: SourceSpec<T>): Stream<T>
  /** The job as plain JSON: the same each time, whoever builds it. Not checked: see `checkPlan`. */
  plan(): LogicalPlan
}
