// Codecs: between the bytes of a record and its value.
import { isUtf8 } from 'node:buffer'
import { TidemarkError } from '@tidemark/base'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { CodecName } from './plan/plan.ts'

/**
 * Turns a value into a record's bytes and back. Synchronous; `decode` throws for bytes that are no `T`, which is the record's error and
 * handled by the job's `onError`.
 *
 * @example
 * const upper: Codec<string> = { encode: (value) => value.toUpperCase(), decode: (bytes) => bytes.toString() }
 */
export interface Codec<T> {
  readonly encode: (value: T) => Buffer | string
  readonly decode: (bytes: Buffer) => T
}

/** A codec that the plan knows by name. One without a name is `custom`. */
interface NamedCodec<T> extends Codec<T> {
  readonly name: CodecName
  readonly hasSchema: boolean
}

export const codecName = (codec: object): CodecName => 'name' in codec && (codec.name === 'json' || codec.name === 'string' || codec.name === 'bytes') ? codec.name : 'custom'
export const hasSchema = (codec: object): boolean => 'hasSchema' in codec && codec.hasSchema === true

const decodeError = (message: string, cause?: unknown): TidemarkError => new TidemarkError(message, { code: 'JOB_DECODE', blame: 'user', action: 'fail-job', cause })

const utf8 = (bytes: Buffer): string => {
  if (!isUtf8(bytes)) throw decodeError('the bytes are no UTF-8')
  return bytes.toString('utf8')
}

const parse = (bytes: Buffer): unknown => {
  const source = utf8(bytes)
  try {
    return JSON.parse(source)
  } catch (error) {
    throw decodeError(`the bytes are no JSON: ${error instanceof Error ? error.message : String(error)}`, error)
  }
}

export const encodeJson = (value: unknown): string => {
  const encoded: string | undefined = JSON.stringify(value)
  if (encoded === undefined) throw new TidemarkError(`a value of type ${typeof value} has no JSON`, { code: 'JOB_ENCODE', blame: 'user', action: 'fail-job' })
  return encoded
}

const step = (segment: PropertyKey | StandardSchemaV1.PathSegment): string => String(typeof segment === 'object' ? segment.key : segment)

const ISSUES_SHOWN_MAX = 5

const validate = <T>(schema: StandardSchemaV1<unknown, T>, value: unknown): T => {
  const result = schema['~standard'].validate(value)
  if ('then' in result) {
    // Its answer is not wanted any more, nor its failure.
    result.then(undefined, () => {})
    throw new TidemarkError(`the schema (${schema['~standard'].vendor}) validates asynchronously`, { code: 'JOB_ASYNC_SCHEMA', blame: 'user', action: 'fail-job', hint: 'Records are decoded synchronously: take the asynchronous refinement out of the schema.' })
  }
  if (result.issues === undefined) return result.value
  const shown = result.issues.slice(0, ISSUES_SHOWN_MAX).map(({ path, message }) => `${path === undefined || path.length === 0 ? 'value' : path.map(step).join('.')}: ${message}`)
  const more = result.issues.length - shown.length
  throw new TidemarkError(`the record does not match its schema: ${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`, { code: 'JOB_SCHEMA', blame: 'user', action: 'fail-job', details: { issues: shown } })
}

/**
 * JSON in UTF-8. `json<Order>()` believes the type; `json(schema)` checks each record as it is decoded, with any Standard Schema (zod,
 * valibot, arktype, …), and the stream has the schema's output type. Encoding checks nothing. A schema that answers a promise stops the
 * job (`JOB_ASYNC_SCHEMA`).
 *
 * @example
 * topic('orders', { value: json<Order>() })
 * topic('orders', { value: json(z.object({ user: z.string(), amount: z.number() })) })
 */
export function json<T>(): Codec<T>
export function json<T>(schema: StandardSchemaV1<unknown, T>): Codec<T>
export function json<T>(schema?: StandardSchemaV1<unknown, T>): NamedCodec<T> {
  // Without a schema the caller vouches for the type: `json<T>()` is the one place where that is said.
  const decode = schema === undefined ? (bytes: Buffer) => parse(bytes) as T : (bytes: Buffer) => validate(schema, parse(bytes))
  return { name: 'json', hasSchema: schema !== undefined, encode: encodeJson, decode }
}

/** Text in UTF-8; other bytes are refused, not replaced. */
export const string = (): Codec<string> => {
  const codec: NamedCodec<string> = { name: 'string', hasSchema: false, encode: (value) => value, decode: utf8 }
  return codec
}

/** The record's bytes as they are. */
export const bytes = (): Codec<Buffer> => {
  const codec: NamedCodec<Buffer> = { name: 'bytes', hasSchema: false, encode: (value) => value, decode: (value) => value }
  return codec
}
