// What a process handler is and what it is given. Only the shape: the runtime implements it.

/** What a record may be keyed by. `1` and `'1'` are two keys, but have the same bytes in a topic: `String(key)` as UTF-8. */
export type Key = string | number

/** One value per key. */
export interface ValueState<S> {
  /** The value of this key; the handler's initial state while there is none. Say with `set` what is to be kept: one that is changed in place is not copied, and may be kept without it. */
  get(): S
  /** Kept with the batch: committed, or undone, together with its outputs and positions. Plain data only (what msgpack carries). */
  set(value: S): void
  delete(): void
}

/** Event-time timers of one key. */
export interface Timers {
  /** Calls `onTimer` once, when the watermark passes `time` (ms since 1970). The same time set twice is one timer. */
  set(time: number): void
  /** One that is not set is no error. */
  delete(time: number): void
}

export interface ProcessContext<K extends Key, S, Out> {
  readonly key: K
  /** Event time, ms since 1970: of the record; in `onTimer` the time the timer was set for. Outputs get it as theirs. */
  readonly timestamp: number
  /** Event time up to which this task's input is complete, ms since 1970; undefined before there is one. */
  readonly watermark: number | undefined
  readonly state: ValueState<S>
  readonly timers: Timers
  emit(out: Out): void
  /** A "now" that repeats when the record is processed again: the log's time of the record, ms since 1970; in `onTimer` the timer's. */
  readonly now: number
  /**
   * In [0, 1), another one at each call; follows from (job, source position), so that all of them repeat when the record is processed again. In `onTimer`
   * from (job, key, time): a timer that is set anew for a time for which it has fired already rolls the same again.
   */
  random(): number
  /** Shaped as a version 4 UUID, another one at each call; follows from the same as `random` does. */
  uuid(): string
}

/** The initial state is demanded unless the state's type includes undefined. */
type InitialState<S> = undefined extends S ? { readonly state?: () => S } : { readonly state: () => S }

/** Synchronous user code over one key at a time. Module variables and closures are not undone with a batch: keep what counts in `ctx.state`. */
export interface ProcessMethods<K extends Key, T, Out, S> {
  onRecord(ctx: ProcessContext<K, S, Out>, value: T): void
  onTimer?(ctx: ProcessContext<K, S, Out>, time: number): void
}
/** `state` makes the value that a key without state has; called each time, so that no two keys share one object. */
export type ProcessHandler<K extends Key, T, Out, S> = InitialState<S> & ProcessMethods<K, T, Out, S>
