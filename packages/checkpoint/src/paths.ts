// Every name that is written down: topics, transactional ids, the group positions are mirrored to, keys of the object store. Formatted
// and parsed here and nowhere else. Numbers are plain decimals: order what a store lists by the parsed number, not by the key.
import { isJobName, jobId, TidemarkError, transactionalId } from '@tidemark/base'
import type { JobId, SlotId, StageId, TaskRef, TransactionalId } from '@tidemark/base'
import type { Generation } from './records/records.ts'

/** Kafka's limit. */
const TOPIC_CHARACTERS_MAX = 249
/** First parts of keys that are not a job's: no job may be called so. */
const RESERVED: ReadonlySet<string> = new Set(['jobs', 'drivers'])

const NUMBER = '(0|[1-9][0-9]{0,15})'
const JOB = '([a-z0-9][a-z0-9_-]{0,99})'
const STAGE = '(s[0-9]+)'

/** The job's name as the first part of its keys. */
const own = (job: JobId): string => {
  if (RESERVED.has(job)) throw new TidemarkError(`no job may be called "${job}"`, { code: 'JOB_NAME_RESERVED', blame: 'user', action: 'fail-job', job, hint: 'Choose another name.' })
  return job
}

/** Kafka takes letters, digits, `.`, `_`, `-`; what else a shuffle's id has becomes `_` and its code in hex, closed by `_`. */
const escapeName = (name: string): string => name.replaceAll(/[^A-Za-z0-9-]/gu, (character) => `_${(character.codePointAt(0) ?? 0).toString(16)}_`)
const unescapeName = (escaped: string): string => escaped.replaceAll(/_([0-9a-f]+)_/g, (_all, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))

const topic = (text: string): string => {
  if (text.length > TOPIC_CHARACTERS_MAX) throw new TidemarkError(`the topic name ${text} is longer than ${TOPIC_CHARACTERS_MAX} characters`, { code: 'TOPIC_NAME_TOO_LONG', blame: 'user', action: 'fail-job', topic: text, hint: 'Give the job or its operators shorter names.' })
  return text
}

const compiled = new Map<string, RegExp>()
const match = (pattern: string, text: string): string[] | undefined => {
  const whole = compiled.get(pattern) ?? new RegExp(`^${pattern}$`)
  compiled.set(pattern, whole)
  return whole.exec(text)?.slice(1)
}
const numbered = (pattern: string, key: string): { job: JobId, number: number } | undefined => {
  const [job, number] = match(pattern, key) ?? []
  return job === undefined || !isJobName(job) ? undefined : { job: jobId(job), number: Number(number) }
}

export interface InternalTopic {
  readonly job: JobId
  readonly run: number
  readonly kind: 'journal' | 'shuffle'
  /** Stage of a journal, id of a shuffle. */
  readonly name: string
}

/** A snapshot's or in-flight object's key, taken apart. */
export interface StateObject {
  readonly job: JobId
  readonly checkpoint: number
  readonly stage: StageId
  readonly partition: number
  readonly kind: 'snapshot' | 'in-flight'
  readonly generation: Generation
  /** Makes the name the writer's own: a late upload of an old owner overwrites nothing. */
  readonly nonce: string
  readonly index: number
}

const stateObject = ({ job, checkpoint, stage, partition, kind, generation, nonce, index }: StateObject): string =>
  `${own(job)}/state/${checkpoint}/${stage}-${partition}/g${generation.epoch}.${generation.counter}-${nonce}-${index}.${kind}`

export const paths = {
  // Topics and ids of a run.
  journalTopic: (job: JobId, run: number, stage: StageId | string): string => topic(`tidemark.${job}.${run}.journal.${stage}`),
  shuffleTopic: (job: JobId, run: number, shuffle: string): string => topic(`tidemark.${job}.${run}.shuffle.${escapeName(shuffle)}`),
  parseInternalTopic: (text: string): InternalTopic | undefined => {
    const [job, run, kind, name] = match(`tidemark\\.${JOB}\\.${NUMBER}\\.(journal|shuffle)\\.([A-Za-z0-9_-]+)`, text) ?? []
    if (job === undefined || name === undefined) return undefined
    return { job: jobId(job), run: Number(run), kind: kind === 'journal' ? 'journal' : 'shuffle', name: unescapeName(name) }
  },
  deadLetterTopic: (job: JobId): string => topic(`${job}.dead-letters`),
  mirrorGroup: (job: JobId): string => `tidemark.${job}`,
  transactionalIdPrefix: (job: JobId, run: number, slot: SlotId): string => `tidemark.${job}.${run}.${slot}`,
  transactionalId: (job: JobId, run: number, slot: SlotId, counter: number): TransactionalId => transactionalId(`tidemark.${job}.${run}.${slot}.${counter}`),
  parseTransactionalId: (id: string): { readonly job: JobId, readonly run: number, readonly slot: SlotId, readonly counter: number } | undefined => {
    const [job, run, slot, counter] = match(`tidemark\\.${JOB}\\.${NUMBER}\\.([A-Za-z0-9-]+)\\.${NUMBER}`, id) ?? []
    return job === undefined ? undefined : { job: jobId(job), run: Number(run), slot: slot as SlotId, counter: Number(counter) }
  },

  // A job's checkpoints: what a restore reads. Checkpoint numbers are the job name's and only grow, over its runs too.
  metadata: (job: JobId): string => `${own(job)}/metadata.json`,
  offsets: (job: JobId, checkpoint: number): string => `${own(job)}/offsets/${checkpoint}.json`,
  offsetsPrefix: (job: JobId): string => `${own(job)}/offsets/`,
  parseOffsets: (key: string) => numbered(`${JOB}/offsets/${NUMBER}\\.json`, key),
  manifest: (job: JobId, checkpoint: number): string => `${own(job)}/commits/${checkpoint}.json`,
  manifestPrefix: (job: JobId): string => `${own(job)}/commits/`,
  parseManifest: (key: string) => numbered(`${JOB}/commits/${NUMBER}\\.json`, key),
  /** A manifest again: of a checkpoint that a person asked for. Retention never removes it, nor what it names. */
  savepoint: (job: JobId, checkpoint: number): string => `${own(job)}/savepoints/${checkpoint}.json`,
  savepointPrefix: (job: JobId): string => `${own(job)}/savepoints/`,
  parseSavepoint: (key: string) => numbered(`${JOB}/savepoints/${NUMBER}\\.json`, key),
  statePrefix: (job: JobId): string => `${own(job)}/state/`,
  checkpointStatePrefix: (job: JobId, checkpoint: number): string => `${own(job)}/state/${checkpoint}/`,
  snapshotObject: (task: TaskRef, checkpoint: number, generation: Generation, nonce: string, index: number): string =>
    stateObject({ job: task.job, stage: task.stage, partition: task.partition, checkpoint, kind: 'snapshot', generation, nonce, index }),
  inFlightObject: (task: TaskRef, checkpoint: number, generation: Generation, nonce: string, index: number): string =>
    stateObject({ job: task.job, stage: task.stage, partition: task.partition, checkpoint, kind: 'in-flight', generation, nonce, index }),
  parseStateObject: (key: string): StateObject | undefined => {
    const found = match(`${JOB}/state/${NUMBER}/${STAGE}-${NUMBER}/g${NUMBER}\\.${NUMBER}-([A-Za-z0-9-]+)-${NUMBER}\\.(snapshot|in-flight)`, key)
    if (found === undefined) return undefined
    const [job, checkpoint, stage, partition, epoch, counter, nonce, index, kind] = found as [string, string, string, string, string, string, string, string, 'snapshot' | 'in-flight']
    return {
      job: jobId(job), checkpoint: Number(checkpoint), stage: stage as StageId, partition: Number(partition), kind, generation: { epoch: Number(epoch), counter: Number(counter) }, nonce, index: Number(index),
    }
  },

  // What the driver knows: definitions, bundles, runs, epochs.
  jobsPrefix: 'jobs/',
  /** One for each driver epoch; the highest counts. */
  definition: (job: JobId, epoch: number): string => `jobs/${job}/definition/${epoch}.json`,
  definitionPrefix: (job: JobId): string => `jobs/${job}/definition/`,
  parseDefinition: (key: string) => numbered(`jobs/${JOB}/definition/${NUMBER}\\.json`, key),
  bundle: (job: JobId, sha256: string): string => `jobs/${job}/bundles/${sha256}.js`,
  plan: (job: JobId, hash: string): string => `jobs/${job}/plans/${hash}.json`,
  run: (job: JobId, run: number): string => `jobs/${job}/runs/${run}.json`,
  runPrefix: (job: JobId): string => `jobs/${job}/runs/`,
  parseRun: (key: string) => numbered(`jobs/${JOB}/runs/${NUMBER}\\.json`, key),
  /** A run's own copy of the manifest that it began from. */
  origin: (job: JobId, run: number, sha256: string): string => `jobs/${job}/origins/${run}/${sha256}.json`,
  originPrefix: (job: JobId): string => `jobs/${job}/origins/`,
  parseOrigin: (key: string) => numbered(`jobs/${JOB}/origins/${NUMBER}/[0-9a-f]{64}\\.json`, key),
  driverEpoch: (epoch: number): string => `drivers/epochs/${epoch}.json`,
  driverEpochPrefix: 'drivers/epochs/',
  parseDriverEpoch: (key: string): number | undefined => {
    const [epoch] = match(`drivers/epochs/${NUMBER}\\.json`, key) ?? []
    return epoch === undefined ? undefined : Number(epoch)
  },
} as const
