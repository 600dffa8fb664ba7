// A checkpoint's part of the driver: offsets of its outputs before the first cut, the manifest as the last file, retention, garbage.
import type { JobId } from '@tidemark/base'
import { buildManifest, DEFAULT_RETENTION, formatManifest, garbagePlan, metadataFile, objectsOf, offsetsFile, parseManifest, paths, retentionPlan } from '@tidemark/checkpoint'
import type { GarbagePlan, Manifest, ManifestOutput, Origin, RunRecord } from '@tidemark/checkpoint'
import type { CheckpointDescription } from '@tidemark/wire'
import type { LogicalPlan } from 'tidemark'
import type { DriverCommand } from '../core/protocol.ts'
import { listCheckpoints } from './load-jobs.ts'
import type { DriverPorts, Leadership } from './ports.ts'
import { definitionOf } from './definition.ts'
import { readRun } from './start-run.ts'
import { stillLeads } from './still-leads.ts'

/** Of every topic that the plan writes to; files and others have no offsets. */
export const readOutputs = async ({ log }: DriverPorts, plan: LogicalPlan): Promise<ManifestOutput[]> => {
  const topics = new Set(plan.nodes.flatMap((node) => node.kind === 'sink' && node.sink.kind === 'topic' ? [node.sink.topic] : []))
  const outputs: ManifestOutput[] = []
  for (const topic of topics) for (const { partition, stable } of await log.offsets(topic)) outputs.push({ topic, partition, next: stable })
  return outputs
}

type WriteCheckpoint = Extract<DriverCommand, { readonly kind: 'write-checkpoint' }>

/**
 * The manifest is written last and create-if-absent: without it there is no checkpoint. Its parts came from executors, unread: one that no restore
 * could read would count as complete, and retention remove good ones for it.
 */
export const writeCheckpoint = async ({ store, clock }: DriverPorts, leadership: Leadership, record: RunRecord, engineVersion: string, command: WriteCheckpoint): Promise<CheckpointDescription> => {
  const { checkpoint, parts, inFlight, outputs } = command
  const manifest = buildManifest(record, { checkpoint, engineVersion, schemas: {}, driverEpoch: leadership.epoch, timestamp: clock.now(), parts, inFlight, outputs }, leadership.rules)
  const [key, body] = [paths.manifest(record.job, checkpoint), formatManifest(manifest)]
  parseManifest(body, key)
  await store.put(paths.offsets(record.job, checkpoint), offsetsFile(manifest))
  if (await store.putIfAbsent(key, body) === 'exists') throw new RangeError(`checkpoint ${checkpoint} of ${record.job} is there already`)
  await store.put(paths.metadata(record.job), metadataFile(manifest))
  return { checkpoint, run: record.run, takenAt: manifest.timestamp, bytes: objectsOf(manifest).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), parts: parts.length }
}

/**
 * Removes what retention does not keep, the file for people with it. Returns what is left, newest first. What a run that is about to start
 * begins from stays: the record of the run that was accepted last says so, whatever run the checkpoint was taken of. The caller lets no submission in between.
 * Another leader may have taken one: whoever was replaced since it looked removes nothing. A removal that is on its way then harms no run: each has its own copy (C4).
 */
export const retain = async (ports: DriverPorts, leadership: Pick<Leadership, 'epoch'>, record: RunRecord, newest: number): Promise<CheckpointDescription[]> => {
  const { store, clock, logger } = ports
  const there = await listCheckpoints(ports, record.job)
  const { run } = await definitionOf(store, record.job)
  const { from } = run > record.run ? await readRun(ports, record.job, run) : record
  const { remove } = retentionPlan(there.map((one) => ({ checkpoint: one.checkpoint, run: one.run, timestamp: one.takenAt })), { ...DEFAULT_RETENTION, newest }, Math.max(run, record.run), from?.checkpoint, clock.now())
  if (remove.length > 0) {
    await stillLeads(ports, leadership)
    // The manifest first: what is left of it without one is no checkpoint.
    await store.delete(remove.map((checkpoint) => paths.manifest(record.job, checkpoint)))
    await store.delete(remove.map((checkpoint) => paths.offsets(record.job, checkpoint)))
    logger.info({ job: record.job, checkpoints: remove }, 'checkpoint.removed')
  }
  const gone = new Set(remove)
  return there.filter(({ checkpoint }) => !gone.has(checkpoint))
}

/** S7, C4: objects are listed first, then manifests, then origins. */
export const collectGarbage = async (ports: DriverPorts, leadership: Leadership, job: JobId, { dryRun }: { readonly dryRun: boolean }): Promise<GarbagePlan> => {
  const { store, clock, logger } = ports
  const objectsListedAt = clock.monotonic()
  const objects = await store.list(paths.statePrefix(job))
  const manifestsListedAt = clock.monotonic()
  const keys = [...await store.list(paths.manifestPrefix(job)), ...await store.list(paths.savepointPrefix(job))].map(({ key }) => key)
  const manifests: Manifest[] = []
  for (const key of keys) manifests.push(parseManifest(await store.get(key), key))
  const { run } = await definitionOf(store, job)
  const { from } = await readRun(ports, job, run)
  const originsListedAt = clock.monotonic()
  const origins: Origin[] = []
  for (const info of await store.list(paths.originPrefix(job))) {
    const of = paths.parseOrigin(info.key)?.number
    if (of !== undefined) origins.push({ info, run: of, manifest: of < run ? undefined : parseManifest(await store.get(info.key), info.key) })
  }
  const plan = garbagePlan({ job, run, from: from?.manifest, objects, objectsListedAt, manifests, manifestsListedAt, origins, originsListedAt, now: clock.now() }, leadership.rules)
  const garbage = [...plan.remove.map(({ key }) => key), ...plan.removeOrigins]
  if (!dryRun && garbage.length > 0) {
    await stillLeads(ports, leadership)
    await store.delete(garbage)
    logger.info({ job, objects: plan.remove.length, bytes: plan.bytes, origins: plan.removeOrigins.length, spared: plan.spared }, 'garbage.collected')
  }
  return plan
}
