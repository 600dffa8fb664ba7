// Takes a job: checks plan and topics, stores bundle, plan, run record and definition, all before the client is answered.
import { jobId, TidemarkError } from '@tidemark/base'
import type { JobId, ObjectStore } from '@tidemark/base'
import { formatRun, parseManifest, paths } from '@tidemark/checkpoint'
import type { Definition, Manifest, Rules, RunRecord } from '@tidemark/checkpoint'
import type { JobState, SubmitAnswer, SubmitRequest } from '@tidemark/wire'
import { createHash } from 'node:crypto'
import { parsePlan, planHash } from 'tidemark'
import type { LogicalPlan } from 'tidemark'
import type { RunFacts } from '../core/protocol.ts'
import { getIfThere, readDefinition } from './definition.ts'
import { checkFits, tasksOf } from './fits.ts'
import { checkTopicsOfPlan, runRecordOf } from './plan-topics.ts'
import type { RunFrame } from './plan-topics.ts'
import type { DriverPorts, Leadership } from './ports.ts'
import { newestRun, readRun } from './start-run.ts'
import { storeDefinition } from './store-definition.ts'
import { untilAnswered } from './until-answered.ts'

export interface Submission {
  readonly answer: SubmitAnswer
  /** What the core is told; undefined: nothing has changed. */
  readonly run: RunFacts | undefined
}

/** States in which a job of this name may be restored. */
const RESTORABLE: readonly JobState[] = ['running', 'failed', 'ended', 'cancelled']

/** A job that this leader leads: its newest run. */
export interface LedJob {
  readonly run: number
  readonly state: JobState
}

/**
 * Only `led` says which runs there are to answer for. A leader that was replaced may have stored one behind the new one's back: nobody has begun that, so the
 * client, which asks again, gets a run of its own.
 */
export const submit = async (ports: DriverPorts, leadership: Leadership, request: SubmitRequest, led: (job: JobId) => LedJob | undefined): Promise<Submission> => {
  const { log, store, clock } = ports
  const plan = parsePlan(request.plan)
  const job = jobId(plan.job)
  const hash = planHash(plan)
  const sha256 = createHash('sha256').update(request.bundle).digest('hex')
  checkId(request)
  const there = led(job)
  if (there !== undefined) {
    const record = await readRun(ports, job, there.run)
    if (request.submissionId !== undefined && record.submissionId === request.submissionId) return { answer: answerAgain(record), run: undefined }
    if (request.fromCheckpoint === undefined && there.state !== 'cancelled') return { answer: await answerTaken(store, record, there.state, hash, sha256), run: undefined }
    if (request.fromCheckpoint !== undefined && !RESTORABLE.includes(there.state)) throw busy(job, there.state)
  }
  const before = await readDefinition(store, job)
  if (there === undefined && before !== undefined) await checkUnread(ports, leadership, before, request)

  const { topics, notes } = await checkTopicsOfPlan(log, plan)
  const run = await newestRun(ports, job) + 1
  const bundle = { key: paths.bundle(job, sha256), sha256, sizeBytes: request.bundle.length }
  const origin = request.fromCheckpoint === undefined ? undefined : await findCheckpoint(ports, job, request.fromCheckpoint)
  const record = runRecordOf(plan, topics, { run, planHash: hash, bundle, createdAt: clock.now(), ...(request.submissionId === undefined ? {} : { submissionId: request.submissionId }), ...fromOrigin(job, run, origin, leadership.rules) })
  const fits = origin === undefined ? [] : await checkFits(ports, record, plan, origin.manifest)
  if (origin !== undefined && leadership.rules.C4) await secureOrigin(ports, job, run, origin)
  const passed = await passedOver(ports, record)

  // Content-addressed: whoever wrote them before wrote the same.
  await store.put(bundle.key, request.bundle)
  await store.put(record.plan, Buffer.from(JSON.stringify(plan)))
  if (await store.putIfAbsent(paths.run(job, run), formatRun(record)) === 'exists') throw busy(job, 'submitted')
  await accept(ports, leadership, { formatVersion: 1, job, run, desired: 'running', state: 'new', submittedAt: record.createdAt, epoch: leadership.epoch }, before === undefined)
  return {
    answer: { job, run, outcome: origin === undefined ? 'created' : 'restored', notes: [...startNotes(record, origin?.manifest, before), ...fits, ...passed, ...notes, ...(log.hasOpenTransactions ? readerNotes(plan) : [])] },
    run: { record, settings: plan.settings, submittedAt: record.createdAt },
  }
}

const accept = async (ports: DriverPorts, leadership: Leadership, definition: Definition, isFirst: boolean): Promise<void> => {
  const { store, logger } = ports
  const { job, run, epoch } = definition
  try {
    await storeDefinition(ports, leadership, definition)
  } catch (error) {
    // Of a job that is there the present leader has its own, which counts. Of another nobody knows yet, and it must not begin by itself at the next change of leader.
    if (isFirst) await untilAnswered(ports, { job, run }, () => store.delete([paths.definition(job, epoch)])).catch((also: unknown) => logger.error({ job, run, error: also }, 'submit.definition-left'))
    throw error
  }
}

interface FoundCheckpoint {
  readonly key: string
  readonly body: Buffer
  readonly manifest: Manifest
}

const originKey = (job: JobId, run: number, body: Buffer): string => paths.origin(job, run, createHash('sha256').update(body).digest('hex'))

const fromOrigin = (job: JobId, run: number, origin: FoundCheckpoint | undefined, { C4 }: Pick<Rules, 'C4'>): Pick<RunFrame, 'from' | 'tasks'> => (origin === undefined
  ? { from: null }
  : { from: { run: origin.manifest.run, checkpoint: origin.manifest.checkpoint, manifest: C4 ? originKey(job, run, origin.body) : origin.key }, tasks: tasksOf(origin.manifest) })

/**
 * C4: the manifest is copied for the run, and only then seen to be there still. A removal of the checkpoint that somebody else has sent, a leader
 * that was replaced included, comes too late from now on: who looks for garbage behind it finds the copy.
 */
const secureOrigin = async ({ store }: DriverPorts, job: JobId, run: number, { key, body, manifest }: FoundCheckpoint): Promise<void> => {
  await store.put(originKey(job, run, body), body)
  if (await getIfThere(store, key) === undefined) throw await unknownCheckpoint(store, job, manifest.checkpoint)
}

export const busy = (job: JobId, state: JobState): TidemarkError =>
  new TidemarkError(`${job} is ${state}`, { code: 'JOB_BUSY', blame: 'user', action: 'retry', job, hint: 'Wait until that is over; `tidemark events` shows how it goes.' })

/**
 * A job that this leader made its own and then could not read may run: its name is not free. A definition of another epoch was written by one that was replaced,
 * behind this leader's back: nobody has begun that. A restore ends the run that is there, by its record: without that its number would be taken again, and its journals.
 */
const checkUnread = async (ports: DriverPorts, leadership: Leadership, { job, run, state, epoch }: Definition, { fromCheckpoint }: SubmitRequest): Promise<void> => {
  if (epoch !== leadership.epoch || state === 'cancelled') return
  if (fromCheckpoint !== undefined) return void await readRun(ports, job, run)
  throw new TidemarkError(`there is a job ${job} (run ${run}), which may run, but this driver could not read what is stored of it`, {
    code: 'JOB_UNREADABLE', blame: 'environment', action: 'fail-job', job, run,
    hint: `The driver's log says what is damaged (job.unreadable). Restore it from a backup of the bucket and start the driver again. Or, where it is only the plan, go on with its state: \`tidemark submit <job file> --from <checkpoint>\`. Or give this one another name.`,
  })
}

const SUBMISSION_ID_CHARACTERS_MAX = 100

const checkId = ({ submissionId }: SubmitRequest): void => {
  if (submissionId === undefined || (submissionId.length > 0 && submissionId.length <= SUBMISSION_ID_CHARACTERS_MAX)) return
  throw new TidemarkError(`a submission id has 1 to ${SUBMISSION_ID_CHARACTERS_MAX} characters, this one ${submissionId.length}`, { code: 'JOB_SUBMISSION_ID', blame: 'user', action: 'fail-job', path: 'header.submission_id', hint: 'Take a UUID.' })
}

/** The very submission that the newest run is of: its client did not get the answer. */
const answerAgain = ({ job, run, from }: RunRecord): SubmitAnswer => ({ job, run, outcome: from === null ? 'created' : 'restored', notes: [`run ${run} is of this submission already`] })

/** The name is taken: the same content changes nothing, other content is refused with the way out. */
const answerTaken = async (store: ObjectStore, record: RunRecord, state: JobState, hash: string, sha256: string): Promise<SubmitAnswer> => {
  const { job, run } = record
  if (state === 'cancelling' || state === 'draining') throw busy(job, state)
  if (record.planHash === hash && record.bundle.sha256 === sha256 && state !== 'failed' && state !== 'ended') return { job, run, outcome: 'unchanged', notes: [`run ${run} of it is ${state} already`] }
  const how = record.planHash === hash && record.bundle.sha256 === sha256 ? `it is ${state}` : 'its code is another than what is to be submitted'
  throw new TidemarkError(`there is a job ${job} (version ${record.jobVersion}, run ${run}, ${state}): ${how}`, {
    code: 'JOB_EXISTS', blame: 'user', action: 'fail-job', job, run,
    hint: `${state === 'failed' || state === 'ended' ? waysOutOfStopped(job, await checkpointsOf(store, job)) : waysOutOfRunning(job)} Run both: give this one another name.`,
  })
}

/** Restored from a checkpoint that it took while it ran, what it put out since would come again. */
const waysOutOfRunning = (job: JobId): string =>
  `Go on with its state: \`tidemark cancel ${job}\`, which prints a number, then \`tidemark submit <job file> --from <number>\` (from an older checkpoint what came after it is put out again). Begin empty: \`tidemark cancel ${job} --now\` first.`

/** Nothing of it runs that could be drained. */
const waysOutOfStopped = (job: JobId, [newest]: readonly number[]): string =>
  `${newest === undefined ? '' : `Go on with its state: \`tidemark submit <job file> --from ${newest}\`. `}Begin empty: \`tidemark cancel ${job} --now\` first.`

const findCheckpoint = async ({ store }: DriverPorts, job: JobId, checkpoint: number): Promise<FoundCheckpoint> => {
  for (const key of [paths.manifest(job, checkpoint), paths.savepoint(job, checkpoint)]) {
    const body = await getIfThere(store, key)
    if (body !== undefined) return { manifest: parseManifest(body, key), body, key }
  }
  throw await unknownCheckpoint(store, job, checkpoint)
}

/** Their numbers, the newest first. */
const checkpointsOf = async (store: ObjectStore, job: JobId): Promise<number[]> => (await store.list(paths.manifestPrefix(job))).flatMap(({ key }) => paths.parseManifest(key)?.number ?? []).toSorted((a, b) => b - a)

/** Whoever submits a cancelled job again may have meant to go on with it. */
const passedOver = async ({ store }: DriverPorts, { job, run, from }: RunRecord): Promise<string[]> => {
  const [newest] = run === 1 || from !== null ? [] : await checkpointsOf(store, job)
  return newest === undefined ? [] : [`it reads its input from the start, and what earlier runs put out comes again. To go on from the newest checkpoint: \`tidemark submit <job file> --from ${newest}\``]
}

const unknownCheckpoint = async (store: ObjectStore, job: JobId, checkpoint: number): Promise<TidemarkError> => {
  const there = await checkpointsOf(store, job)
  return new TidemarkError(`${job} has no checkpoint ${checkpoint}`, { code: 'CHECKPOINT_UNKNOWN', blame: 'user', action: 'fail-job', job, details: { there }, hint: there.length === 0 ? 'It has none at all.' : `It has ${there.slice(0, 20).join(', ')}.` })
}

const startNotes = (record: RunRecord, origin: Manifest | undefined, before: Definition | undefined): string[] => {
  if (origin === undefined) return [`run ${record.run} starts empty`]
  // Its last checkpoint: behind it nothing was put out.
  const wasDrained = before?.state === 'cancelled' && before.run === origin.run && before.finalCheckpoint === origin.checkpoint
  const outputs = wasDrained ? [] : origin.outputs.map(({ topic, partition, next }) => `${topic}/${partition} from ${next}`)
  return [
    `run ${record.run} starts from checkpoint ${origin.checkpoint} of run ${origin.run}`,
    ...(outputs.length === 0 ? [] : [`output after it is not called back: ${outputs.join(', ')} up to where the run before ends (\`tidemark events\` tells)`]),
  ]
}

/** Many Kafka readers default to read_uncommitted. */
const readerNotes = (plan: LogicalPlan): string[] =>
  plan.nodes.some((node) => node.kind === 'sink' && node.sink.kind === 'topic') ? ['readers of its output topics must set isolation.level=read_committed'] : []
