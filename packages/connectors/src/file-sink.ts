// Writes each batch of the outbox as one NDJSON file whose name says which batch it is, so that it is there once or not at all.
import { mkdir, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { noFaults, realRandom, TidemarkError } from '@tidemark/base'
import type { FaultPoints, JobId, OutboxDelivery, OutboxSink, Random } from '@tidemark/base'

/** Enough digits to sort by name for a thousand years of batches. */
const BATCH_DIGITS = 12
const NEWLINE = 10
/** Holds the unfinished files (in the folder itself, so that a rename stays within one file system) and the mark of its owner. */
const OWN_FOLDER = '.tidemark'
const OWNER = 'owner-'

export interface FileSinkOptions {
  /** Made when absent. Belongs to this sink of this job alone. */
  readonly folder: string
  readonly job: JobId
  readonly sink: string
  readonly random?: Random
  /** `file-sink.written`, before the file gets its name; `file-sink.named`, before the name is durable. */
  readonly faults?: FaultPoints
}

const codeOf = (error: unknown): unknown => (typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined)

const sinkError = (path: string, error: unknown): TidemarkError => {
  if (error instanceof TidemarkError) return error
  const code = codeOf(error)
  const message = `${path}: ${error instanceof Error || (typeof error === 'object' && error !== null && 'message' in error) ? String(error.message) : String(error)}`
  return code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST'
    ? refused(message, 'Check the folder of the sink and the rights of the executor on it.', error)
    : new TidemarkError(message, { code: 'SINK_UNAVAILABLE', blame: 'environment', action: 'retry', cause: error, hint: 'Is the disk full or gone? The outbox keeps the batch until it is written.' })
}

const refused = (message: string, hint: string, cause?: unknown): TidemarkError => new TidemarkError(message, { code: 'SINK_REFUSED', blame: 'user', action: 'fail-job', hint, cause })

/** Makes names in a folder durable. */
const syncFolder = async (folder: string): Promise<void> => {
  // A folder can't be opened there; NTFS keeps names in its journal.
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const ndjson = ({ records, batchId, sink }: OutboxDelivery): Buffer => {
  const torn = records.findIndex((record) => record.includes(NEWLINE))
  if (torn >= 0) throw refused(`sink ${sink}, batch ${batchId}: record ${torn} holds a newline, a reader would take it for two`, 'Encode the records of a file sink as JSON, or without newlines.')
  return Buffer.concat(records.flatMap((record) => [record, Buffer.of(NEWLINE)]))
}

/** `<run>-<stage>-<partition>-<batchId>.ndjson`, the batch id padded to 12 digits. */
const fileName = ({ task, batchId }: OutboxDelivery): string => `${task.run}-${task.stage}-${task.partition}-${String(batchId).padStart(BATCH_DIGITS, '0')}.ndjson`

/**
 * A file under its final name is whole and durable, and never written again: a repeated delivery finds it and leaves it. It must then hold
 * the same bytes; other bytes mean that this folder saw another life of the job, and are `SINK_REFUSED` instead of being taken for ours. A
 * delivery without records makes no file. Who takes files out of the folder must remember their names: a batch that is delivered again after
 * a crash, and is not found, is written again.
 */
export const openFileSink = ({ folder, job, sink, random = realRandom, faults = noFaults }: FileSinkOptions): OutboxSink => {
  const own = join(folder, OWN_FOLDER)

  const present = (name: string): Promise<Buffer | undefined> => readFile(join(folder, name)).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })

  /** Writes, makes durable, then names. Nothing is seen under `name` before it is whole. */
  const publish = async (name: string, content: Buffer): Promise<void> => {
    const temporary = join(own, `${name}.${random.uuid()}`)
    try {
      const file = await open(temporary, 'wx')
      try {
        await file.writeFile(content)
        await file.sync()
      } finally {
        await file.close()
      }
      faults.reach('file-sink.written')
      await rename(temporary, join(folder, name))
    } catch (error) {
      await rm(temporary, { force: true })
      // Another owner of this batch has named its own meanwhile and taken ours for a remains.
      if (codeOf(error) !== 'ENOENT' || !(await present(name))?.equals(content)) throw error
    }
    faults.reach('file-sink.named')
    await syncFolder(folder)
  }

  /** The mark is an empty folder: made whole or not at all, by whoever comes first; two who come together both see it and both stop. */
  const claimFolder = async (): Promise<void> => {
    const made = await mkdir(own, { recursive: true })
    if (made !== undefined) await syncFolder(dirname(made))
    const mark = `${OWNER}${job}.${encodeURIComponent(sink)}`
    const refuseOthers = async (): Promise<void> => {
      const other = (await readdir(own)).find((name) => name.startsWith(OWNER) && name !== mark)
      if (other !== undefined) throw refused(`${folder} belongs to another sink (${join(own, other)}); the files of sink ${sink} of job ${job} would have the same names`, 'Give each file sink a folder of its own.')
    }
    await refuseOthers()
    await mkdir(join(own, mark), { recursive: true })
    try {
      await refuseOthers()
    } catch (error) {
      await rmdir(join(own, mark))
      throw error
    }
  }
  let claimed: Promise<void> | undefined

  return {
    deliver: async (delivery) => {
      const name = fileName(delivery)
      try {
        if (delivery.task.job !== job || delivery.sink !== sink) throw refused(`${name}: a delivery of sink ${delivery.sink} of job ${delivery.task.job} came to sink ${sink} of job ${job}`, 'This is a bug; please report it.')
        await (claimed ??= claimFolder().catch((error: unknown) => {
          claimed = undefined
          throw error
        }))
        if (delivery.records.length === 0) return
        const content = ndjson(delivery)
        const before = await present(name)
        if (before === undefined) await publish(name, content)
        else if (before.equals(content)) await syncFolder(folder)
        else throw refused(`${join(folder, name)} is there already with other content (${before.length} bytes, this batch has ${content.length})`, 'The folder holds the output of another life of this job. Move it away, or give the sink another folder.')
        // What an earlier attempt at this batch left behind when it was killed.
        for (const left of await readdir(own)) if (left.startsWith(name)) await rm(join(own, left), { force: true })
      } catch (error) {
        throw sinkError(join(folder, name), error)
      }
    },
    close: async () => {},
  }
}
