// Whether a plan can go on from a checkpoint: what is stored there has to find its place again, before anything is ended for it.
import { howMany, TidemarkError } from '@tidemark/base'
import { assignedPartitions, inputGaps, parseRun, paths } from '@tidemark/checkpoint'
import type { Manifest, RunRecord } from '@tidemark/checkpoint'
import { cutStages, parsePlan } from 'tidemark'
import type { LogicalPlan, PlanNode } from 'tidemark'
import { getIfThere } from './definition.ts'
import type { DriverPorts } from './ports.ts'

export const tasksOf = (manifest: Manifest): ReadonlyMap<string, number> => new Map([...Map.groupBy(manifest.parts, ({ stage }) => stage)].map(([stage, parts]) => [stage, parts.length]))

type StatefulNode = Extract<PlanNode, { readonly kind: 'aggregate' | 'reduce' | 'process' }>

/** What of an operator its state hangs on, in words; equal: the state of one is that of the other. Accumulators are kept in the order of their fields. */
const shapeOf = (node: StatefulNode): string => {
  const window = node.kind === 'process' || node.window === null ? '' : ` in windows of ${node.window.sizeMs} ms`
  return node.kind === 'aggregate' ? `aggregate ${node.fields.map(({ field, kind }) => `${field}: ${kind}`).join(', ')}${window}` : `${node.kind}${window}`
}

/** Stateful operators by name: their stage, and their shape. */
const operatorsOf = (plan: LogicalPlan): ReadonlyMap<string, { readonly stage: string, readonly shape: string }> => {
  const nodes = new Map(plan.nodes.map((node) => [node.id, node]))
  return new Map(cutStages(plan).stages.flatMap(({ id, nodes: inStage }) => inStage.flatMap((nodeId) => {
    const node = nodes.get(nodeId)
    return node?.kind === 'aggregate' || node?.kind === 'reduce' || node?.kind === 'process' ? [[node.name, { stage: id, shape: shapeOf(node) }] as const] : []
  })))
}

/** Sentences: operators of the plan before that do not find their state in this one. New ones begin empty. */
const differentState = (before: LogicalPlan, now: LogicalPlan): string[] => {
  const there = operatorsOf(now)
  return [...operatorsOf(before)].flatMap(([name, { stage, shape }]): string[] => {
    const found = there.get(name)
    if (found === undefined) return [`the checkpoint has state of ${name} (${shape}), the plan has no such operator`]
    if (found.stage !== stage) return [`${name} is in stage ${found.stage}, in the checkpoint in ${stage}`]
    return found.shape === shape ? [] : [`${name} is: ${found.shape}; in the checkpoint: ${shape}`]
  })
}

/** Sentences: positions of which their tasks would find no input. Partitions may have been added to a topic, and sources be new. */
const differentSources = (record: RunRecord, manifest: Manifest): string[] => [...new Set(manifest.parts.flatMap(({ stage, partition, ref }) => {
  const runStage = record.stages.find((one) => one.stage === stage)
  const assigned = runStage === undefined ? [] : assignedPartitions(runStage, partition)
  return ref.positions.flatMap((position): string[] => {
    const input = runStage?.inputs.find((one) => one.input === position.input)
    if (input === undefined) return [`${position.input} (${position.topic}) is no input of stage ${stage}, the checkpoint has a position in it`]
    const mine = assigned.filter((one) => one.input === position.input)
    const isThere = input.kind === 'shuffle' || (input.kind === 'topic' ? input.topic === position.topic : mine.some(({ topic, partition: read }) => topic === position.topic && read === position.partition))
    if (isThere) return []
    if (input.kind === 'topic') return [`${position.input} of stage ${stage} reads topic ${input.topic}, in the checkpoint ${position.topic}`]
    return [`${position.input} of task ${stage}-${partition} reads ${mine.map(({ topic, partition: read }) => `${topic}/${read}`).join(', ')}, in the checkpoint ${position.topic}/${position.partition}`]
  })
}))]

const sinksOf = (plan: LogicalPlan): ReadonlyMap<string, string> => new Map(plan.nodes.flatMap((node) => node.kind === 'sink' ? [[node.name, node.sink.kind] as const] : []))

/** Sentences: sinks outside the log that have not got all that the checkpoint holds for them, and are not there to be given it. The folder of one may be another. */
const differentSinks = (manifest: Manifest, before: LogicalPlan | undefined, now: LogicalPlan): string[] => {
  const [had, has] = [before === undefined ? new Map<string, string>() : sinksOf(before), sinksOf(now)]
  const owed = new Map<string, number>()
  for (const { sink, entries } of manifest.parts.flatMap(({ outbox }) => outbox ?? [])) owed.set(sink, (owed.get(sink) ?? 0) + entries)
  // Of a part that does not say what it owes, each sink of its plan may be owed something.
  const may = manifest.parts.some(({ outbox }) => outbox === undefined) ? [...had].flatMap(([sink, kind]) => kind === 'topic' ? [] : [sink]) : []
  return [...new Set([...owed.keys(), ...may])].flatMap((sink): string[] => {
    const [was, is, entries] = [had.get(sink), has.get(sink), owed.get(sink)]
    if (is !== undefined && is !== 'topic' && is === (was ?? is)) return []
    const holds = entries === undefined ? 'may hold output' : `holds output of ${howMany(entries, 'batch', 'batches')}`
    return [`the checkpoint ${holds} that sink ${sink}${was === undefined ? '' : ` (${was})`} has not got yet, the plan has ${is === undefined ? 'no such sink' : `${is === 'topic' ? 'a topic' : is} under its name`}`]
  })
}

/** The plan of the run that the checkpoint is of; undefined: it can't be read any more. */
const planBefore = async (ports: Pick<DriverPorts, 'store'>, { job, run }: Manifest): Promise<LogicalPlan | undefined> => {
  const record = await getIfThere(ports.store, paths.run(job, run))
  const body = record === undefined ? undefined : await getIfThere(ports.store, parseRun(record, paths.run(job, run)).plan)
  try {
    return body === undefined ? undefined : parsePlan(JSON.parse(body.toString()))
  } catch {
    // Damaged, or of another engine. A checkpoint is complete without it, and the way out for a job whose plan is damaged.
    return undefined
  }
}

/**
 * The state must find its tasks and operators again, its positions their inputs, what sinks have not got yet these sinks, and the input behind must still be
 * there. Resolves with what can't be told, sentences; `CHECKPOINT_INCOMPATIBLE` or `CHECKPOINT_INPUT_GONE`.
 */
export const checkFits = async (ports: Pick<DriverPorts, 'log' | 'store'>, record: RunRecord, plan: LogicalPlan, manifest: Manifest): Promise<string[]> => {
  const { log } = ports
  const has = tasksOf(manifest)
  const different = record.stages.filter(({ stage, partitions }) => has.get(stage) !== partitions).map(({ stage, partitions }) => `stage ${stage} has ${howMany(partitions, 'task')}, the checkpoint ${has.get(stage) ?? 0}`)
  if (has.size > record.stages.length) different.push(`the checkpoint has ${howMany(has.size, 'stage')}, the plan ${record.stages.length}`)
  const before = await planBefore(ports, manifest)
  if (different.length === 0) different.push(...differentSources(record, manifest), ...before === undefined ? [] : differentState(before, plan), ...differentSinks(manifest, before, plan))
  if (different.length > 0) {
    throw new TidemarkError(`checkpoint ${manifest.checkpoint} does not fit: ${different.join('; ')}`, {
      code: 'CHECKPOINT_INCOMPATIBLE', blame: 'user', action: 'fail-job', job: record.job,
      hint: `A restore keeps stages, their numbers of tasks, what each source reads, and the stateful operators: names, windows, aggregates and their order; and each sink outside the log until it has got what the checkpoint holds for it, as after \`tidemark cancel ${record.job}\`, which waits for that. Submit a plan that does. Begin empty: \`tidemark cancel ${record.job}\` first, then without \`--from\`. Run both: give this one another name.`,
    })
  }
  const inputs = record.stages.flatMap((stage) => stage.inputs).filter(({ kind }) => kind === 'topic')
  const starts = new Map<string, number>()
  for (const topic of new Set(inputs.map((input) => input.topic))) for (const { partition, start } of await log.offsets(topic)) starts.set(`${topic}/${partition}`, start)
  const gaps = inputGaps(manifest, new Set(inputs.map(({ input }) => input)), (topic, partition) => starts.get(`${topic}/${partition}`))
  if (gaps.length > 0) {
    throw new TidemarkError(`input behind checkpoint ${manifest.checkpoint} is gone: ${gaps.map(({ topic, partition, from, to }) => `${topic}/${partition} [${from}, ${to})`).join(', ')}`, {
      code: 'CHECKPOINT_INPUT_GONE', blame: 'user', action: 'fail-job', job: record.job, details: { gaps }, hint: 'Retention removed it. Choose a newer checkpoint.',
    })
  }
  return before === undefined ? [`the plan of run ${manifest.run} can't be read: whether its operators and sinks are those of this plan is not known`] : []
}
