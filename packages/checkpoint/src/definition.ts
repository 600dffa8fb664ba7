// A job's definition, `jobs/<job>/definition/<epoch>.json`: what is wanted of it, and how far that is. The one thing of a job that changes.
import type { JobId } from '@tidemark/base'
import { formatJson } from './files/checked.ts'

export interface Definition {
  readonly formatVersion: 1
  readonly job: JobId
  /** The one that counts: a run record above it is of a submission that nobody was answered. */
  readonly run: number
  readonly desired: 'running' | 'cancelled'
  /** `new`: the run's topics may not be there yet. `started`: they are, and are never made again: a journal that is gone then is a loss, not a beginning. */
  readonly state: 'new' | 'started' | 'failed' | 'cancelled'
  readonly submittedAt: number
  /** Epoch of the driver that wrote it. */
  readonly epoch: number
  readonly error?: { readonly code: string, readonly message: string, readonly blame: string, readonly action: string, readonly hint?: string }
  /** With `desired: 'cancelled'`: a last checkpoint comes first. */
  readonly drain?: boolean
  /** With `state: 'cancelled'`: the checkpoint that it was drained with. */
  readonly finalCheckpoint?: number
}

const isDefinition = (value: unknown, job: JobId): value is Definition => {
  const found = value as Partial<Definition> | null
  return typeof found === 'object' && found !== null && found.formatVersion === 1 && found.job === job && Number.isSafeInteger(found.run) && Number.isSafeInteger(found.epoch)
    && (found.desired === 'running' || found.desired === 'cancelled') && ['new', 'started', 'failed', 'cancelled'].includes(found.state ?? '') && typeof found.submittedAt === 'number'
    && (found.drain === undefined || typeof found.drain === 'boolean') && (found.finalCheckpoint === undefined || Number.isSafeInteger(found.finalCheckpoint))
}

/** Undefined: it is damaged, of another job, or written by a newer engine. */
export const parseDefinition = (body: Buffer | string, job: JobId): Definition | undefined => {
  let value: unknown
  try {
    value = JSON.parse(body.toString())
  } catch {
    return undefined
  }
  return isDefinition(value, job) ? value : undefined
}

export const formatDefinition = (definition: Definition): Buffer => formatJson(definition)
