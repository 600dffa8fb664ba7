// Sinks: where results go.
import type { Codec } from './codecs.ts'
import type { Key } from './process.ts'

export interface TopicSinkOptions<T> {
  readonly value: Codec<T>
  /** Key of the record: `String(key)` as UTF-8, partitioned as the log's own clients do. Default: the key of the nearest `keyBy` before the sink; without one, none. */
  readonly key?: (value: T) => Key
}

/** What `stream.sink` takes. Made by `topicSink`, `fileSink`, `stdoutSink`, `markerSink`. */
export type SinkSpec<T> = TopicSinkSpec<T> | JsonSinkSpec
/** Takes a `T` only: a sink of a wider type does for it, one of a narrower type does not. */
export interface TopicSinkSpec<in T> {
  readonly kind: 'topic'
  readonly topic: string
  readonly value: Pick<Codec<T>, 'encode'>
  readonly key?: (value: T) => Key
}
/** Sinks that take any value as JSON. */
export type JsonSinkSpec = { readonly kind: 'file', readonly folder: string } | { readonly kind: 'stdout' } | { readonly kind: 'marker' }

/**
 * A topic, in the same transaction as state and positions: exactly once for a reader that reads committed.
 * A record's own time is the event time of the value, of a window's result its last millisecond; at most half an hour ahead of the clock, though: Kafka refuses more.
 *
 * @example
 * totals.sink('totals', topicSink('totals', { value: json() }))
 */
export const topicSink = <T>(topic: string, options: TopicSinkOptions<T>): TopicSinkSpec<T> => ({ kind: 'topic', topic, ...options })

/** NDJSON files in a folder, one per task and batch with output, complete when their name appears: exactly once. A relative path is relative to the executor's working directory. `.tidemark` in it is the sink's own. */
export const fileSink = (folder: string): JsonSinkSpec => ({ kind: 'file', folder })

/** One line of JSON per value, at least once, on the standard output of the executor that runs the task; under `tidemark dev` in its terminal, too. */
export const stdoutSink = (): JsonSinkSpec => ({ kind: 'stdout' })

/** In memory, for tests: keeps (run, batchId) with what it was given, as a store with markers does. Exactly once. */
export const markerSink = (): JsonSinkSpec => ({ kind: 'marker' })
