// The manifest of a checkpoint, `commits/<n>.json`: written last and create-if-absent; no manifest, no checkpoint. The only file that a
// restore reads first: positions, and every object with its size and SHA-256.
import { invariantBroken, isJobName, TidemarkError } from '@tidemark/base'
import type { JobId, SlotId, StageId, TransactionalId, ExecutorId } from '@tidemark/base'
import { taskName } from './checkpoint/topology.ts'
import { formatJson, readChecked } from './files/checked.ts'
import type { Checked } from './files/checked.ts'
import type { ObjectRef, SnapshotRef, SourcePosition, UpstreamMark } from './records/records.ts'
import type { RunRecord } from './run.ts'
import { ALL_RULES } from './rules.ts'
import type { Rules } from './rules.ts'

const MANIFEST_FORMAT_VERSION = 1

/** What a task's outbox holds for one sink: whoever goes on from here delivers it. */
export interface OwedToSink {
  readonly sink: string
  readonly entries: number
}

/** One task's part: its snapshot, and what the batch at which that is exact said. */
export interface ManifestPart {
  readonly stage: StageId
  readonly partition: number
  readonly ref: SnapshotRef
  readonly upstreams: readonly UpstreamMark[]
  readonly watermark?: number
  /** By sink; absent where it was taken before parts said so. */
  readonly outbox?: readonly OwedToSink[]
}

/** What a task that reads a shuffle had still to read of it (C2). */
export interface ManifestInFlight {
  readonly stage: StageId
  readonly partition: number
  readonly objects: readonly ObjectRef[]
  readonly blocks: number
  readonly bytes: number
}

/** `next`: the stable offset before the first cut. Output from there on may be called back by nobody: a restore prints the range. */
export interface ManifestOutput {
  readonly topic: string
  readonly partition: number
  readonly next: number
}

export interface Manifest {
  readonly formatVersion: 1
  readonly job: JobId
  readonly run: number
  /** Checkpoint number; the job name's, only growing. */
  readonly checkpoint: number
  readonly engineVersion: string
  readonly jobVersion: string
  /** Versions of the state's schemas, by table. */
  readonly schemas: Readonly<Record<string, number>>
  readonly driverEpoch: number
  /** Wall clock, ms. */
  readonly timestamp: number
  readonly parts: readonly ManifestPart[]
  readonly inFlight: readonly ManifestInFlight[]
  readonly outputs: readonly ManifestOutput[]
}

export type ManifestFacts = Omit<Manifest, 'formatVersion' | 'job' | 'run' | 'jobVersion'>

/** Throws `INVARIANT_BROKEN` unless every task has its part, no reader is ahead of its writers' cuts (C1) and every reader's in-flight is there (C2). */
export const buildManifest = (run: RunRecord, facts: ManifestFacts, rules: Rules = ALL_RULES): Manifest => {
  const broken = (invariant: string, message: string): Error => invariantBroken(invariant, `checkpoint ${facts.checkpoint}: ${message}`, { job: run.job, run: run.run, details: { checkpoint: facts.checkpoint } })
  const tasks = run.stages.flatMap(({ stage, partitions, inputs }) => Array.from({ length: partitions }, (_, partition) => ({ stage, partition, inputs })))
  const parts = tasks.map(({ stage, partition }) => {
    const found = facts.parts.filter((part) => part.stage === stage && part.partition === partition)
    const [part] = found
    if (part === undefined || found.length > 1) throw broken('3', `task ${stage}-${partition} has ${found.length} parts`)
    if (rules.C2 && part.ref.positions.some((position) => position.inFlight !== undefined)) throw broken('C2', `task ${stage}-${partition} has not yet read all that was in flight where this run began`)
    if (part.ref.checkpoint !== facts.checkpoint) throw broken('3', `the part of task ${stage}-${partition} belongs to checkpoint ${part.ref.checkpoint}`)
    return part
  })
  if (facts.parts.length !== parts.length) throw broken('3', `${facts.parts.length} parts for ${parts.length} tasks`)
  for (const { stage, partition, inputs } of tasks) {
    const part = parts.find((one) => one.stage === stage && one.partition === partition)
    for (const input of inputs) {
      const shuffle = run.shuffles.find((one) => one.shuffle === input.input)
      if (input.kind !== 'shuffle' || shuffle === undefined) continue
      if (rules.C2 && facts.inFlight.filter((one) => one.stage === stage && one.partition === partition).length !== 1) throw broken('C2', `what is in flight before task ${stage}-${partition} is not stored`)
      for (const mark of rules.C1 ? part?.upstreams ?? [] : []) {
        if (mark.input !== shuffle.shuffle) continue
        const writer = parts.find((one) => one.stage === shuffle.from && one.partition === mark.partition)
        if (writer === undefined || mark.batchId > writer.ref.batchId) {
          throw broken('C1', `task ${stage}-${partition} has applied batch ${mark.batchId} of task ${shuffle.from}-${mark.partition}, whose cut is ${writer?.ref.batchId ?? 'missing'}`)
        }
      }
    }
  }
  return { formatVersion: MANIFEST_FORMAT_VERSION, job: run.job, run: run.run, jobVersion: run.jobVersion, ...facts, parts }
}

const readStage = (at: Checked): StageId => at.text(/^s[0-9]+$/) as StageId
const readObject = (at: Checked): ObjectRef => ({ key: at.field('key').text(/./), sizeBytes: at.field('sizeBytes').integer(1), sha256: at.field('sha256').text(/^[0-9a-f]{64}$/) })
const readPosition = (at: Checked): SourcePosition => ({
  input: at.field('input').text(/./), topic: at.field('topic').text(/./), partition: at.field('partition').integer(0), next: at.field('next').integer(0),
  ...at.maybe('last', (last) => ({ offset: last.field('offset').integer(0), checksum: last.field('checksum').integer(0) })),
  ...at.maybe('inFlight', (field) => field.integer(0)), ...at.maybe('watermark', (field) => field.number()), ...at.maybe('idle', (field) => field.flag()),
})
const readRef = (at: Checked): SnapshotRef => {
  const [generation, owner] = [at.field('generation'), at.field('owner')]
  return {
    generation: { epoch: generation.field('epoch').integer(0), counter: generation.field('counter').integer(0) },
    owner: { executor: owner.field('executor').text(/./) as ExecutorId, slot: owner.field('slot').integer(-1), slotId: owner.field('slotId').text(/./) as SlotId },
    transactionalId: at.field('transactionalId').text(/./) as TransactionalId, checkpoint: at.field('checkpoint').integer(0), batchId: at.field('batchId').integer(0),
    journalNext: at.field('journalNext').integer(0), positions: at.field('positions').list(readPosition), keys: at.field('keys').integer(0), objects: at.field('objects').list(readObject),
  }
}
const readMark = (at: Checked): UpstreamMark => ({
  input: at.field('input').text(/./), partition: at.field('partition').integer(0), idle: at.field('idle').flag(), batchId: at.field('batchId').integer(0), ...at.maybe('watermark', (field) => field.number()),
  ...at.maybe('nextBlock', (field) => field.integer(1)), ...at.maybe('blocks', (field) => field.integer(2)), ...at.maybe('cleared', (field) => field.number()), ...at.maybe('pending', (field) => field.number()), ...at.maybe('grace', (field) => field.integer(1)),
  ...at.maybe('at', (field) => field.number()), ...at.maybe('previousAt', (field) => field.number()), ...at.maybe('activeAt', (field) => field.number()),
})

const readManifest = (root: Checked): Manifest => {
  const job = root.field('job').text()
  if (!isJobName(job)) root.field('job').problem(`is ${JSON.stringify(job)}, which is no job name`)
  const manifest: Manifest = {
    formatVersion: MANIFEST_FORMAT_VERSION, job: job as JobId, run: root.field('run').integer(1), checkpoint: root.field('checkpoint').integer(0), engineVersion: root.field('engineVersion').text(/./),
    jobVersion: root.field('jobVersion').text(), schemas: root.field('schemas').record((field) => field.integer(1)), driverEpoch: root.field('driverEpoch').integer(0), timestamp: root.field('timestamp').integer(0),
    parts: root.field('parts').list((at) => ({
      stage: readStage(at.field('stage')), partition: at.field('partition').integer(0), ref: readRef(at.field('ref')), upstreams: at.field('upstreams').list(readMark), ...at.maybe('watermark', (field) => field.number()),
      ...at.maybe('outbox', (field) => field.list((owed) => ({ sink: owed.field('sink').text(/./), entries: owed.field('entries').integer(1) }))),
    })),
    inFlight: root.field('inFlight').list((at) => ({
      stage: readStage(at.field('stage')), partition: at.field('partition').integer(0), objects: at.field('objects').list(readObject), blocks: at.field('blocks').integer(0), bytes: at.field('bytes').integer(0),
    })),
    outputs: root.field('outputs').list((at) => ({ topic: at.field('topic').text(/./), partition: at.field('partition').integer(0), next: at.field('next').integer(0) })),
  }
  const tasks = manifest.parts.map(taskName)
  if (new Set(tasks).size !== tasks.length) root.field('parts').problem('names a task twice')
  if (tasks.length === 0) root.field('parts').problem('is empty')
  for (const { stage, partition, ref } of manifest.parts) if (ref.checkpoint !== manifest.checkpoint) root.field('parts').problem(`has a part of checkpoint ${ref.checkpoint} for ${stage}-${partition}`)
  return manifest
}

/** Throws `MANIFEST_INVALID` with everything that is wrong; `MANIFEST_TOO_NEW`. `where` names the file. */
export const parseManifest = (body: Buffer | string, where: string): Manifest => {
  const { value, format, problems } = readChecked(body, readManifest)
  if (format > MANIFEST_FORMAT_VERSION) {
    throw new TidemarkError(`the manifest ${where} has format ${format}; this engine reads up to ${MANIFEST_FORMAT_VERSION}`, { code: 'MANIFEST_TOO_NEW', blame: 'user', action: 'fail-job', path: where, hint: 'It was written by a newer engine: restore with that version, or choose an older checkpoint.' })
  }
  if (value === undefined || problems.length > 0) {
    throw new TidemarkError(`the manifest ${where} is wrong:\n  ${problems.join('\n  ')}`, { code: 'MANIFEST_INVALID', blame: 'environment', action: 'fail-job', path: where, details: { problems }, hint: 'It was damaged, or edited by hand. Choose another checkpoint.' })
  }
  return value
}

export const formatManifest = (manifest: Manifest): Buffer => formatJson(manifest)

/** Every object that a restore of it needs. */
export const objectsOf = (manifest: Manifest): ObjectRef[] => [...manifest.parts.flatMap((part) => part.ref.objects), ...manifest.inFlight.flatMap((one) => one.objects)]
