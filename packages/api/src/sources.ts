// Sources: where records come from, what they are, and when they happened.
import type { Duration } from '@tidemark/base'
import type { Codec } from './codecs.ts'

/** Event time and watermark of a source. The watermark of a partition is its highest event time minus `outOfOrderness`; of a source, the lowest of its partitions. */
export interface EventTimeOptions {
  /** How far behind the newest record of its partition a record may be without being late. Default 1 s. */
  readonly outOfOrderness?: Duration
  /**
   * A partition for which the log has answered for this long that there is no record, while others had some, does not hold the watermark; records
   * that come to it later may be late. Default 10 s.
   */
  readonly idleAfter?: Duration
}

export interface TopicOptions<T> extends EventTimeOptions {
  readonly value: Codec<T>
  /** Event time of a value, ms since 1970. Default: the log's time of the record. */
  readonly timestamp?: (value: T) => number
}
export interface FilesOptions<T> extends EventTimeOptions {
  /** Codec of one line. */
  readonly value: Codec<T>
  /** Event time of a value, ms since 1970. Demanded: a line has no time of its own. */
  readonly timestamp: (value: T) => number
}
export interface GeneratorOptions<T> extends EventTimeOptions {
  /** 1 to 1,000. */
  readonly partitions: number
  /** Records per partition. Default: endless. */
  readonly count?: number
  /** Records a second over all partitions. Default: as fast as it goes. */
  readonly perSecond?: number
  /** Record `sequence` (from 0) of `partition` (from 0). Pure: called again for the same numbers it answers the same, or a replay differs. */
  readonly make: (partition: number, sequence: number) => T
  /** Event time of a value, ms since 1970. Demanded: what is made has no time of its own. */
  readonly timestamp: (value: T) => number
}

/** What `job.source` takes. Made by `topic`, `files`, `generator`. */
export type SourceSpec<T> =
  | { readonly kind: 'topic', readonly topic: string, readonly options: TopicOptions<T> }
  | { readonly kind: 'file', readonly paths: readonly string[], readonly options: FilesOptions<T> }
  | { readonly kind: 'generator', readonly options: GeneratorOptions<T> }

/**
 * A topic of the log, all its partitions, read_committed.
 *
 * @example
 * job('revenue').source('orders', topic('orders', { value: json<Order>(), timestamp: (order) => order.ts, outOfOrderness: '2s' }))
 */
export const topic = <T>(name: string, options: TopicOptions<T>): SourceSpec<T> => ({ kind: 'topic', topic: name, options })

/**
 * Files of lines (NDJSON with `json()`), each file one partition, in this order. Read as they are: a file must not change while it is read,
 * but for lines that are added; a last line without a newline waits for it.
 * A relative path is relative to the working directory of the executor that reads it.
 *
 * @example
 * job('import').source('orders', files(['day1.ndjson', 'day2.ndjson'], { value: json<Order>(), timestamp: (order) => order.ts }))
 */
export const files = <T>(paths: readonly string[], options: FilesOptions<T>): SourceSpec<T> => ({ kind: 'file', paths, options })

/**
 * Records made by a pure function; replayable like a topic.
 *
 * @example
 * generator({ partitions: 4, perSecond: 1_000, make: (partition, sequence) => ({ user: `u${partition}`, ts: sequence }), timestamp: (event) => event.ts })
 */
export const generator = <T>(options: GeneratorOptions<T>): SourceSpec<T> => ({ kind: 'generator', options })
