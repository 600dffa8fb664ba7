// What was in a shuffle at a checkpoint's cut (C2): its blocks as they were, in the order of reading, in objects of the store.
import { frameCorrupt } from '../records/framing.ts'
import type { FrameFamily } from '../records/framing.ts'
import type { ObjectRef } from '../records/records.ts'
import { ObjectPacker, unpackObjects } from './objects.ts'
import type { EncodedObject } from './objects.ts'

const IN_FLIGHT: FrameFamily = { what: 'in-flight block', version: 1, corrupt: 'IN_FLIGHT_CORRUPT', tooNew: 'IN_FLIGHT_TOO_NEW' }
const KIND = 48

export interface InFlightBlock {
  /** Id of the shuffle. */
  readonly input: string
  /** The shuffle block as it stood in the log. */
  readonly value: Buffer
}

/** No blocks: no objects. */
export const encodeInFlight = (blocks: Iterable<InFlightBlock>): EncodedObject[] => {
  const packer = new ObjectPacker(IN_FLIGHT)
  for (const { input, value } of blocks) packer.add(KIND, Buffer.from(input), value)
  return packer.finish()
}

/** Errors: `IN_FLIGHT_CORRUPT`, `IN_FLIGHT_TOO_NEW`. */
export const decodeInFlight = (bodies: readonly Buffer[], refs: readonly ObjectRef[]): InFlightBlock[] =>
  unpackObjects(IN_FLIGHT, bodies, refs).map(({ kind, envelope, data }, i) => {
    if (kind !== KIND) throw frameCorrupt(IN_FLIGHT, i, `its kind ${kind} is not an in-flight block's`)
    return { input: envelope.toString(), value: data }
  })
