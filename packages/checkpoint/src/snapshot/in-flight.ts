// What was in a shuffle at a checkpoint's cut (C2): its blocks as they were, in the order of reading, in objects of the store.
import { frameCorrupt } from '../records/framing.ts'
import type { FrameFamily } from '../records/framing.ts'
import type { ObjectRef } from '../records/records.ts'
import { ObjectPacker, ObjectUnpacker } from './objects.ts'
import type { EncodedObject } from './objects.ts'

const IN_FLIGHT: FrameFamily = { what: 'in-flight block', version: 1, corrupt: 'IN_FLIGHT_CORRUPT', tooNew: 'IN_FLIGHT_TOO_NEW' }
const KIND = 48

export interface InFlightBlock {
  /** Id of the shuffle. */
  readonly input: string
  /** The shuffle block as it stood in the log. */
  readonly value: Buffer
}

/** Packs blocks as they are read: what is in flight may be more than memory holds. No blocks: no objects. */
export class InFlightEncoder {
  readonly #packer = new ObjectPacker(IN_FLIGHT)

  add({ input, value }: InFlightBlock): void {
    this.#packer.add(KIND, Buffer.from(input), value)
  }

  /** Objects that are full, once each. */
  take(): EncodedObject[] {
    return this.#packer.take()
  }

  /** Those that were not taken, and what is left. */
  finish(): EncodedObject[] {
    return this.#packer.finish()
  }
}

/** Unpacks an object at a time, each block when it is asked for. Errors: `IN_FLIGHT_CORRUPT`, `IN_FLIGHT_TOO_NEW`. */
export class InFlightDecoder {
  readonly #unpacker = new ObjectUnpacker(IN_FLIGHT)
  #blocks = 0

  /** Behind the last object. */
  finish(): void {
    this.#unpacker.finish()
  }

  *object(body: Buffer, ref: ObjectRef): Generator<InFlightBlock> {
    for (const { kind, envelope, data } of this.#unpacker.object(body, ref)) {
      if (kind !== KIND) throw frameCorrupt(IN_FLIGHT, this.#blocks, `its kind ${kind} is not an in-flight block's`)
      this.#blocks += 1
      yield { input: envelope.toString(), value: data }
    }
  }
}
