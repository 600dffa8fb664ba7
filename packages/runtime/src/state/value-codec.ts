// State values of user code as bytes. Kept as strings of one byte per character: exact in size, on the heap, immutable; so a before-image is a
// reference to bytes that nobody can change.
import { TidemarkError } from '@tidemark/base'
import { Packr } from 'msgpackr'

/** One value of state at most: as msgpack, bytes. Fits one part of a commit record. */
export const STATE_VALUE_BYTES_MAX = 900 * 1024

export type EncodedValue = string

// Records, so that a Map stays a Map. `copyBuffers`: bytes inside a value must not point into the scratch buffer.
const packr = new Packr({ useRecords: true, moreTypes: true, copyBuffers: true })
let scratch = Buffer.allocUnsafeSlow(64 * 1024)

const PROTO = '__proto__'

const hasProtoKey = (value: unknown, depth: number): boolean => {
  if (typeof value !== 'object' || value === null || depth > 100) return false
  if (Object.hasOwn(value, PROTO)) return true
  const inner: Iterable<unknown> = value instanceof Map ? [...value.keys(), ...value.values()] : value instanceof Set ? value : Object.values(value)
  for (const one of inner) if (hasProtoKey(one, depth + 1)) return true
  return false
}

/** Throws for what msgpack can't carry; `undefined` inside a value is carried. */
export const encodeValue = (value: unknown): EncodedValue => {
  const packed = packr.pack(value)
  const encoded = packed.toString('latin1')
  if (encoded.includes(PROTO) && hasProtoKey(value, 0)) {
    throw new TidemarkError('a state value has a property named __proto__, which can\'t be kept', { code: 'TASK_STATE_UNSUPPORTED', blame: 'user', action: 'fail-job', hint: 'Use a Map for keys that come from data.' })
  }
  return encoded
}

export const decodeValue = (encoded: EncodedValue): unknown => {
  if (encoded.length > scratch.length) scratch = Buffer.allocUnsafeSlow(encoded.length * 2)
  const end = scratch.write(encoded, 0, 'latin1')
  return packr.unpack(scratch, { start: 0, end })
}

/** Many values as one column: their bytes behind each other, and their lengths. */
export const joinValues = (values: readonly EncodedValue[]): [bytes: Buffer, lengths: number[]] => {
  const lengths = values.map((value) => value.length)
  const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length, 0))
  let at = 0
  for (const value of values) at += bytes.write(value, at, 'latin1')
  return [bytes, lengths]
}

export const splitValues = (bytes: Buffer, lengths: readonly number[]): EncodedValue[] => {
  let at = 0
  return lengths.map((length) => {
    const value = bytes.toString('latin1', at, at + length)
    at += length
    return value
  })
}
