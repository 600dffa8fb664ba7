// What the plan can't hold: the functions of each node, found by node id with `jobFunctions`. The runtime calls them with values whose
// types the builder has checked and then forgotten. They are written as methods, whose parameters TypeScript compares both ways, so that
// a typed user function can be stored here without a cast.
//
// All are synchronous: a promise that one returns is refused by the caller (`JOB_ASYNC_FUNCTION`). Any may throw: that is the record's
// error, handled by the job's `onError`. But an error whose code begins with `JOB_ASYNC_` is a mistake of the job, the same for every
// record: it stops the job whatever `onError` says.
import type { Key, ProcessContext } from '../process.ts'
import type { AggregateKind } from './plan.ts'

/** A source whose records are bytes. */
export interface BytesSourceFunctions {
  readonly kind: 'source'
  readonly source: 'topic' | 'file'
  /** Parses and, with a schema, validates. Throws `JOB_DECODE` (no such bytes) or `JOB_SCHEMA` (parsed, but refused by the schema). */
  decode(bytes: Buffer): unknown
  /** Event time, ms since 1970; absent: the record's own time is used (`eventTime: 'record'`). The caller checks that it is a finite number. */
  timestamp?(value: unknown): number
}

/** A source whose records are made, not read: no bytes, no codec. */
export interface GeneratorSourceFunctions {
  readonly kind: 'source'
  readonly source: 'generator'
  /** The value of record `sequence` (from 0) of a partition (from 0). Pure: the same each time. */
  make(partition: number, sequence: number): unknown
  timestamp(value: unknown): number
}

export interface MapFunctions {
  readonly kind: 'map'
  map(value: unknown): unknown
}
export interface FilterFunctions {
  readonly kind: 'filter'
  test(value: unknown): boolean
}
export interface FlatMapFunctions {
  readonly kind: 'flatMap'
  flatMap(value: unknown): Iterable<unknown>
}
export interface KeyByFunctions {
  readonly kind: 'keyBy'
  /** The caller checks that it is a string or a finite number. */
  key(value: unknown): Key
}

/** One field of an aggregate. Accumulators are plain data; those of the built-in kinds are copied by assignment, see `of`. */
export interface Aggregator {
  readonly field: string
  readonly kind: AggregateKind
  /** A new accumulator. Built-ins: count 0, sum 0, min null, max null, avg [0, 0] (sum, count). */
  initial(): unknown
  /** Answers the next accumulator. Built-ins never change the old one in place; a `custom` one may, and may answer the same object. */
  add(accumulator: unknown, value: unknown): unknown
  /** Never called before the first `add`. */
  result(accumulator: unknown): unknown
  /** Both accumulators' records as one; only where a custom aggregate has it. No operator of today needs it. */
  merge?(a: unknown, b: unknown): unknown
  /** sum, min, max, avg: the number taken from a value, unchecked, for a caller that folds by `kind` itself. */
  of?(value: unknown): number
}
export interface AggregateFunctions {
  readonly kind: 'aggregate'
  /** In the order of the plan's `fields`. */
  readonly aggregators: readonly Aggregator[]
}
export interface ReduceFunctions {
  readonly kind: 'reduce'
  /** The first record of a key (and window) is the first accumulator. May change `accumulator` in place and answer it. */
  reduce(accumulator: unknown, value: unknown): unknown
}
export interface ProcessFunctions {
  readonly kind: 'process'
  /** Makes the state of a key that has none; absent: undefined. */
  initial?(): unknown
  onRecord(ctx: ProcessContext<Key, unknown, unknown>, value: unknown): void
  onTimer?(ctx: ProcessContext<Key, unknown, unknown>, time: number): void
}
export interface SinkFunctions {
  readonly kind: 'sink'
  encode(value: unknown): Buffer | string
  /** Present when the plan says `hasKey`. In the topic it is `String(key)` as UTF-8. */
  key?(value: unknown): Key
}

export type NodeFunctions =
  | BytesSourceFunctions | GeneratorSourceFunctions | MapFunctions | FilterFunctions | FlatMapFunctions | KeyByFunctions
  | AggregateFunctions | ReduceFunctions | ProcessFunctions | SinkFunctions
