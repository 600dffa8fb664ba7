// What a plan needs of the log at submit: its topics exist, and how many partitions each source has. Every mistake in one answer.
import { closest, formatDuration, howMany, jobId, TidemarkError } from '@tidemark/base'
import type { JobId, Log, TopicDescription } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { RunInput, RunRecord } from '@tidemark/checkpoint'
import { cutStages, stagePartitions } from 'tidemark'
import type { LogicalPlan, PhysicalPlan, PlanProblem, SourceNode } from 'tidemark'

const topicsUsed = (plan: LogicalPlan): { readonly path: string, readonly topic: string }[] => plan.nodes.flatMap((node) => {
  const topic = node.kind === 'source' && node.source.kind === 'topic' ? node.source.topic : node.kind === 'sink' && node.sink.kind === 'topic' ? node.sink.topic : undefined
  return topic === undefined || (node.kind !== 'source' && node.kind !== 'sink') ? [] : [{ path: `nodes.${node.kind}:${node.name}.topic`, topic }]
})

const refuse = (problems: readonly PlanProblem[]): TidemarkError => new TidemarkError(`the plan cannot run here:\n  ${problems.map(({ path, message, code }) => `${path}: ${message} (${code})`).join('\n  ')}`, {
  code: 'PLAN_INVALID', blame: 'user', action: 'fail-job', details: { problems },
  ...(problems.every(({ code }) => code === 'PLAN_TOPIC_COMPACTED') ? {} : { hint: 'Make the topics first: `tidemark topics create <topic> --partitions <n>`, or with your own tools.' }),
})

/** One or two letters off; more, and it was another topic. */
const NAME_CHANGES_MAX = 2

/** `: did you mean orders?` behind the name of a topic that is missing; nothing where none is near. */
const meantBy = async (log: Log): Promise<(topic: string) => string> => {
  // That they can't be listed is no answer to the submission.
  const there = (await log.listTopics().catch(() => [])).filter((topic) => !paths.parseInternalTopic(topic))
  return (topic) => {
    const near = closest(topic, there, NAME_CHANGES_MAX)
    return near === undefined ? '' : `: did you mean ${near}?`
  }
}

/** What Tidemark's own topics have where there are as many brokers. */
const REPLICAS_SAFE = 3

export interface Surroundings {
  readonly topics: ReadonlyMap<string, TopicDescription>
  /** What a person should know. */
  readonly notes: readonly string[]
}

/** Throws `PLAN_INVALID` with every topic that is missing, belongs to Tidemark itself, or loses dead letters. Makes the dead letter topic when it is not there. */
export const checkTopicsOfPlan = async (log: Log, plan: LogicalPlan): Promise<Surroundings> => {
  const used = topicsUsed(plan)
  const { deadLetterTopic, onError } = plan.settings
  const topics = await log.describeTopics([...new Set([...used.map(({ topic }) => topic), deadLetterTopic])])
  const meant = used.every(({ topic }) => topics.has(topic)) ? () => '' : await meantBy(log)
  const problems = used.flatMap(({ path, topic }): PlanProblem[] => {
    if (paths.parseInternalTopic(topic)) return [{ path, code: 'PLAN_TOPIC_INTERNAL', message: `${topic} is an internal topic of a job` }]
    return topics.has(topic) ? [] : [{ path, code: 'PLAN_TOPIC_MISSING', message: `topic ${topic} does not exist in ${log.name}${meant(topic)}` }]
  })
  if (onError === 'dead-letter' && topics.get(deadLetterTopic)?.compacted) {
    problems.push({ path: 'settings.deadLetterTopic', code: 'PLAN_TOPIC_COMPACTED', message: `topic ${deadLetterTopic} is compacted: it takes no dead letter without a key, which would stop the job, and keeps only the newest of each key. Name another topic, or set its cleanup.policy to delete` })
  }
  if (problems.length > 0) throw refuse(problems)
  const notes: string[] = []
  if (onError === 'dead-letter' && !topics.has(deadLetterTopic)) {
    await log.createTopics([{ topic: deadLetterTopic, partitions: 1, config: { 'retention.ms': '-1' } }])
    notes.push(`made the dead letter topic ${deadLetterTopic}`)
  }
  for (const { topic } of used) {
    const found = topics.get(topic)
    if (found?.compacted) notes.push(`topic ${topic} is compacted: records between two that are there may be missing`)
  }
  const sinks = new Set(plan.nodes.flatMap((node) => node.kind === 'sink' && node.sink.kind === 'topic' ? [node.sink.topic] : []))
  const keeping = [...sinks].flatMap((topic) => topics.get(topic) ?? []).filter(({ retentionMs, settingsHidden }) => retentionMs >= 0 && !settingsHidden)
  if (keeping.length > 0) notes.push(`results are deleted by their event time, old ones soon after they are written: kept are ${keeping.map(({ topic, retentionMs }) => `${formatDuration(retentionMs)} of ${topic}`).join(', ')} (retention.ms, -1: for ever)`)
  const hidden = [...topics.values()].filter(({ settingsHidden }) => settingsHidden).map(({ topic }) => topic)
  if (hidden.length > 0) notes.push(`the settings of ${hidden.join(', ')} can't be read (Kafka's right DescribeConfigs is lacking): whether records are deleted there after a time, or compacted, is not known`)
  const byReplicas = Map.groupBy([...topics.values()], ({ replicationFactor }) => replicationFactor ?? REPLICAS_SAFE)
  for (const [replicas, few] of [...byReplicas].filter(([replicas]) => replicas < REPLICAS_SAFE).sort(([a], [b]) => a - b)) {
    notes.push(`${few.map(({ topic }) => topic).join(', ')}: ${howMany(replicas, 'replica')} each; what they hold is lost with ${replicas === 1 ? 'the disk of one broker' : `the disks of ${replicas} brokers`}`)
  }
  return { topics, notes }
}

const inputOf = (node: SourceNode, topics: Surroundings['topics']): RunInput => {
  const { source } = node
  switch (source.kind) {
    case 'topic': return { input: node.id, kind: 'topic', topic: source.topic, partitions: topics.get(source.topic)?.partitions ?? 0 }
    case 'file': return { input: node.id, kind: 'file', topic: node.name, partitions: source.paths.length, files: source.paths }
    case 'generator': return { input: node.id, kind: 'generator', topic: node.name, partitions: source.partitions }
  }
}

const sharesPartitions = (plan: LogicalPlan, physical: PhysicalPlan, stage: string): boolean => {
  const cut = physical.stages.find((one) => one.id === stage)
  return cut !== undefined && cut.inputs.every((input) => input.kind === 'source') && !plan.nodes.some((node) => node.kind === 'keyBy' && node.copartitioned && cut.nodes.includes(node.id))
}

export interface RunFrame {
  readonly run: number
  readonly planHash: string
  readonly bundle: RunRecord['bundle']
  readonly from: RunRecord['from']
  readonly createdAt: number
  readonly submissionId?: string
  /** Tasks of each stage in the checkpoint that the run starts from. */
  readonly tasks?: ReadonlyMap<string, number>
}

/** Everything that must never change in the run. */
export const runRecordOf = (plan: LogicalPlan, topics: Surroundings['topics'], { run, planHash, bundle, from, createdAt, submissionId, tasks }: RunFrame): RunRecord => {
  const job: JobId = jobId(plan.job)
  const physical = cutStages(plan)
  const sources = new Map(plan.nodes.flatMap((node) => node.kind === 'source' ? [[node.id, inputOf(node, topics)] as const] : []))
  const partitions = stagePartitions(plan, physical, (node) => sources.get(node)?.partitions ?? 0)
  const shuffleTopic = (shuffle: string): string => paths.shuffleTopic(job, run, shuffle)
  const partitionsOf = (stage: string): number => {
    const [now, before] = [partitions.get(stage) ?? 0, tasks?.get(stage)]
    // Partitions were added to its topic since: as in the run before, its tasks share them. Where keys are kept by partition they have moved.
    return before !== undefined && before < now && sharesPartitions(plan, physical, stage) ? before : now
  }
  return {
    formatVersion: 1, job, run, jobVersion: plan.version, planHash, plan: paths.plan(job, planHash), bundle, from, createdAt, ...(submissionId === undefined ? {} : { submissionId }),
    stages: physical.stages.map(({ id, inputs }) => ({
      stage: id as RunRecord['stages'][number]['stage'], partitions: partitionsOf(id),
      inputs: inputs.map((input): RunInput => {
        if (input.kind === 'shuffle') return { input: input.shuffle, kind: 'shuffle', topic: shuffleTopic(input.shuffle), partitions: partitionsOf(id) }
        const source = sources.get(input.node)
        if (!source) throw new RangeError(`stage ${id} reads ${input.node}, which is no source`)
        return source
      }),
    })),
    shuffles: physical.stages.flatMap(({ id, shuffles }) => shuffles.map(({ shuffle, to }): RunRecord['shuffles'][number] => ({
      shuffle, from: id as RunRecord['stages'][number]['stage'], to: to as RunRecord['stages'][number]['stage'], topic: shuffleTopic(shuffle), partitions: partitionsOf(to),
    }))),
  }
}
