// Reads and writes the definitions of jobs. Each leader writes an object of its own, and the highest epoch counts: what a leader that was replaced still
// writes, however late, is read by nobody.
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import type { JobId, ObjectStore } from '@tidemark/base'
import { formatDefinition, parseDefinition, paths } from '@tidemark/checkpoint'
import type { Definition } from '@tidemark/checkpoint'
import type { Leadership } from './ports.ts'

/** The object's bytes, or undefined when there is none. */
export const getIfThere = async (store: ObjectStore, key: string): Promise<Buffer | undefined> => {
  try {
    return await store.get(key)
  } catch (error) {
    if (isTidemarkError(error) && error.code === 'STORE_NOT_FOUND') return undefined
    throw error
  }
}

const epochsOf = async (store: ObjectStore, job: JobId): Promise<number[]> =>
  (await store.list(paths.definitionPrefix(job))).flatMap(({ key }) => paths.parseDefinition(key)?.number ?? [])

export const readDefinition = async (store: ObjectStore, job: JobId): Promise<Definition | undefined> => {
  const epochs = await epochsOf(store, job)
  if (epochs.length === 0) return undefined
  const key = paths.definition(job, Math.max(...epochs))
  const body = await getIfThere(store, key)
  // A later leader has stored its own and removed this one meanwhile.
  if (body === undefined) return readDefinition(store, job)
  const definition = parseDefinition(body, job)
  if (definition !== undefined) return definition
  throw new TidemarkError(`${key} is damaged`, { code: 'JOB_DEFINITION_DAMAGED', blame: 'environment', action: 'fail-job', job, path: key, hint: 'It was edited by hand, or written by a newer engine. Restore it from a backup of the bucket.' })
}

const replaced = (job: JobId, by: number, epoch: number): TidemarkError =>
  new TidemarkError(`driver of epoch ${by} has written the definition of ${job}, this one has epoch ${epoch}`, { code: 'DRIVER_REPLACED', blame: 'environment', action: 'retry', job })

/** Refuses beside a later driver's word: this one has been replaced and does not know it yet. */
export const writeDefinition = async (store: ObjectStore, definition: Definition, onSend: () => void = () => {}): Promise<void> => {
  const { job, epoch } = definition
  const before = await epochsOf(store, job)
  const newest = Math.max(...before, epoch)
  if (newest > epoch) throw replaced(job, newest, epoch)
  onSend()
  await store.put(paths.definition(job, epoch), formatDefinition(definition))
  // They count no more, whether they go or not.
  await store.delete(before.filter((one) => one < epoch).map((one) => paths.definition(job, one))).catch(() => {})
}

/** Of a job that is led: there is one. Its run is the one that counts; a record above it is of a submission that nobody was answered. */
export const definitionOf = async (store: ObjectStore, job: JobId): Promise<Definition> => {
  const definition = await readDefinition(store, job)
  if (definition !== undefined) return definition
  throw new TidemarkError(`${job} has no definition`, { code: 'JOB_DEFINITION_DAMAGED', blame: 'environment', action: 'fail-job', job, path: paths.definitionPrefix(job), hint: 'It was removed by hand. Restore it from a backup of the bucket.' })
}

/** Before what can't be undone is done for a run: rejects with `DRIVER_REPLACED` when a later driver has its own word on the job, or the job goes on with another run. */
export const stillWanted = async (store: ObjectStore, { epoch }: Pick<Leadership, 'epoch'>, job: JobId, run: number): Promise<Definition> => {
  const definition = await definitionOf(store, job)
  if (definition.epoch > epoch) throw replaced(job, definition.epoch, epoch)
  if (definition.run !== run) throw new TidemarkError(`${job} goes on with run ${definition.run}, not with run ${run}`, { code: 'DRIVER_REPLACED', blame: 'environment', action: 'retry', job })
  return definition
}

/** A new leader makes what it found its own before it acts on it. False: there is none, as whoever wrote it has taken it away again. */
export const adoptDefinition = async (store: ObjectStore, { epoch }: Pick<Leadership, 'epoch'>, job: JobId): Promise<boolean> => {
  const before = await readDefinition(store, job)
  if (before !== undefined && before.epoch !== epoch) await writeDefinition(store, { ...before, epoch })
  return before !== undefined
}

type Change = Partial<Pick<Definition, 'desired' | 'state' | 'error' | 'drain' | 'finalCheckpoint'>>

/** Changes some fields of what is there; nothing when the job has gone on to another run. */
export const updateDefinition = (store: ObjectStore, leadership: Leadership, job: JobId, run: number, change: Change): Promise<void> =>
  leadership.exclusive(job, async () => {
    const before = await readDefinition(store, job)
    if (before?.run === run) await writeDefinition(store, { ...before, ...change, epoch: leadership.epoch })
  })
