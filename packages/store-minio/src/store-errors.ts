// What went wrong with a request to the object store, as a TidemarkError: the one place that knows S3's error codes.
import { asTidemarkError, isTidemarkError, TidemarkError } from '@tidemark/base'

/** Answers that say "later": the client library reports them without their body. */
export const RETRYABLE_STATUS: ReadonlySet<number> = new Set([408, 429, 499, 500, 502, 503, 504, 520])

const DENIED: ReadonlySet<string> = new Set(['AccessDenied', 'InvalidAccessKeyId', 'SignatureDoesNotMatch', 'RequestTimeTooSkewed', 'AuthorizationHeaderMalformed', 'ExpiredToken'])

export interface FailedRequest {
  /** `put jobs/a.json`, for the message. */
  readonly what: string
  readonly store: string
  /** HTTP status of the last answer; undefined when there was none. */
  readonly status: number | undefined
}

/**
 * Code and message of whatever was thrown. Not by `instanceof`: the client throws its own errors, Node's, and for an error document
 * inside a 200 the parsed XML itself (`Code`, `Message`).
 */
const read = (error: unknown): { code: string | undefined, message: string } => {
  const { code, Code, message, Message, cause } = (typeof error === 'object' && error !== null ? error : {}) as Readonly<Record<string, unknown>>
  const said = [code, Code].find((text) => typeof text === 'string' && text !== '')
  const text = [message, Message].find((one) => typeof one === 'string' && one !== '')
  // An AggregateError of a failed connect (IPv4 and IPv6) has an empty message.
  const inner = typeof cause === 'object' && cause !== null && 'message' in cause ? String(cause.message) : undefined
  return { code: typeof said === 'string' ? said : undefined, message: typeof text === 'string' ? text : inner ?? String(said ?? error) }
}

/** 412, and AWS's 409 for a conditional put that raced another. */
export const isConflict = (error: unknown, status: number | undefined): boolean => {
  const { code } = read(error)
  return status === 412 || status === 409 || code === 'PreconditionFailed' || code === 'ConditionalRequestConflict'
}

export const unavailable = (failed: FailedRequest, why: string, cause?: unknown): TidemarkError =>
  new TidemarkError(`${failed.what}: ${failed.store} ${why}`, {
    code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry', cause,
    hint: 'Processing goes on without the object store; snapshots and checkpoints wait for it. See that the server runs and can be reached from here.',
    details: { status: failed.status },
  })

/** MinIO's word, and the status of it. */
const FULL: ReadonlySet<string> = new Set(['XMinioStorageFull', 'InsufficientStorage'])
const FULL_STATUS = 507

const full = (failed: FailedRequest, said: string, cause: unknown): TidemarkError =>
  new TidemarkError(`${failed.what}: ${failed.store} is full: ${said}`, {
    code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry', cause,
    hint: 'Processing goes on, checkpoints wait. Give the object store space, or delete what others keep there; objects of checkpoints are needed.',
    details: { status: failed.status },
  })

const notFound = (failed: FailedRequest, cause?: unknown): TidemarkError =>
  new TidemarkError(`${failed.what}: ${failed.store} has no such object`, { code: 'STORE_NOT_FOUND', blame: 'environment', action: 'fail-job', cause })

export const unsupported = (failed: FailedRequest, why: string, cause?: unknown): TidemarkError =>
  new TidemarkError(`${failed.what}: ${failed.store} ${why}`, {
    code: 'STORE_UNSUPPORTED', blame: 'environment', action: 'exit', cause,
    hint: 'Tidemark needs an S3 server with conditional writes (If-None-Match: *) and read-after-write: MinIO since 2024, AWS S3 and others have them.',
  })

/** Idempotent: a TidemarkError comes back as it is. */
export const toStoreError = (error: unknown, failed: FailedRequest): TidemarkError => {
  if (isTidemarkError(error)) return error
  const { code, message } = read(error)
  const { status } = failed
  const said = code === undefined || message.includes(code) ? message : `${code}: ${message}`
  if (code === 'NoSuchBucket') {
    return new TidemarkError(`${failed.what}: ${failed.store}: the bucket does not exist`, {
      code: 'STORE_BUCKET_MISSING', blame: 'user', action: 'retry', cause: error, hint: 'Create the bucket, or name one that exists.',
    })
  }
  if (status === 404) return notFound(failed, error)
  if (status === 401 || status === 403 || (code !== undefined && DENIED.has(code))) {
    return new TidemarkError(`${failed.what}: ${failed.store} refused it: ${said}`, {
      code: 'STORE_DENIED', blame: 'user', action: 'retry', cause: error, details: { status },
      hint: 'Check access key, secret key, region, the rights on the bucket, and this machine\'s clock.',
    })
  }
  if (status === 501) return unsupported(failed, `does not implement this request: ${said}`, error)
  if (status === FULL_STATUS || (code !== undefined && FULL.has(code))) return full(failed, said, error)
  if (status !== undefined && status >= 500 || status !== undefined && RETRYABLE_STATUS.has(status)) return unavailable(failed, `answered ${status}: ${said}`, error)
  // No answer, or one that broke off: Node's network and TLS errors carry a code.
  if ((status === undefined || status < 300) && code !== undefined) return unavailable(failed, `can't be reached: ${said}`, error)
  if (status === undefined) return asTidemarkError(error)
  return new TidemarkError(`${failed.what}: ${failed.store} answered ${status}: ${said}`, {
    code: 'STORE_REFUSED', blame: 'environment', action: 'fail-job', cause: error, details: { status },
  })
}
