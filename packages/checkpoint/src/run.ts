// The run record, `jobs/<job>/runs/<n>.json`: everything that must never change in a run, written before the run begins (create-if-absent).
import { isJobName, jobId, TidemarkError } from '@tidemark/base'
import type { JobId, StageId } from '@tidemark/base'
import { formatJson, readChecked } from './files/checked.ts'
import type { Checked } from './files/checked.ts'
import { paths } from './paths.ts'

const RUN_FORMAT_VERSION = 1

export interface RunInput {
  /** Plan node id of a source, or id of a shuffle. */
  readonly input: string
  readonly kind: 'topic' | 'file' | 'generator' | 'shuffle'
  /** Topic of a source or shuffle; for files and generators the source's name. */
  readonly topic: string
  readonly partitions: number
  /** Files: the path of each partition, in order. */
  readonly files?: readonly string[]
}

export interface RunStage {
  readonly stage: StageId
  /** Tasks of the stage. */
  readonly partitions: number
  readonly inputs: readonly RunInput[]
}

export interface RunShuffle {
  readonly shuffle: string
  readonly from: StageId
  readonly to: StageId
  readonly topic: string
  readonly partitions: number
}

export interface RunRecord {
  readonly formatVersion: 1
  readonly job: JobId
  readonly run: number
  readonly jobVersion: string
  /** Hash of the logical plan. */
  readonly planHash: string
  /** Key of the plan's object. */
  readonly plan: string
  readonly bundle: { readonly key: string, readonly sha256: string, readonly sizeBytes: number }
  /** In topological order, sources first. */
  readonly stages: readonly RunStage[]
  readonly shuffles: readonly RunShuffle[]
  /** The checkpoint the run began from; null: empty. */
  readonly from: null | { readonly run: number, readonly checkpoint: number, /** Key of the manifest or savepoint. */ readonly manifest: string }
  /** Wall clock, ms. */
  readonly createdAt: number
  /** What its client called the submission. */
  readonly submissionId?: string
}

const SHA256 = /^[0-9a-f]{64}$/
const STAGE = /^s[0-9]+$/

const readInput = (at: Checked): RunInput => ({
  input: at.field('input').text(/./), kind: at.field('kind').oneOf('topic', 'file', 'generator', 'shuffle'), topic: at.field('topic').text(/./), partitions: at.field('partitions').integer(1),
  ...at.maybe('files', (files) => files.list((file) => file.text(/./))),
})

const readRun = (root: Checked): RunRecord => {
  const name = root.field('job').text()
  if (!isJobName(name)) root.field('job').problem(`is ${JSON.stringify(name)}, which is no job name`)
  const bundle = root.field('bundle')
  const from = root.field('from')
  const record: RunRecord = {
    formatVersion: RUN_FORMAT_VERSION, job: name as JobId, run: root.field('run').integer(1), jobVersion: root.field('jobVersion').text(), planHash: root.field('planHash').text(SHA256), plan: root.field('plan').text(/./),
    bundle: { key: bundle.field('key').text(/./), sha256: bundle.field('sha256').text(SHA256), sizeBytes: bundle.field('sizeBytes').integer(1) },
    stages: root.field('stages').list((at) => ({ stage: at.field('stage').text(STAGE) as StageId, partitions: at.field('partitions').integer(1), inputs: at.field('inputs').list(readInput) })),
    shuffles: root.field('shuffles').list((at) => ({
      shuffle: at.field('shuffle').text(/./), from: at.field('from').text(STAGE) as StageId, to: at.field('to').text(STAGE) as StageId, topic: at.field('topic').text(/./), partitions: at.field('partitions').integer(1),
    })),
    from: from.absent ? null : { run: from.field('run').integer(1), checkpoint: from.field('checkpoint').integer(0), manifest: from.field('manifest').text(/./) },
    createdAt: root.field('createdAt').integer(0), ...root.maybe('submissionId', (field) => field.text(/^[^]{1,100}$/)),
  }
  return record
}

/** What the fields must be to each other; sentences. */
const inconsistencies = (record: RunRecord): string[] => {
  const problems: string[] = []
  const stages = new Map(record.stages.map((stage) => [stage.stage, stage]))
  if (record.stages.length === 0) problems.push('stages is empty')
  if (stages.size !== record.stages.length) problems.push('stages names one twice')
  if (record.bundle.key !== paths.bundle(record.job, record.bundle.sha256)) problems.push(`bundle.key is ${record.bundle.key}, wanted is ${paths.bundle(record.job, record.bundle.sha256)}`)
  if (record.plan !== paths.plan(record.job, record.planHash)) problems.push(`plan is ${record.plan}, wanted is ${paths.plan(record.job, record.planHash)}`)
  const shuffles = new Map(record.shuffles.map((shuffle) => [shuffle.shuffle, shuffle]))
  if (shuffles.size !== record.shuffles.length) problems.push('shuffles names one twice')
  for (const { shuffle, from, to, topic, partitions } of record.shuffles) {
    if (!stages.has(from)) problems.push(`shuffle ${shuffle} comes from ${from}, which is no stage`)
    if (stages.get(to)?.partitions !== partitions) problems.push(`shuffle ${shuffle} has ${partitions} partitions, its reader ${to} ${stages.get(to)?.partitions ?? 'does not exist'}`)
    if (topic !== paths.shuffleTopic(record.job, record.run, shuffle)) problems.push(`shuffle ${shuffle} is in ${topic}, wanted is ${paths.shuffleTopic(record.job, record.run, shuffle)}`)
    if (!stages.get(to)?.inputs.some((input) => input.kind === 'shuffle' && input.input === shuffle)) problems.push(`shuffle ${shuffle} is no input of ${to}`)
  }
  for (const { stage, inputs } of record.stages) {
    if (inputs.length === 0) problems.push(`stage ${stage} has no input`)
    for (const input of inputs) {
      const shuffle = shuffles.get(input.input)
      if (input.kind === 'shuffle' && (shuffle?.to !== stage || shuffle.topic !== input.topic || shuffle.partitions !== input.partitions)) problems.push(`input ${input.input} of ${stage} is not what shuffles say`)
      if (input.kind === 'file' && input.files?.length !== input.partitions) problems.push(`input ${input.input} of ${stage} has ${input.partitions} partitions and ${input.files?.length ?? 0} files`)
    }
  }
  if (record.from !== null && record.from.run >= record.run) problems.push(`from.run is ${record.from.run}, not below ${record.run}`)
  return problems
}

const invalid = (where: string, problems: readonly string[]): TidemarkError =>
  new TidemarkError(`the run record ${where} is wrong:\n  ${problems.join('\n  ')}`, { code: 'RUN_RECORD_INVALID', blame: 'environment', action: 'fail-job', path: where, details: { problems }, hint: 'It was damaged, or edited by hand. Restore it, or start a new run from a checkpoint.' })

/** Throws `RUN_RECORD_INVALID` with everything that is wrong; `RUN_RECORD_TOO_NEW`. `where` names the file. */
export const parseRun = (body: Buffer | string, where: string): RunRecord => {
  const { value, format, problems } = readChecked(body, readRun)
  if (format > RUN_FORMAT_VERSION) {
    throw new TidemarkError(`the run record ${where} has format ${format}; this engine reads up to ${RUN_FORMAT_VERSION}`, { code: 'RUN_RECORD_TOO_NEW', blame: 'user', action: 'fail-job', path: where, hint: 'It was written by a newer engine: run that version, or a newer one, again.' })
  }
  const found = value === undefined || problems.length > 0 ? problems : inconsistencies(value)
  if (value === undefined || found.length > 0) throw invalid(where, found)
  return value
}

/** Checked as when it is read. */
export const formatRun = (record: RunRecord): Buffer => {
  const problems = inconsistencies({ ...record, job: jobId(record.job) })
  if (problems.length > 0) throw invalid(paths.run(record.job, record.run), problems)
  return formatJson(record)
}

/** One thing that a task reads. */
export interface AssignedPartition {
  readonly input: string
  readonly kind: RunInput['kind']
  readonly topic: string
  readonly partition: number
}

/** Source partition p belongs to task p mod N; of a shuffle each task reads the partition of its own number. A file is its path's partition 0. */
export const assignedPartitions = (stage: RunStage, taskPartition: number): AssignedPartition[] => {
  if (!Number.isSafeInteger(taskPartition) || taskPartition < 0 || taskPartition >= stage.partitions) throw new RangeError(`stage ${stage.stage} has ${stage.partitions} tasks, none is ${taskPartition}`)
  return stage.inputs.flatMap(({ input, kind, topic, partitions, files }) =>
    Array.from({ length: partitions }, (_, partition) => partition).filter((partition) => partition % stage.partitions === taskPartition)
      .map((partition) => kind === 'file' ? { input, kind, topic: files?.[partition] ?? '', partition: 0 } : { input, kind, topic, partition }))
}
