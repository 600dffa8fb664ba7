// Makes the tasks of a run: what never changes comes from run record and plan, what the topics are from the log.
import type { Clock, Log, TaskRef } from '@tidemark/base'
import type { RunRecord } from '@tidemark/checkpoint'
import { createTask } from '@tidemark/runtime'
import type { SinkTopic, Task } from '@tidemark/runtime'
import type { LogicalPlan, NodeFunctions, NodeId, PhysicalPlan } from 'tidemark'

interface Needs {
  readonly log: Log
  readonly clock: Clock
  readonly run: RunRecord
  readonly plan: LogicalPlan
  readonly physical: PhysicalPlan
  readonly functions: ReadonlyMap<NodeId, NodeFunctions>
}

/** Asks the log once about the topics that sinks write and sources begin at; then tasks are made without waiting. */
export const taskFactory = async ({ log, clock, run, plan, physical, functions }: Needs): Promise<(ref: TaskRef) => Task> => {
  const written = plan.nodes.flatMap((node) => (node.kind === 'sink' && node.sink.kind === 'topic' ? [node.sink.topic] : []))
  const topics: ReadonlyMap<string, SinkTopic> = await log.describeTopics([...written, plan.settings.deadLetterTopic])
  const sources = [...new Set(run.stages.flatMap((stage) => stage.inputs.flatMap((input) => (input.kind === 'topic' ? [input.topic] : []))))]
  const sourceTopics = await log.describeTopics(sources)
  // A run without a commit begins at the oldest record that there is.
  const starts = new Map<string, number>()
  for (const topic of sources) for (const { partition, start } of await log.offsets(topic)) starts.set(`${topic}/${partition}`, start)
  return (ref) => createTask({
    ref, plan, physical, functions, run, topics, sourceTopics, clock,
    partitionFor: (key, partitions) => log.partitionFor(key, partitions),
    begin: (_input, topic, partition) => starts.get(`${topic}/${partition}`) ?? 0,
  })
}
