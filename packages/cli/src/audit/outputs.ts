// Counts what output topics hold below ends that were fixed before.
import type { PartitionOffsets, TopicDescription } from '@tidemark/base'
import type { RunRecord, TopicCount } from '@tidemark/checkpoint'
import type { LogicalPlan } from 'tidemark'
import { isTrimmed, readPartition, SETTINGS_HIDDEN, settledEnds } from './partition.ts'
import type { AuditPorts } from './partition.ts'
import type { AuditedRun } from './run.ts'

export interface OutputEnds {
  readonly topics: ReadonlyMap<string, { readonly about: TopicDescription, readonly ends: readonly PartitionOffsets[] }>
}

export interface OutputOptions {
  /** Topics that other programs write to as well. */
  readonly shared: readonly string[]
  /** False: nothing is counted. */
  readonly outputs: boolean
}

const sinkTopics = (plan: LogicalPlan): string[] => [...new Set(plan.nodes.flatMap((node) => node.kind === 'sink' && node.sink.kind === 'topic' ? [node.sink.topic] : []))]

/** Of every output topic that there is: its end, with all below it decided. */
export const outputEnds = async (ports: AuditPorts, { plan }: AuditedRun, options: OutputOptions): Promise<OutputEnds> => {
  const topics = new Map<string, { readonly about: TopicDescription, readonly ends: readonly PartitionOffsets[] }>()
  if (!options.outputs) return { topics }
  for (const [topic, about] of await ports.log.describeTopics([...new Set([...sinkTopics(plan), plan.settings.deadLetterTopic])])) topics.set(topic, { about, ends: await settledEnds(ports, topic) })
  return { topics }
}

/** Why the number of its records says nothing about this run alone. */
const unusable = (topic: string, run: RunRecord, found: { readonly about: TopicDescription, readonly ends: readonly PartitionOffsets[] } | undefined, options: OutputOptions): string | undefined => {
  if (!options.outputs) return 'outputs were left out'
  if (options.shared.includes(topic)) return 'other programs write to it'
  if (run.from !== null) return `the run was restored from checkpoint ${run.from.checkpoint}: what was written after that, and not called back, is in it too`
  if (run.run > 1) return 'earlier runs under this name may have written to it'
  if (found === undefined) return 'it is not in the log'
  if (found.about.compacted) return 'it is compacted'
  if (found.about.settingsHidden) return SETTINGS_HIDDEN
  const begun = found.ends.find(({ start }) => start > 0)
  return begun === undefined ? undefined : `retention has removed what was before ${begun.start} of partition ${begun.partition}`
}

const JOB = 'tidemark-job'
const SOURCE = 'tidemark-source-topic'

export const countOutputs = async (ports: AuditPorts, { record, plan }: AuditedRun, { topics }: OutputEnds, options: OutputOptions, say: (what: string) => void): Promise<{ readonly topics: TopicCount[], readonly deadLetters?: TopicCount }> => {
  const count = async (topic: string, counts: (headers: Readonly<Record<string, Buffer>> | undefined) => boolean): Promise<TopicCount> => {
    const why = unusable(topic, record, topics.get(topic), options)
    if (why !== undefined) return { topic, records: 0, unusable: why }
    let records = 0
    try {
      for (const { partition, start, end } of topics.get(topic)?.ends ?? []) {
        say(`counting ${topic}/${partition}`)
        await readPartition(ports, topic, partition, start, end, ({ headers }) => {
          if (counts(headers)) records += 1
        })
      }
    } catch (error) {
      if (!isTrimmed(error)) throw error
      return { topic, records, unusable: 'retention removed records while they were counted' }
    }
    return { topic, records }
  }
  const { deadLetterTopic } = plan.settings
  // A letter without a source stands for a window's result or a timer, which is no record's fate.
  const isLetter = (headers: Readonly<Record<string, Buffer>> | undefined): boolean => headers?.[JOB]?.toString() === record.job && headers[SOURCE] !== undefined
  const counted: TopicCount[] = []
  for (const topic of sinkTopics(plan)) counted.push(await count(topic, (headers) => topic !== deadLetterTopic || headers?.[JOB] === undefined))
  // Letters carry the job's name: what others write to that topic does not matter.
  return topics.has(deadLetterTopic) && !options.shared.includes(deadLetterTopic) ? { topics: counted, deadLetters: await count(deadLetterTopic, isLetter) } : { topics: counted }
}
