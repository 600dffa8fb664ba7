// The log's errors as the memory log reports them.
import { howMany, TidemarkError } from '@tidemark/base'
import type { ErrorPlace } from '@tidemark/base'

export const missing = (topic: string, partition?: number): TidemarkError =>
  new TidemarkError(`topic "${topic}" ${partition === undefined ? 'does not exist' : `has no partition ${partition}`}`, { code: 'LOG_TOPIC_MISSING', blame: 'user', action: 'fail-job', hint: 'Create the topic, or correct its name.', topic, ...(partition === undefined ? {} : { partition }) })

export const topicExists = (topic: string, found: number, wanted: number): TidemarkError =>
  new TidemarkError(`topic "${topic}" exists with ${howMany(found, 'partition')}, ${howMany(wanted, 'is', 'are')} wanted`, { code: 'LOG_TOPIC_EXISTS', blame: 'user', action: 'fail-job', hint: 'Use another name, or delete the topic if nobody needs it.', topic, details: { found, wanted } })

export const topicInvalid = (topic: string, why: string): TidemarkError =>
  new TidemarkError(`"${topic}" can't be a topic: ${why}`, { code: 'LOG_TOPIC_INVALID', blame: 'user', action: 'fail-job', topic })

export const fenced = (id: string): TidemarkError =>
  new TidemarkError(`transactional id "${id}" was fenced`, { code: 'LOG_FENCED', blame: 'environment', action: 'restart-task', hint: 'Another owner ended this producer session; its last transaction was aborted.' })

export const replaced = (topic: string): TidemarkError => new TidemarkError(`topic "${topic}" was deleted and made anew while it was read`, {
  code: 'LOG_TOPIC_REPLACED', blame: 'user', action: 'fail-job', topic, hint: 'Positions in the old topic mean nothing in the new one.',
})

export const tooLarge = (place: ErrorPlace, bytes: number, bytesMax: number): TidemarkError =>
  new TidemarkError(`a record of ${bytes} bytes is larger than topic "${place.topic}" takes (${bytesMax} bytes)`, { code: 'LOG_RECORD_TOO_LARGE', blame: 'user', action: 'fail-job', hint: "Make the record smaller, or raise the topic's max.message.bytes.", ...place, details: { bytes, maxMessageBytes: bytesMax } })

export const outOfRange = (topic: string, partition: number, requested: number, start: number, end: number): TidemarkError =>
  new TidemarkError(`position ${requested} of partition ${partition} of "${topic}" is outside the log, which holds ${start} to ${end}`, { code: 'LOG_OUT_OF_RANGE', blame: 'environment', action: 'fail-job', hint: 'Restore from a checkpoint whose positions still exist, or start the job anew.', topic, partition, offset: requested, details: { requested, start, end } })

export const closed = (what: string, cause?: unknown): TidemarkError => new TidemarkError(`${what} is closed`, { code: 'LOG_CLOSED', blame: 'bug', action: 'restart-task', cause })

export const sessionMisused = (message: string): TidemarkError => new TidemarkError(message, { code: 'LOG_SESSION_MISUSED', blame: 'bug', action: 'restart-task' })

export const readerMisused = (): TidemarkError => new TidemarkError('a reader was asked for two fetches at once', { code: 'LOG_READER_MISUSED', blame: 'bug', action: 'restart-task' })
