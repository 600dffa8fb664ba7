// A sink's node and functions from what `topicSink`, `fileSink`, `stdoutSink` or `markerSink` made.
import { codecName, encodeJson } from '../codecs.ts'
import { misuse, synchronous, text } from '../misuse.ts'
import type { SinkFunctions } from '../plan/functions.ts'
import type { FileSinkPlan, MarkerSinkPlan, NodeId, SinkNode, StdoutSinkPlan, TopicSinkPlan } from '../plan/plan.ts'
import type { SinkSpec, TopicSinkSpec } from '../sinks.ts'
import type { Graph } from './graph.ts'

const planOf = <T>(spec: SinkSpec<T>, path: string): TopicSinkPlan | FileSinkPlan | StdoutSinkPlan | MarkerSinkPlan => {
  switch (spec.kind) {
    case 'topic':
      return { kind: 'topic', topic: text(spec.topic, `${path}.topic`) }
    case 'file':
      return { kind: 'file', folder: text(spec.folder, `${path}.folder`) }
    case 'stdout':
    case 'marker':
      return { kind: spec.kind }
    default:
      throw misuse(path, 'a sink is made by topicSink(…), fileSink(…), stdoutSink() or markerSink()')
  }
}

const topicFunctions = <T>({ value, key }: TopicSinkSpec<T>, path: string): SinkFunctions => {
  if (typeof value !== 'object' || value === null) throw misuse(`${path}.value`, 'a codec is wanted: json(), string(), bytes() or your own')
  const methods: { encode(value: T): Buffer | string, key?(value: T): string | number } = {
    encode: synchronous(value.encode, `${path}.value.encode`).bind(value),
    ...(key === undefined ? {} : { key: synchronous(key, `${path}.key`) }),
  }
  return { kind: 'sink', ...methods }
}

export const addSink = <T>(graph: Graph, name: string, input: NodeId, spec: SinkSpec<T>): NodeId => {
  const path = `nodes.sink:${text(name, 'sink(name)')}`
  if (typeof spec !== 'object' || spec === null) throw misuse(path, 'a sink is made by topicSink(…), fileSink(…), stdoutSink() or markerSink()')
  const sink = planOf(spec, path)
  const functions: SinkFunctions = spec.kind === 'topic' ? topicFunctions(spec, path) : { kind: 'sink', encode: encodeJson }
  return graph.add((id): SinkNode => ({ id, kind: 'sink', name, input, sink, codec: spec.kind === 'topic' ? codecName(spec.value) : 'json', hasKey: functions.key !== undefined }), functions)
}
