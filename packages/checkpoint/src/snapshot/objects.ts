// Many framed, compressed blocks in few objects of the store: each object is frames one after another, with their lengths before them.
// What is written is named by (length, SHA-256), and both are compared before anything is read from it (invariant 3).
import { hash } from 'node:crypto'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { TidemarkError } from '@tidemark/base'
import { frame, FRAME_HEADER_BYTES, frameCorrupt, unframe } from '../records/framing.ts'
import type { FrameFamily } from '../records/framing.ts'
import type { ObjectRef } from '../records/records.ts'
import { readStoredFrame, STORED_BYTES_MAX, storedFrame } from './stored-frame.ts'

/** One object at most. */
export const OBJECT_BYTES_MAX = 32 * 1024 * 1024
/** A block is cut into pieces of at most this before it is compressed. */
const PIECE_BYTES_MAX = 4 * 1024 * 1024
/** Against a damaged length: a piece never unpacks to more. */
const UNPACKED_BYTES_MAX = PIECE_BYTES_MAX
const LEVEL = 1

export interface EncodedObject {
  readonly body: Buffer
  /** Hex. */
  readonly sha256: string
}

export interface StoredBlock {
  readonly kind: number
  readonly envelope: Buffer
  readonly data: Buffer
}

/** Compresses as blocks come, so that a walk can be packed slice by slice. */
export class ObjectPacker {
  readonly #family: FrameFamily
  readonly #objects: EncodedObject[] = []
  #frames: Buffer[] = []
  #bytes = 0
  #blocks = 0

  constructor(family: FrameFamily) {
    this.#family = family
  }

  add(kind: number, envelope: Buffer, data: Buffer): void {
    const parts = Math.max(1, Math.ceil(data.length / PIECE_BYTES_MAX))
    for (let part = 0; part < parts; part += 1) {
      const piece = pack(data.subarray(part * PIECE_BYTES_MAX, (part + 1) * PIECE_BYTES_MAX))
      const framed = frame(this.#family, { kind, part, parts, number: this.#blocks }, envelope, [piece])
      if (this.#bytes + 4 + framed.length > OBJECT_BYTES_MAX) this.#close()
      const length = Buffer.allocUnsafe(4)
      length.writeUInt32BE(framed.length)
      this.#frames.push(length, framed)
      this.#bytes += 4 + framed.length
    }
    this.#blocks += 1
  }

  /** Objects that are full, once each: nothing of them is kept. */
  take(): EncodedObject[] {
    return this.#objects.splice(0)
  }

  /** Those that were not taken, and what is left. */
  finish(): EncodedObject[] {
    if (this.#frames.length > 0) this.#close()
    return this.take()
  }

  #close(): void {
    const body = Buffer.concat(this.#frames)
    this.#objects.push({ body, sha256: hash('sha256', body, 'hex') })
    this.#frames = []
    this.#bytes = 0
  }
}

/** The blocks again, in order, an object at a time; a block may begin in one object and end in the next. Throws the family's errors; `at` in them is the index of the block. */
export class ObjectUnpacker {
  readonly #family: FrameFamily
  #blocks = 0
  #pieces: Buffer[] = []

  constructor(family: FrameFamily) {
    this.#family = family
  }

  /** Each block is unpacked when it is asked for. */
  *object(body: Buffer, ref: ObjectRef): Generator<StoredBlock> {
    checkObject(this.#family, body, ref)
    for (const framed of split(this.#family, body, this.#blocks)) {
      const found = unframe(this.#family, framed, this.#blocks)
      if (found.number !== this.#blocks || found.part !== this.#pieces.length) throw frameCorrupt(this.#family, this.#blocks, `piece ${this.#pieces.length} was to come, it is piece ${found.part} of block ${found.number}`)
      this.#pieces.push(unpack(this.#family, found.payload, this.#blocks))
      if (this.#pieces.length < found.parts) continue
      const [piece] = this.#pieces
      const data = piece !== undefined && this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces)
      this.#pieces = []
      this.#blocks += 1
      yield { kind: found.kind, envelope: found.envelope, data }
    }
  }

  finish(): void {
    if (this.#pieces.length > 0) throw frameCorrupt(this.#family, this.#blocks, 'it ends inside a block')
  }
}

/** All at once. */
export const unpackObjects = (family: FrameFamily, bodies: readonly Buffer[], refs: readonly ObjectRef[]): StoredBlock[] => {
  if (bodies.length !== refs.length) throw frameCorrupt(family, 0, `it has ${refs.length} objects, ${bodies.length} were read`)
  const unpacker = new ObjectUnpacker(family)
  const blocks = bodies.flatMap((body, i) => [...unpacker.object(body, refs[i] as ObjectRef)])
  unpacker.finish()
  return blocks
}

const checkObject = (family: FrameFamily, body: Buffer, ref: ObjectRef): void => {
  const found = body.length === ref.sizeBytes ? hash('sha256', body, 'hex') : `${body.length} bytes`
  const wanted = body.length === ref.sizeBytes ? ref.sha256 : `${ref.sizeBytes} bytes`
  if (found === wanted) return
  throw new TidemarkError(`the ${family.what} object ${ref.key} is not what was written: ${found} instead of ${wanted}`, {
    code: family.corrupt, blame: 'environment', action: 'fail-job', path: ref.key, hint: 'Restore the object from a copy, or go on from an older checkpoint.',
  })
}

const split = (family: FrameFamily, body: Buffer, block: number): Buffer[] => {
  const frames: Buffer[] = []
  for (let at = 0; at < body.length;) {
    const end = at + 4 + (at + 4 <= body.length ? body.readUInt32BE(at) : body.length)
    if (end > body.length || end < at + 4 + FRAME_HEADER_BYTES) throw frameCorrupt(family, block, `an object of ${body.length} bytes has a frame up to ${end}`)
    frames.push(body.subarray(at + 4, end))
    at = end
  }
  return frames
}

const pack = (piece: Buffer): Buffer => (piece.length <= STORED_BYTES_MAX ? storedFrame(piece) : zstdCompressSync(piece, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } }))

const unpack = (family: FrameFamily, packed: Buffer, block: number): Buffer => {
  try {
    return readStoredFrame(packed) ?? zstdDecompressSync(packed, { maxOutputLength: UNPACKED_BYTES_MAX })
  } catch (cause) {
    throw frameCorrupt(family, block, 'it can\'t be unpacked', cause)
  }
}
