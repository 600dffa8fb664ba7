// createTask: puts a task together from the plan, the job's functions and the run record.
import { howMany, TidemarkError } from '@tidemark/base'
import type { Clock, TaskRef } from '@tidemark/base'
import { assignedPartitions } from '@tidemark/checkpoint'
import type { AssignedPartition, RunInput, RunRecord, RunStage } from '@tidemark/checkpoint'
import type { LogicalPlan, NodeFunctions, NodeId, PhysicalPlan, PlanNode, SourceNode, StagePlan } from 'tidemark'
import { buildChain, operatorName } from '../operators/chain.ts'
import { Scope } from '../operators/scope.ts'
import type { PartitionFor, SinkTopic } from '../operators/sinks.ts'
import { OutboxTable } from '../state/outbox-table.ts'
import { TaskState } from '../state/task-state.ts'
import { renewMs } from '../watermarks/idle-claims.ts'
import { Upstreams } from '../watermarks/upstreams.ts'
import type { UpstreamShuffle } from '../watermarks/upstreams.ts'
import { DeadLetters } from './dead-letters.ts'
import { FaultPolicy } from './fault-policy.ts'
import { InputPartition } from './input.ts'
import { Outbox } from './outbox.ts'
import { Outputs } from './outputs.ts'
import { BlockIntake, SourceIntake } from './record-intake.ts'
import { Room } from './room.ts'
import { StageTask } from './stage-task.ts'
import { Tally } from './tally.ts'
import type { Task } from './task.ts'

/** Name of the outbox's state table; no operator can be called so. */
const OUTBOX_TABLE = '/outbox'

export interface TaskOptions {
  readonly ref: TaskRef
  readonly plan: LogicalPlan
  /** `cutStages(plan)`. */
  readonly physical: PhysicalPlan
  /** `jobFunctions(job)`. */
  readonly functions: ReadonlyMap<NodeId, NodeFunctions>
  /** What never changes in the run: partitions of inputs and shuffles. */
  readonly run: Pick<RunRecord, 'stages' | 'shuffles'>
  /** Of every topic that the stage's sinks write, and of the dead-letter topic. */
  readonly topics: ReadonlyMap<string, SinkTopic>
  /** The log's `partitionFor`. */
  readonly partitionFor: PartitionFor
  readonly clock: Clock
  /** Partitions that the topics of sources have now, as far as known: they may be more than the run began with. */
  readonly sourceTopics?: ReadonlyMap<string, { readonly partitions: number }>
  /** Where a run without a snapshot begins, per source partition; default 0. */
  readonly begin?: (input: string, topic: string, partition: number) => number
}

const mismatch = (message: string): TidemarkError =>
  new TidemarkError(message, { code: 'TASK_PLAN_MISMATCH', blame: 'bug', action: 'fail-job', hint: 'The run record, the plan and the bundle do not belong together.' })

const repartitioned = (task: TaskRef, { topic, partitions }: RunInput, now: number): TidemarkError =>
  new TidemarkError(`topic "${topic}" has ${howMany(now, 'partition')}, the run began with ${partitions}: records of a key may be in another partition than its state`, {
    code: 'TASK_SOURCE_REPARTITIONED', blame: 'user', action: 'fail-job', ...task, topic, details: { began: partitions, now },
    hint: 'A job that is `copartitioned` keeps state where its topic has the key. Nothing was lost; what was written since the change may have been counted under a new key. Submit it without `copartitioned`, or anew from the start of its input.',
  })

const found = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw mismatch(what)
  return value
}

export const createTask = (options: TaskOptions): Task => {
  const { ref, plan, physical, run, topics, clock } = options
  const { settings } = plan
  const stage = found(physical.stages.find((one) => one.id === ref.stage), `there is no stage ${ref.stage} in the plan`)
  const runStage = found(run.stages.find((one) => one.stage === ref.stage), `there is no stage ${ref.stage} in the run record`)
  const nodes = new Map(plan.nodes.map((node) => [node.id, node]))
  const [state, scope, outputs, tally] = [new TaskState(), new Scope(), new Outputs(), new Tally()]
  const room = new Room(outputs, state.meter, clock)
  const deadLetterTopic = topics.get(settings.deadLetterTopic)
  if (deadLetterTopic === undefined && settings.onError === 'dead-letter') throw mismatch(`the partitions of the dead-letter topic "${settings.deadLetterTopic}" are not known`)
  const letters = new DeadLetters(outputs, settings.deadLetterTopic, deadLetterTopic ?? { partitions: 1 }, ref.job, ref.stage)
  const faults = new FaultPolicy(ref, settings.onError, letters, room, new Map(plan.nodes.map((node) => [node.id, operatorName(node)])))
  const upstreams = new Upstreams(ref, upstreamsOf(stage, run, (from) => longestIdleAfterMs(from, physical, nodes)))
  let rotation = (): number => 0
  const chain = buildChain({
    job: ref.job, plan, stage, functions: options.functions, topics, partitionFor: options.partitionFor, state, scope, outputs, rotation: () => rotation(),
    shuffles: new Map(run.shuffles.map((shuffle) => [shuffle.shuffle, { topic: shuffle.topic, partitions: shuffle.partitions, carriesOrigin: asksForOrigin(shuffle.to, physical, nodes), renewMs: renewMs(longestIdleAfterMs(stage.id, physical, nodes)) }])),
  })
  const intakes = new Map<string, SourceIntake | BlockIntake>()
  const idleAfterMs = new Map<string, number>()
  for (const input of stage.inputs) {
    const push = found(chain.entries.get(input.kind === 'source' ? input.node : input.keyBy), `input of stage ${stage.id}`)
    if (input.kind === 'shuffle') {
      intakes.set(input.shuffle, new BlockIntake({ push, scope, faults, tally, upstreams }))
      continue
    }
    const node = sourceNode(nodes, input.node)
    const functions = options.functions.get(node.id)
    if (functions?.kind !== 'source') throw mismatch(`source "${node.name}" has no functions in the job's code`)
    intakes.set(node.id, new SourceIntake({ push, scope, faults, tally, node: node.id, functions, ownBytes: node.codec === 'bytes' || node.codec === 'custom', outOfOrdernessMs: node.outOfOrdernessMs, futureTimestampBoundMs: settings.futureTimestampBoundMs }))
    idleAfterMs.set(node.id, node.idleAfterMs)
  }
  const made = (assigned: AssignedPartition): InputPartition => new InputPartition({ ...assigned, next: options.begin?.(assigned.input, assigned.topic, assigned.partition) ?? 0 }, ref)
  const copartitioned = stage.nodes.some((id) => {
    const node = nodes.get(id)
    return node?.kind === 'keyBy' && node.copartitioned
  })
  const partitionsOf = (input: string, partitions: number): InputPartition[] => {
    const known = runStage.inputs.find((one) => one.input === input)
    if (known?.kind !== 'topic' || partitions <= known.partitions) return []
    if (copartitioned) throw repartitioned(ref, known, partitions)
    return assignedPartitions({ ...runStage, inputs: [{ ...known, partitions }] }, ref.partition).map(made)
  }
  const inputs = assignedPartitions(runStage, ref.partition).map(made)
  const outbox = new Outbox(state.add(new OutboxTable(OUTBOX_TABLE, state.meter)), ref.run)
  const task = new StageTask({ ref, state, scope, outputs, outbox, room, faults, tally, inputs, partitionsOf, intakes, upstreams, idleAfterMs, advancing: chain.advancing, writers: chain.writers, outboxBytesMax: settings.outboxBytesMax })
  rotation = () => task.batchId + 1
  for (const { input, topic } of runStage.inputs) task.widen(input, options.sourceTopics?.get(topic)?.partitions ?? 0)
  return task
}

const sourceNode = (nodes: ReadonlyMap<NodeId, PlanNode>, id: NodeId): SourceNode => {
  const node = nodes.get(id)
  if (node?.kind !== 'source') throw mismatch(`node ${id} is no source`)
  return node
}

const upstreamsOf = (stage: StagePlan, run: { readonly stages: readonly RunStage[] }, idleAfterMs: (from: string) => number): UpstreamShuffle[] =>
  stage.inputs.flatMap((input) => input.kind === 'source' ? [] : [{
    shuffle: input.shuffle, from: input.from, tasks: found(run.stages.find((one) => one.stage === input.from), `there is no stage ${input.from} in the run record`).partitions,
    idleAfterMs: idleAfterMs(input.from),
  }])

/** Of the sources that a stage's records come from, in whatever number of stages. */
const longestIdleAfterMs = (stageId: string, physical: PhysicalPlan, nodes: ReadonlyMap<NodeId, PlanNode>): number =>
  Math.max(0, ...(physical.stages.find((one) => one.id === stageId)?.inputs ?? []).map((input) => input.kind === 'source' ? sourceNode(nodes, input.node).idleAfterMs : longestIdleAfterMs(input.from, physical, nodes)))

/** Whether user code behind this stage's input may ask for what follows from the source position: then records carry it through shuffles. */
const asksForOrigin = (stageId: string, physical: PhysicalPlan, nodes: ReadonlyMap<NodeId, PlanNode>): boolean => {
  const stage = physical.stages.find((one) => one.id === stageId)
  if (stage === undefined) return false
  return stage.nodes.some((id) => nodes.get(id)?.kind === 'process') || stage.shuffles.some((shuffle) => asksForOrigin(shuffle.to, physical, nodes))
}
