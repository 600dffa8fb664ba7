// Broker error codes and client errors → our codes. A broker code that is not listed stops the caller; it is never retried blindly.
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import type { ErrorFacts, ErrorPlace } from '@tidemark/base'

/** Error codes of the Kafka protocol (kafka.apache.org/protocol#protocol_error_codes) that this room acts on. */
export const CODE = {
  NONE: 0, OFFSET_OUT_OF_RANGE: 1, UNKNOWN_TOPIC_OR_PARTITION: 3, LEADER_NOT_AVAILABLE: 5, NOT_LEADER: 6, MESSAGE_TOO_LARGE: 10, COORDINATOR_LOADING: 14,
  COORDINATOR_NOT_AVAILABLE: 15, NOT_COORDINATOR: 16, RECORD_LIST_TOO_LARGE: 18, UNKNOWN_MEMBER_ID: 25, TOPIC_NOT_AUTHORISED: 29, CLUSTER_NOT_AUTHORISED: 31, TOPIC_EXISTS: 36,
  NOT_CONTROLLER: 41, INVALID_PRODUCER_EPOCH: 47, INVALID_TXN_STATE: 48, INVALID_PRODUCER_ID_MAPPING: 49, CONCURRENT_TRANSACTIONS: 51, OPERATION_NOT_ATTEMPTED: 55, PRODUCER_FENCED: 90,
} as const

type Kind = Pick<ErrorFacts, 'code' | 'blame' | 'action' | 'hint'>

const unavailable: Kind = { code: 'LOG_UNAVAILABLE', blame: 'environment', action: 'retry', hint: 'Look at the Kafka brokers: is the leader of this partition or the coordinator up?' }
const missing: Kind = { code: 'LOG_TOPIC_MISSING', blame: 'user', action: 'fail-job', hint: 'Create the topic, or correct its name.' }
const tooLarge: Kind = { code: 'LOG_RECORD_TOO_LARGE', blame: 'user', action: 'fail-job', hint: "Make the record smaller, or raise the topic's max.message.bytes." }
const notAuthorised: Kind = { code: 'LOG_NOT_AUTHORISED', blame: 'user', action: 'fail-job', hint: 'Grant the right to this client, or give other credentials.' }
const fenced: Kind = { code: 'LOG_FENCED', blame: 'environment', action: 'restart-task', hint: 'Another owner ended this producer session; its last transaction was aborted.' }
const recordInvalid: Kind = { code: 'LOG_RECORD_INVALID', blame: 'user', action: 'fail-job', hint: 'The topic refuses this record: look at its timestamp and at the topic settings (a compacted topic wants a key).' }
const topicInvalid: Kind = { code: 'LOG_TOPIC_INVALID', blame: 'user', action: 'fail-job', hint: 'The broker refuses these topic settings; its own text says why.' }

const KINDS = new Map<number, Kind>([
  [3, missing], [5, unavailable], [6, unavailable], [7, unavailable], [8, unavailable], [9, unavailable], [10, tooLarge], [13, unavailable], [14, unavailable], [15, unavailable], [16, unavailable],
  [17, topicInvalid], [18, tooLarge], [19, unavailable], [20, unavailable], [29, notAuthorised], [30, notAuthorised], [31, notAuthorised], [32, recordInvalid],
  [36, { code: 'LOG_TOPIC_EXISTS', blame: 'user', action: 'fail-job', hint: 'Use another name, or the topic as it is.' }],
  [37, topicInvalid], [38, topicInvalid], [39, topicInvalid], [40, topicInvalid], [41, unavailable], [44, topicInvalid], [47, fenced], [48, fenced], [49, fenced], [51, unavailable], [53, notAuthorised],
  [35, { code: 'LOG_UNSUPPORTED', blame: 'environment', action: 'exit', hint: 'Kafka 3.6 or newer is needed.' }],
  [56, { ...unavailable, hint: 'The disk of this broker failed or is full: its own log says which. It serves again when that is mended and it is restarted.' }], [72, unavailable], [74, unavailable], [75, unavailable], [78, unavailable], [87, recordInvalid], [89, unavailable], [90, fenced],
])

const NAMES = new Map<number, string>([
  [1, 'OFFSET_OUT_OF_RANGE'], [3, 'UNKNOWN_TOPIC_OR_PARTITION'], [5, 'LEADER_NOT_AVAILABLE'], [6, 'NOT_LEADER_OR_FOLLOWER'], [10, 'MESSAGE_TOO_LARGE'], [14, 'COORDINATOR_LOAD_IN_PROGRESS'],
  [15, 'COORDINATOR_NOT_AVAILABLE'], [16, 'NOT_COORDINATOR'], [19, 'NOT_ENOUGH_REPLICAS'], [20, 'NOT_ENOUGH_REPLICAS_AFTER_APPEND'], [29, 'TOPIC_AUTHORIZATION_FAILED'], [32, 'INVALID_TIMESTAMP'], [36, 'TOPIC_ALREADY_EXISTS'],
  [45, 'OUT_OF_ORDER_SEQUENCE_NUMBER'], [47, 'INVALID_PRODUCER_EPOCH'], [48, 'INVALID_TXN_STATE'], [49, 'INVALID_PRODUCER_ID_MAPPING'], [51, 'CONCURRENT_TRANSACTIONS'], [53, 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED'], [55, 'OPERATION_NOT_ATTEMPTED'], [56, 'KAFKA_STORAGE_ERROR'], [87, 'INVALID_RECORD'], [90, 'PRODUCER_FENCED'],
])

const named = (code: number): string => (NAMES.has(code) ? `${NAMES.get(code)} (${code})` : `error ${code}`)

/** The broker refused `doing` with `code`. `text`: what the broker says itself, where its answer has words. */
export const brokerError = (code: number, doing: string, place: ErrorPlace = {}, text?: string | null): TidemarkError => {
  const kind = KINDS.get(code) ?? { code: 'LOG_BROKER_ERROR', blame: 'environment', action: 'restart-task', hint: 'Look the code up in the Kafka protocol and in the log of the broker.' }
  return new TidemarkError(`${doing}: the broker answered ${named(code)}${text ? `: ${text}` : ''}`, { ...kind, ...place, details: { brokerErrorCode: code } })
}

/** Codes after which nothing was done and the same call, perhaps to another broker, may be made again. */
const AGAIN = new Set<number>([CODE.COORDINATOR_LOADING, CODE.COORDINATOR_NOT_AVAILABLE, CODE.NOT_COORDINATOR, CODE.CONCURRENT_TRANSACTIONS])
export const mayTryAgain = (code: number): boolean => AGAIN.has(code)

/** The leader moved, or this broker does not know yet: ask for metadata again. */
const STALE = new Set<number>([CODE.UNKNOWN_TOPIC_OR_PARTITION, CODE.LEADER_NOT_AVAILABLE, CODE.NOT_LEADER, 8, 9, 13, 56, 72, 74, 75, 78])
export const isStaleLeader = (code: number): boolean => STALE.has(code)

const nameOf = (error: unknown): string => (typeof error === 'object' && error !== null && 'name' in error ? String(error.name) : '')
const messageOf = (error: unknown): string => (typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error))

/** kafkajs takes whatever ends a login for a refusal: what is behind it stands in the text only. */
const CUT_OFF = /\b(?:timeout|timed out|closed connection|connection (?:closed|error)|failed to connect|not connected|socket|EPIPE|E(?:CONN|TIMED|HOST|NET)[A-Z]+)\b/i

/** An error of kafkajs' connection layer, or anything else thrown by a call; ours pass unchanged. */
export const clientError = (error: unknown, doing: string, place: ErrorPlace = {}): TidemarkError => {
  if (isTidemarkError(error)) return error
  const name = nameOf(error)
  if (name.includes('SASL')) return new TidemarkError(`${doing}: ${messageOf(error)}`, { ...CUT_OFF.test(messageOf(error)) ? unavailable : notAuthorised, ...place, cause: error })
  if (name === 'KafkaJSProtocolError' && typeof error === 'object' && error !== null && 'code' in error) return brokerError(Number(error.code), doing, place)
  if (name.startsWith('KafkaJS')) return new TidemarkError(`${doing}: ${messageOf(error)}`, { ...unavailable, ...place, cause: error })
  return new TidemarkError(`${doing}: ${messageOf(error)}`, { code: 'LOG_CLIENT_ERROR', blame: 'bug', action: 'restart-task', ...place, cause: error })
}

export const unavailableError = (message: string, place: ErrorPlace = {}, cause?: unknown): TidemarkError => new TidemarkError(message, { ...unavailable, ...place, cause })
export const missingError = (topic: string, partition?: number): TidemarkError =>
  new TidemarkError(`topic "${topic}" ${partition === undefined ? 'does not exist' : `has no partition ${partition}`}`, { ...missing, topic, ...(partition === undefined ? {} : { partition }) })
export const replacedError = (topic: string): TidemarkError => new TidemarkError(`topic "${topic}" was deleted and made anew while it was read`, {
  code: 'LOG_TOPIC_REPLACED', blame: 'user', action: 'fail-job', topic, hint: 'Positions in the old topic mean nothing in the new one. Cancel the job and submit it again to begin with the new topic.',
})
export const tooLargeError = (message: string, place: ErrorPlace, details: Record<string, unknown>): TidemarkError => new TidemarkError(message, { ...tooLarge, ...place, details })
export const closedError = (what: string): TidemarkError => new TidemarkError(`${what} is closed`, { code: 'LOG_CLOSED', blame: 'bug', action: 'restart-task' })
export const codecError = (message: string, place: ErrorPlace, cause?: unknown): TidemarkError =>
  new TidemarkError(message, { code: 'LOG_CODEC', blame: 'environment', action: 'fail-job', hint: 'The batch is damaged or of a format that is not supported; reading on would skip its records.', ...place, cause })
