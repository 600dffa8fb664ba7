// The state that a restored run began from, as its checkpoint holds it: for journals that still reach back to their first batch.
import { decodeBlock, InFlightDecoder, openSnapshot, parseManifest, paths } from '@tidemark/checkpoint'
import type { Findings, JournalBase, Manifest, ReadSnapshot, RunRecord, RunStage, SourcePosition } from '@tidemark/checkpoint'
import type { JobId, ObjectStore, TaskRef } from '@tidemark/base'
import { getObject } from './run.ts'

export interface Origin {
  readonly snapshot: ReadSnapshot
  readonly base: JournalBase
  /** Records in each block in flight, by input. */
  readonly inFlight: ReadonlyMap<string, readonly number[]>
}

/** Undefined: the run began empty, or has two checkpoints of its own and that one has been removed: what the run's copy of the manifest names is garbage then, and later the copy. */
export const readOrigin = async (store: ObjectStore, { from, job, run }: RunRecord): Promise<Manifest | undefined> => {
  if (from === null) return undefined
  const body = await getObject(store, from.manifest)
  if (body === undefined) return undefined
  const is = await Promise.all([paths.manifest(job, from.checkpoint), paths.savepoint(job, from.checkpoint)].map((key) => getObject(store, key)))
  return is.some((one) => one !== undefined) || await ownCheckpoints(store, job, run) < 2 ? parseManifest(body, from.manifest) : undefined
}

const ownCheckpoints = async (store: ObjectStore, job: JobId, run: number): Promise<number> => {
  const bodies = await Promise.all((await store.list(paths.manifestPrefix(job))).map(async ({ key }) => ({ key, body: await getObject(store, key) })))
  return bodies.filter(({ key, body }) => body !== undefined && parseManifest(body, key).run === run).length
}

/** Undefined: not there any more, or damaged. */
export const originOf = async (store: ObjectStore, manifest: Manifest, stage: RunStage, task: TaskRef, findings: Findings): Promise<Origin | undefined> => {
  const isOwn = (one: { readonly stage: string, readonly partition: number }): boolean => one.stage === task.stage && one.partition === task.partition
  const part = manifest.parts.find(isOwn)
  if (part === undefined) return undefined
  const snapshot = openSnapshot(task, part.ref, await Promise.all(part.ref.objects.map(({ key }) => getObject(store, key))), findings)
  const objects = manifest.inFlight.find(isOwn)?.objects ?? []
  if (snapshot === undefined) return undefined
  const inFlight = new Map<string, number[]>()
  const decoder = new InFlightDecoder()
  for (const ref of objects) {
    const body = await getObject(store, ref.key)
    if (body === undefined) return undefined
    for (const { input, value } of decoder.object(body, ref)) {
      const records = inFlight.get(input) ?? []
      inFlight.set(input, records)
      records.push(decodeBlock(value).values.length)
    }
  }
  decoder.finish()
  // A shuffle is read from its blocks in flight on, then from the beginning of the new run's topic.
  const positions = part.ref.positions.map((position): SourcePosition => {
    const input = stage.inputs.find((one) => one.input === position.input)
    if (input === undefined || input.kind !== 'shuffle') return position
    return { input: position.input, partition: position.partition, topic: input.topic, next: 0, inFlight: 0 }
  })
  return { snapshot, base: { batchId: 0, positions, totals: snapshot.content.totals }, inFlight }
}
