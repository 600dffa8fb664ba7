// Streams: handles on a node of the graph. Using one adds nodes; the handle itself never changes, so it may be used several times.
import { aggregatorOf } from '../aggregates.ts'
import { durationMs, misuse, synchronous, text } from '../misuse.ts'
import type { KeyByFunctions, NodeFunctions, ProcessFunctions, ReduceFunctions } from '../plan/functions.ts'
import type { Emit, NodeId, PlanNode, TumblingPlan } from '../plan/plan.ts'
import type { Key, ProcessHandler, ProcessMethods } from '../process.ts'
import type { SinkSpec } from '../sinks.ts'
import type { Aggregated, AggregateFields, Job, KeyByOptions, KeyedStream, Reduced, ReservedFields, Stream, UpdatesOptions, WindowAggregated, WindowedOptions, WindowedStream, WindowReduced } from '../stream.ts'
import type { WindowSpec } from '../windows.ts'
import type { Graph } from './graph.ts'
import { addSink } from './sink.ts'

/** Where a stream stands: its job, the job's graph, and the node whose output it is. */
export interface Place {
  readonly job: Job
  readonly graph: Graph
  readonly node: NodeId
}

const behind = (place: Place, node: (id: NodeId) => PlanNode, functions: NodeFunctions): Place => ({ ...place, node: place.graph.add(node, functions) })

export const streamAt = <T>(place: Place): Stream<T> => {
  const input = place.node
  function filter<U extends T>(f: (value: T) => value is U): Stream<U>
  function filter(f: (value: T) => boolean): Stream<T>
  function filter(f: (value: T) => boolean): Stream<T> {
    const methods: { test(value: T): boolean } = { test: synchronous(f, 'filter(f)') }
    return streamAt(behind(place, (id) => ({ id, kind: 'filter', input }), { kind: 'filter', ...methods }))
  }
  return {
    filter,
    map: <U>(f: (value: T) => U) => {
      const methods: { map(value: T): U } = { map: synchronous(f, 'map(f)') }
      return streamAt<U>(behind(place, (id) => ({ id, kind: 'map', input }), { kind: 'map', ...methods }))
    },
    flatMap: <U>(f: (value: T) => Iterable<U>) => {
      const methods: { flatMap(value: T): Iterable<U> } = { flatMap: synchronous(f, 'flatMap(f)') }
      return streamAt<U>(behind(place, (id) => ({ id, kind: 'flatMap', input }), { kind: 'flatMap', ...methods }))
    },
    keyBy: <K extends Key>(f: (value: T) => K, options: KeyByOptions = {}) => {
      const methods: { key(value: T): K } = { key: synchronous(f, 'keyBy(f)') }
      const functions: KeyByFunctions = { kind: 'keyBy', ...methods }
      return keyedAt<K, T>(behind(place, (id) => ({ id, kind: 'keyBy', input, copartitioned: options.copartitioned === true }), functions))
    },
    sink: (name: string, sink: SinkSpec<T>) => {
      addSink(place.graph, name, input, sink)
      return place.job
    },
  }
}

const resolveWindow = (window: WindowSpec, path: string): TumblingPlan => {
  if (typeof window !== 'object' || window === null || window.kind !== 'tumbling') throw misuse(path, 'a window is made by tumbling(size, { allowedLateness })')
  return { kind: 'tumbling', sizeMs: durationMs(window.size, `${path}.size`), allowedLatenessMs: durationMs(window.allowedLateness, `${path}.allowedLateness`) }
}

const addAggregate = <T>(place: Place, name: string, fields: AggregateFields<T>, window: WindowSpec | null, emit: Emit): Place => {
  const path = `nodes.aggregate:${text(name, 'aggregate(name)')}`
  if (typeof fields !== 'object' || fields === null) throw misuse(`${path}.fields`, 'an object of aggregates by field name is wanted')
  const aggregators = Object.entries(fields).map(([field, of]) => aggregatorOf(field, of, `${path}.fields.${field}`))
  const resolved = window === null ? null : resolveWindow(window, `${path}.window`)
  return behind(place, (id) => ({ id, kind: 'aggregate', name, input: place.node, window: resolved, emit, fields: aggregators.map(({ field, kind }) => ({ field, kind })) }), { kind: 'aggregate', aggregators })
}

const addReduce = <T>(place: Place, name: string, f: (accumulator: T, value: T) => T, window: WindowSpec | null, emit: Emit): Place => {
  const path = `nodes.reduce:${text(name, 'reduce(name)')}`
  const methods: { reduce(accumulator: T, value: T): T } = { reduce: synchronous(f, path) }
  const functions: ReduceFunctions = { kind: 'reduce', ...methods }
  const resolved = window === null ? null : resolveWindow(window, `${path}.window`)
  return behind(place, (id) => ({ id, kind: 'reduce', name, input: place.node, window: resolved, emit }), functions)
}

const addProcess = <K extends Key, T, Out, S>(place: Place, name: string, handler: ProcessHandler<K, T, Out, S>): Place => {
  const path = `nodes.process:${text(name, 'process(name)')}`
  if (typeof handler !== 'object' || handler === null) throw misuse(path, 'a handler is wanted: { state?, onRecord, onTimer? }')
  synchronous(handler.onRecord, `${path}.onRecord`)
  if (handler.onTimer !== undefined) synchronous(handler.onTimer, `${path}.onTimer`)
  if (handler.state !== undefined) synchronous(handler.state, `${path}.state`)
  // Bound, so that a handler may be an object with fields of its own.
  const methods: ProcessMethods<K, T, Out, S> = {
    onRecord: handler.onRecord.bind(handler),
    ...(handler.onTimer === undefined ? {} : { onTimer: handler.onTimer.bind(handler) }),
  }
  const functions: ProcessFunctions = { kind: 'process', ...(handler.state === undefined ? {} : { initial: handler.state.bind(handler) }), ...methods }
  return behind(place, (id) => ({ id, kind: 'process', name, input: place.node }), functions)
}

const keyedAt = <K extends Key, T>(place: Place): KeyedStream<K, T> => ({
  window: (window) => windowedAt<K, T>(place, window),
  aggregate: <F extends AggregateFields<T>>(name: string, fields: F & ReservedFields, options: UpdatesOptions = {}) =>
    streamAt<Aggregated<K, F>>(addAggregate<T>(place, name, fields, null, options.emit ?? 'updates')),
  reduce: (name: string, f: (accumulator: T, value: T) => T, options: UpdatesOptions = {}) =>
    streamAt<Reduced<K, T>>(addReduce(place, name, f, null, options.emit ?? 'updates')),
  process: <Out, S>(name: string, handler: ProcessHandler<K, T, Out, S>) => streamAt<Out>(addProcess(place, name, handler)),
})

const windowedAt = <K extends Key, T>(place: Place, window: WindowSpec): WindowedStream<K, T> => ({
  aggregate: <F extends AggregateFields<T>>(name: string, fields: F & ReservedFields, options: WindowedOptions = {}) =>
    streamAt<WindowAggregated<K, F>>(addAggregate<T>(place, name, fields, window, options.emit ?? 'final')),
  reduce: (name: string, f: (accumulator: T, value: T) => T, options: WindowedOptions = {}) =>
    streamAt<WindowReduced<K, T>>(addReduce(place, name, f, window, options.emit ?? 'final')),
})
