// A source's node and functions from what `topic`, `files` or `generator` made.
import { codecName, hasSchema } from '../codecs.ts'
import { durationMs, misuse, number, synchronous, text } from '../misuse.ts'
import type { BytesSourceFunctions, GeneratorSourceFunctions } from '../plan/functions.ts'
import type { FileSourcePlan, GeneratorSourcePlan, NodeId, SourceNode, TopicSourcePlan } from '../plan/plan.ts'
import type { FilesOptions, GeneratorOptions, SourceSpec, TopicOptions } from '../sources.ts'
import type { Graph } from './graph.ts'

const DEFAULT_OUT_OF_ORDERNESS = '1s'
const DEFAULT_IDLE_AFTER = '10s'

const planOf = <T>(spec: SourceSpec<T>, path: string): TopicSourcePlan | FileSourcePlan | GeneratorSourcePlan => {
  switch (spec.kind) {
    case 'topic':
      return { kind: 'topic', topic: text(spec.topic, `${path}.topic`) }
    case 'file':
      if (!Array.isArray(spec.paths)) throw misuse(`${path}.paths`, 'a list of paths is wanted')
      return { kind: 'file', paths: spec.paths.map((each, index) => text(each, `${path}.paths.${index}`)) }
    case 'generator': {
      const { partitions, count, perSecond } = spec.options
      return {
        kind: 'generator',
        partitions: number(partitions, `${path}.partitions`),
        ...(count === undefined ? {} : { count: number(count, `${path}.count`) }),
        ...(perSecond === undefined ? {} : { perSecond: number(perSecond, `${path}.perSecond`) }),
      }
    }
    default:
      throw misuse(path, 'a source is made by topic(…), files(…) or generator(…)')
  }
}

const bytesFunctions = <T>(source: 'topic' | 'file', { value, timestamp }: TopicOptions<T> | FilesOptions<T>, path: string): BytesSourceFunctions => {
  if (typeof value !== 'object' || value === null) throw misuse(`${path}.value`, 'a codec is wanted: json(), string(), bytes() or your own')
  synchronous(value.decode, `${path}.value.decode`)
  if (timestamp === undefined) return { kind: 'source', source, decode: (bytes) => value.decode(bytes) }
  return { kind: 'source', source, decode: (bytes) => value.decode(bytes), timestamp: synchronous(timestamp, `${path}.timestamp`) }
}

const generatorFunctions = <T>({ make, timestamp }: GeneratorOptions<T>, path: string): GeneratorSourceFunctions =>
  ({ kind: 'source', source: 'generator', make: synchronous(make, `${path}.make`), timestamp: synchronous(timestamp, `${path}.timestamp`) })

export const addSource = <T>(graph: Graph, name: string, spec: SourceSpec<T>): NodeId => {
  const path = `nodes.source:${text(name, 'source(name)')}`
  if (typeof spec !== 'object' || spec === null) throw misuse(path, 'a source is made by topic(…), files(…) or generator(…)')
  if (typeof spec.options !== 'object' || spec.options === null) throw misuse(path, 'its options are missing')
  const source = planOf(spec, path)
  const functions = spec.kind === 'generator' ? generatorFunctions(spec.options, path) : bytesFunctions(spec.kind, spec.options, path)
  const { outOfOrderness, idleAfter } = spec.options
  return graph.add((id): SourceNode => ({
    id,
    kind: 'source',
    name,
    source,
    codec: spec.kind === 'generator' ? 'custom' : codecName(spec.options.value),
    hasSchema: spec.kind === 'generator' ? false : hasSchema(spec.options.value),
    eventTime: functions.timestamp === undefined ? 'record' : 'function',
    outOfOrdernessMs: durationMs(outOfOrderness ?? DEFAULT_OUT_OF_ORDERNESS, `${path}.outOfOrderness`),
    idleAfterMs: durationMs(idleAfter ?? DEFAULT_IDLE_AFTER, `${path}.idleAfter`),
  }), functions)
}
