// TidemarkError ↔ gRPC status. The facts travel as JSON in trailing metadata, so that a client sees the same error.
import { Metadata, status } from '@grpc/grpc-js'
import type { ServiceError, StatusObject } from '@grpc/grpc-js'
import { asTidemarkError, TidemarkError } from '@tidemark/base'
import type { ErrorFacts } from '@tidemark/base'

const ERROR_KEY = 'tidemark-error-bin'
/** HTTP/2 header lists are bounded (64 KiB here, often 16 at proxies); details beyond this are left out, the message stays. */
const ERROR_BYTES_MAX = 12 * 1024
const MESSAGE_CHARS_MAX = 4_000

const STATUS_OF_CODE: Readonly<Record<string, status>> = {
  JOB_UNKNOWN: status.NOT_FOUND,
  CHECKPOINT_UNKNOWN: status.NOT_FOUND,
  JOB_EXISTS: status.ALREADY_EXISTS,
  JOB_BUSY: status.FAILED_PRECONDITION,
  JOB_SUBMISSION_STALLED: status.DEADLINE_EXCEEDED,
  JOB_NOT_DRAINABLE: status.FAILED_PRECONDITION,
  RUN_RECORD_TOO_NEW: status.FAILED_PRECONDITION,
  MANIFEST_TOO_NEW: status.FAILED_PRECONDITION,
  DRIVER_NOT_LEADER: status.FAILED_PRECONDITION,
}
const STATUS_OF_BLAME = { user: status.INVALID_ARGUMENT, environment: status.UNAVAILABLE, bug: status.INTERNAL } as const

/** Clients ask again by themselves where they are told UNAVAILABLE: what is stored and damaged would be the same each time. */
const statusOf = ({ action, blame, code }: TidemarkError): status =>
  STATUS_OF_CODE[code] ?? (blame === 'environment' && action === 'fail-job' ? status.FAILED_PRECONDITION : STATUS_OF_BLAME[blame])

export const toStatus = (error: unknown): Partial<StatusObject> => {
  const known = asTidemarkError(error)
  const metadata = new Metadata()
  const facts = Buffer.from(JSON.stringify(known))
  metadata.set(ERROR_KEY, facts.length <= ERROR_BYTES_MAX ? facts : Buffer.from(JSON.stringify({ ...known.toJSON(), message: known.message.slice(0, MESSAGE_CHARS_MAX), details: { leftOut: 'too large' } })))
  return { code: statusOf(known), details: known.message.slice(0, MESSAGE_CHARS_MAX), metadata }
}

const isServiceError = (error: unknown): error is ServiceError => error instanceof Error && 'code' in error && 'metadata' in error

/** `No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:7400. Resolution note: ` says one thing: the error between. */
const connectError = (details: string): string => /^No connection established\. Last error: (?:Error: )?(.+?)\. Resolution note:/.exec(details)?.[1] ?? details

/** `peer` names who was asked. Statuses that no Tidemark process made become `WIRE_UNAVAILABLE`, `WIRE_DEADLINE` or `WIRE_FAILED`. */
export const fromStatus = (error: unknown, peer: string): TidemarkError => {
  if (!isServiceError(error)) return asTidemarkError(error)
  const [raw] = error.metadata.get(ERROR_KEY)
  if (Buffer.isBuffer(raw)) {
    const { message, ...facts } = JSON.parse(raw.toString()) as ErrorFacts & { readonly message: string }
    return new TidemarkError(message, facts)
  }
  const because = { blame: 'environment', action: 'retry' } as const
  if (error.code === status.UNAVAILABLE || error.code === status.CANCELLED)
    return new TidemarkError(`nobody answers at ${peer}: ${connectError(error.details)}`, { ...because, code: 'WIRE_UNAVAILABLE', hint: 'Is a driver running? `tidemark dev <job file>` starts a cluster in this folder. If it is at another address: --driver host:port, or TIDEMARK_DRIVER.' })
  if (error.code === status.DEADLINE_EXCEEDED) return new TidemarkError(`${peer} did not answer in time`, { ...because, cause: error, code: 'WIRE_DEADLINE', hint: 'It may be busy or stopped; try again.' })
  return new TidemarkError(`${peer} answered with status ${status[error.code]}: ${error.details}`, { code: 'WIRE_FAILED', blame: 'bug', action: 'exit', cause: error, hint: 'Both sides must speak the same version of proto/tidemark/v1.' })
}
