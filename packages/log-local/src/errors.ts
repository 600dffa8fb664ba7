// What went wrong, in the log's codes; and which errors of SQLite mean what.
import { howMany, isTidemarkError, TidemarkError } from '@tidemark/base'
import type { ErrorPlace } from '@tidemark/base'

export const missing = (topic: string, partition?: number): TidemarkError =>
  new TidemarkError(`topic "${topic}" ${partition === undefined ? 'does not exist' : `has no partition ${partition}`}`, { code: 'LOG_TOPIC_MISSING', blame: 'user', action: 'fail-job', hint: `Correct its name, or create it: tidemark topics create ${topic} --partitions <n>`, topic, ...(partition === undefined ? {} : { partition }) })

export const topicExists = (topic: string, found: number, wanted: number): TidemarkError =>
  new TidemarkError(`topic "${topic}" exists with ${howMany(found, 'partition')}, ${howMany(wanted, 'is', 'are')} wanted`, { code: 'LOG_TOPIC_EXISTS', blame: 'user', action: 'fail-job', hint: 'Use another name, or delete the topic if nobody needs it.', topic, details: { found, wanted } })

export const topicInvalid = (topic: string, why: string): TidemarkError =>
  new TidemarkError(`"${topic}" can't be a topic: ${why}`, { code: 'LOG_TOPIC_INVALID', blame: 'user', action: 'fail-job', topic })

export const fenced = (id: string): TidemarkError =>
  new TidemarkError(`transactional id "${id}" was fenced`, { code: 'LOG_FENCED', blame: 'environment', action: 'restart-task', hint: 'Another owner ended this producer session; its last transaction was not written.' })

export const replaced = (topic: string): TidemarkError => new TidemarkError(`topic "${topic}" was deleted and made anew while it was read`, {
  code: 'LOG_TOPIC_REPLACED', blame: 'user', action: 'fail-job', topic, hint: 'Positions in the old topic mean nothing in the new one. Cancel the job and submit it again to begin with the new topic.',
})

export const tooLarge = (place: ErrorPlace, bytes: number, bytesMax: number): TidemarkError =>
  new TidemarkError(`a record of ${bytes} bytes is larger than topic "${place.topic}" takes (${bytesMax} bytes)`, { code: 'LOG_RECORD_TOO_LARGE', blame: 'user', action: 'fail-job', hint: "Make the record smaller, or make the topic with a larger max.message.bytes.", ...place, details: { bytes, maxMessageBytes: bytesMax } })

export const outOfRange = (topic: string, partition: number, requested: number, start: number, end: number): TidemarkError =>
  new TidemarkError(`position ${requested} of partition ${partition} of "${topic}" is outside the log: ${requested < start ? `what lay below ${start} has been trimmed` : `it ends at ${end}, it was made anew or cut back`}`, {
    code: 'LOG_OUT_OF_RANGE', blame: 'environment', action: 'fail-job', hint: 'Restore from a checkpoint whose positions still exist, or start the job anew.', topic, partition, offset: requested, details: { requested, start, end },
  })

export const damaged = (message: string, place: ErrorPlace = {}, cause?: unknown): TidemarkError =>
  new TidemarkError(message, { code: 'LOG_DAMAGED', blame: 'environment', action: 'exit', hint: 'Move the file away and start anew, or bring back a copy of it.', ...place, cause })

export const undecodable = (message: string, place: ErrorPlace): TidemarkError =>
  new TidemarkError(message, { code: 'LOG_CODEC', blame: 'environment', action: 'fail-job', hint: 'The batch is damaged; reading on would skip its records.', ...place })

export const unsupported = (message: string, hint: string): TidemarkError => new TidemarkError(message, { code: 'LOG_UNSUPPORTED', blame: 'environment', action: 'exit', hint })

export const closed = (what: string, cause?: unknown): TidemarkError => new TidemarkError(`${what} is closed`, { code: 'LOG_CLOSED', blame: 'bug', action: 'restart-task', cause })

export const sessionMisused = (message: string): TidemarkError => new TidemarkError(message, { code: 'LOG_SESSION_MISUSED', blame: 'bug', action: 'restart-task' })

export const readerMisused = (): TidemarkError => new TidemarkError('a reader was asked for two fetches at once', { code: 'LOG_READER_MISUSED', blame: 'bug', action: 'restart-task' })

export const outcomeUnknown = (doing: string, cause: unknown): TidemarkError =>
  new TidemarkError(`${doing}: the disk failed while it was being written (${messageOf(cause)}), it may have happened or not`, { code: 'LOG_OUTCOME_UNKNOWN', blame: 'environment', action: 'restart-task', hint: 'Look at the disk: is it full? The journal decides: fence this id, take a new one, read back.', cause })

const unavailable = (message: string, hint: string, cause: unknown): TidemarkError => new TidemarkError(message, { code: 'LOG_UNAVAILABLE', blame: 'environment', action: 'retry', hint, cause })

/** Primary result codes, sqlite.org/rescode.html. */
const SQLITE = { BUSY: 5, LOCKED: 6, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 } as const

/** Not by `instanceof`: an error of Node itself belongs to another realm where code runs in a `vm` context, as in Jest. */
const resultCode = (error: unknown): number | undefined => (typeof error === 'object' && error !== null && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : undefined)
const messageOf = (error: unknown): string => (typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error))

export const leaseUnavailable = (doing: string, path: string, cause: unknown): TidemarkError =>
  new TidemarkError(`${doing}: ${path}: ${messageOf(cause)}`, { code: 'LEASE_UNAVAILABLE', blame: 'environment', action: 'retry', hint: 'Look at the file, its folder and its rights.', cause })

/** Another process holds the lock that was needed; nothing was done. */
export const isBusy = (error: unknown): boolean => {
  const code = resultCode(error)
  return code === SQLITE.BUSY || code === SQLITE.LOCKED
}

export const busyFor = (doing: string, ms: number, cause: unknown): TidemarkError =>
  unavailable(`${doing}: the file has been locked by another process for ${ms} ms`, 'A process of this cluster may be stopped while it writes; end it.', cause)

/** Errors of ours pass unchanged. */
export const sqliteError = (error: unknown, doing: string, path: string): TidemarkError => {
  if (isTidemarkError(error)) return error
  const said = messageOf(error)
  const code = resultCode(error)
  if (code === undefined) return new TidemarkError(`${doing}: ${said}`, { code: 'LOG_CLIENT_ERROR', blame: 'bug', action: 'restart-task', cause: error })
  if (code === SQLITE.CORRUPT || code === SQLITE.NOTADB) return damaged(`${doing}: ${path} is damaged: ${said}`, {}, error)
  if (code === SQLITE.FULL) return unavailable(`${doing}: no space is left for ${path}`, 'Free space on that disk; nothing was written and nothing is lost.', error)
  if (code === SQLITE.CANTOPEN) return unavailable(`${doing}: ${path} can't be opened: ${said}`, 'Look at the rights of the file and its folder.', error)
  return unavailable(`${doing}: ${path}: ${said}`, 'Look at the disk and the rights of the file.', error)
}
