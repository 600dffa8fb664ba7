// cutStages: from the logical plan to stages. A `keyBy` that shuffles ends a stage; everything between two shuffles is fused.
import { stageId, TidemarkError } from '@tidemark/base'
import type { LogicalPlan, NodeId, PhysicalPlan, StageInput, StagePlan } from './plan.ts'

const broken = (path: string, message: string): TidemarkError =>
  new TidemarkError(`${path}: ${message}`, { code: 'PLAN_UNCUTTABLE', blame: 'bug', action: 'fail-job', path, hint: 'Only a plan without problems (checkPlan) can be cut into stages.' })

/** A stage while it is filled. */
interface OpenStage {
  readonly id: string
  readonly input: StageInput
  readonly nodes: NodeId[]
  readonly shuffles: { readonly shuffle: string, readonly keyBy: NodeId, readonly to: string }[]
}

/**
 * Stages `s0`, `s1`, … : first those of the sources, then those that read a shuffle, both in the order of the plan's nodes, which is
 * topological. A node has one input, so a stage has one too: a source, or the shuffle `<upstream stage>-<keyBy node>`. Each source begins
 * a stage of its own; branches stay in their stage. Requires a plan without problems (`checkPlan`); the plan is not changed.
 */
export const cutStages = (plan: LogicalPlan): PhysicalPlan => {
  const stages: OpenStage[] = []
  /** The stage in which a node's output is: a shuffling keyBy's output is in the stage that reads it. */
  const outputIn = new Map<NodeId, OpenStage>()
  const open = (id: string, input: StageInput): OpenStage => {
    const stage: OpenStage = { id, input, nodes: [], shuffles: [] }
    stages.push(stage)
    return stage
  }
  for (const node of plan.nodes) {
    if (node.kind === 'source') outputIn.set(node.id, open(stageId(stages.length), { kind: 'source', node: node.id }))
  }
  for (const node of plan.nodes) {
    const stage = outputIn.get(node.kind === 'source' ? node.id : node.input)
    if (stage === undefined) throw broken(`nodes.${node.id}`, 'its input is not before it')
    stage.nodes.push(node.id)
    if (node.kind === 'keyBy' && !node.copartitioned) {
      const shuffle = `${stage.id}-${node.id}`
      const reader = open(stageId(stages.length), { kind: 'shuffle', shuffle, from: stage.id, keyBy: node.id })
      stage.shuffles.push({ shuffle, keyBy: node.id, to: reader.id })
      outputIn.set(node.id, reader)
    } else outputIn.set(node.id, stage)
  }
  return { stages: stages.map(({ id, input, nodes, shuffles }): StagePlan => ({ id, inputs: [input], nodes, shuffles })) }
}

/**
 * How many partitions, and so tasks, each stage has, by stage id. `sourcePartitions`: partitions of a source, by its node id. A stage that
 * reads a source has one task per source partition; one that reads a shuffle has `settings.parallelism`.
 */
export const stagePartitions = (plan: LogicalPlan, physical: PhysicalPlan, sourcePartitions: (node: NodeId) => number): ReadonlyMap<string, number> =>
  new Map(physical.stages.map(({ id, inputs }) => {
    const counts = inputs.map((input) => input.kind === 'source' ? sourcePartitions(input.node) : plan.settings.parallelism)
    const partitions = Math.max(...counts)
    if (!Number.isSafeInteger(partitions) || partitions < 1) throw broken(`stages.${id}`, `${partitions} is no number of partitions`)
    return [id, partitions]
  }))
