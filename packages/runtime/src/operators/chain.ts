// Builds the fused call chain of one stage: for each input a function that takes a value through every operator behind it, and the operators
// that act when the watermark moves, in the order of the plan.
import { TidemarkError } from '@tidemark/base'
import type { JobId } from '@tidemark/base'
import type { AggregateNode, LogicalPlan, NodeFunctions, NodeId, PlanNode, ProcessNode, ReduceNode, SinkNode, StagePlan } from 'tidemark'
import { TimerTable } from '../state/timer-table.ts'
import type { TaskState } from '../state/task-state.ts'
import { TupleTable } from '../state/tuple-table.ts'
import { ValueTable } from '../state/value-table.ts'
import type { Outputs } from '../task/outputs.ts'
import { AggregateOperator, initialTuple, isFlat } from './aggregate.ts'
import { WindowCloser } from './closing.ts'
import type { Advancing } from './closing.ts'
import { aggregateFolding, FoldOperator, reduceFolding } from './fold.ts'
import type { Folding } from './fold.ts'
import { ProcessOperator } from './process.ts'
import type { Push, Scope } from './scope.ts'
import { ShuffleWriter } from './shuffle-writer.ts'
import { outboxSink, topicSink } from './sinks.ts'
import type { PartitionFor, SinkTopic } from './sinks.ts'
import { copartitionedKeyOperator, fanOut, filterOperator, flatMapOperator, mapOperator } from './transforms.ts'

export interface ChainOptions {
  readonly job: JobId
  readonly plan: LogicalPlan
  readonly stage: StagePlan
  readonly functions: ReadonlyMap<NodeId, NodeFunctions>
  readonly shuffles: ReadonlyMap<string, { readonly topic: string, readonly partitions: number, readonly carriesOrigin: boolean, readonly renewMs: number }>
  readonly topics: ReadonlyMap<string, SinkTopic>
  readonly partitionFor: PartitionFor
  readonly rotation: () => number
  readonly state: TaskState
  readonly scope: Scope
  readonly outputs: Outputs
}

export interface Chain {
  /** By the node whose output comes in: a source, or the keyBy of a shuffle that is read. */
  readonly entries: ReadonlyMap<NodeId, Push>
  readonly advancing: readonly Advancing[]
  readonly writers: readonly ShuffleWriter[]
}

/** For people: `aggregate "totals"`, `map n3`. */
export const operatorName = (node: PlanNode): string => 'name' in node ? `${node.kind} "${node.name}"` : `${node.kind} ${node.id}`

const missing = (what: string, hint: string): TidemarkError => new TidemarkError(what, { code: 'TASK_PLAN_MISMATCH', blame: 'bug', action: 'fail-job', hint })

class ChainBuilder {
  readonly #options: ChainOptions
  readonly #nodes: readonly PlanNode[]
  readonly #advancing = new Map<NodeId, Advancing>()
  readonly writers: ShuffleWriter[] = []

  constructor(options: ChainOptions) {
    this.#options = options
    const here = new Set(options.stage.nodes)
    this.#nodes = options.plan.nodes.filter((node) => here.has(node.id))
  }

  get advancing(): Advancing[] {
    return this.#nodes.flatMap((node) => this.#advancing.get(node.id) ?? [])
  }

  #readers(of: NodeId): PlanNode[] {
    return this.#nodes.filter((node) => node.kind !== 'source' && node.input === of)
  }

  /** Everything behind a node's output; `lagMs`: how much later than the watermark it may come. */
  behind(node: NodeId, lagMs: number): Push {
    return fanOut(this.#readers(node).map((reader) => this.#operator(reader, lagMs)))
  }

  /** Whether an operator behind this node, in this stage, may keep the values it gets. */
  #keptBehind(node: NodeId): boolean {
    return this.#readers(node).some((reader) => reader.kind === 'process' || this.#keptBehind(reader.id))
  }

  #functions<K extends NodeFunctions['kind']>(node: NodeId, kind: K): Extract<NodeFunctions, { kind: K }> {
    const found = this.#options.functions.get(node)
    if (found?.kind !== kind) throw missing(`node ${node} of the plan is a ${kind}, the job's code has ${found === undefined ? 'nothing' : `a ${found.kind}`} there`, 'The bundle and the submitted plan do not belong together.')
    return found as Extract<NodeFunctions, { kind: K }>
  }

  #operator(node: PlanNode, lagMs: number): Push {
    const { scope } = this.#options
    switch (node.kind) {
      case 'source': throw missing(`source ${node.id} reads another node`, 'The plan is broken.')
      case 'map': return mapOperator(node.id, this.#functions(node.id, 'map'), scope, this.behind(node.id, lagMs))
      case 'filter': return filterOperator(node.id, this.#functions(node.id, 'filter'), scope, this.behind(node.id, lagMs))
      case 'flatMap': return flatMapOperator(node.id, this.#functions(node.id, 'flatMap'), scope, this.behind(node.id, lagMs))
      case 'keyBy': return node.copartitioned ? copartitionedKeyOperator(node.id, this.#functions(node.id, 'keyBy'), scope, this.behind(node.id, lagMs)) : this.#shuffle(node.id, lagMs)
      case 'aggregate': return this.#aggregate(node, lagMs)
      case 'reduce': return this.#fold(node, reduceFolding(node, this.#functions(node.id, 'reduce')), lagMs)
      case 'process': return this.#process(node, lagMs)
      case 'sink': return this.#sink(node)
    }
  }

  #shuffle(node: NodeId, lagMs: number): Push {
    const written = this.#options.stage.shuffles.find((shuffle) => shuffle.keyBy === node)
    const target = written === undefined ? undefined : this.#options.shuffles.get(written.shuffle)
    if (written === undefined || target === undefined) throw missing(`keyBy ${node} has no shuffle in stage ${this.#options.stage.id}`, 'The run record and the plan do not belong together.')
    const writer = new ShuffleWriter(node, this.#functions(node, 'keyBy'), { shuffle: written.shuffle, ...target }, this.#options.scope, this.#options.outputs, lagMs)
    this.writers.push(writer)
    return writer.push
  }

  #lagBehind(node: AggregateNode | ReduceNode, lagMs: number): number {
    return lagMs + (node.window?.allowedLatenessMs ?? 0)
  }

  #aggregate(node: AggregateNode, lagMs: number): Push {
    const { state, scope } = this.#options
    const functions = this.#functions(node.id, 'aggregate')
    if (!isFlat(functions)) return this.#fold(node, aggregateFolding(node, functions), lagMs)
    const table = state.add(new TupleTable(node.name, state.meter, initialTuple(functions)))
    const operator = new AggregateOperator(node, functions, table, scope, lagMs, this.behind(node.id, this.#lagBehind(node, lagMs)))
    if (node.window !== null) this.#advancing.set(node.id, new WindowCloser(operator, scope))
    return operator.push
  }

  #fold(node: AggregateNode | ReduceNode, folding: Folding, lagMs: number): Push {
    const { state, scope } = this.#options
    const table = state.add(new ValueTable(node.name, state.meter))
    const operator = new FoldOperator(node, folding, table, scope, lagMs, this.#keptBehind(node.id), this.behind(node.id, this.#lagBehind(node, lagMs)))
    if (node.window !== null) this.#advancing.set(node.id, new WindowCloser(operator, scope))
    return operator.push
  }

  #process(node: ProcessNode, lagMs: number): Push {
    const { state, scope, job } = this.#options
    const values = state.add(new ValueTable(node.name, state.meter))
    const pending = state.add(new TimerTable(`${node.name}/timers`, state.meter))
    const operator = new ProcessOperator({ job, node, functions: this.#functions(node.id, 'process'), values, pending, scope, lagMs, copies: this.#keptBehind(node.id), next: this.behind(node.id, lagMs) })
    this.#advancing.set(node.id, operator)
    return operator.push
  }

  #sink(node: SinkNode): Push {
    const { scope, outputs, topics, partitionFor, rotation } = this.#options
    const functions = this.#functions(node.id, 'sink')
    if (node.sink.kind !== 'topic') return outboxSink(node, functions, scope, outputs)
    const topic = topics.get(node.sink.topic)
    if (topic === undefined) throw missing(`the partitions of sink topic "${node.sink.topic}" are not known`, 'Describe the topic before the task is made.')
    return topicSink(node, node.sink.topic, topic, functions, scope, outputs, partitionFor, rotation)
  }
}

export const buildChain = (options: ChainOptions): Chain => {
  const builder = new ChainBuilder(options)
  const entries = new Map<NodeId, Push>()
  for (const input of options.stage.inputs) {
    const node = input.kind === 'source' ? input.node : input.keyBy
    entries.set(node, builder.behind(node, 0))
  }
  return { entries, advancing: builder.advancing, writers: builder.writers }
}
