// The frame round everything that is written: magic, version, kind, part i of n, number, lengths, CRC-32. Journal records, shuffle
// blocks and snapshot blocks share it; each has its own kinds and its own error codes.
//
//   0  4  magic "TDMK"          10 8  number (batchId, or 0), big endian      24 4  CRC-32 of bytes 0-23, envelope and payload
//   4  1  format version        18 2  envelope length, bytes                  28 …  envelope, then payload
//   5  1  kind                  20 4  payload length, bytes
//   6  2  part, from 0           8 2  parts
import { crc32 } from 'node:zlib'
import { TidemarkError } from '@tidemark/base'

export const FRAME_HEADER_BYTES = 28
const MAGIC = 0x54_44_4d_4b
const PARTS_MAX = 0xffff
const ENVELOPE_BYTES_MAX = 0xffff
const HIGH = 2 ** 32

export interface FrameHead {
  readonly kind: number
  readonly part: number
  readonly parts: number
  readonly number: number
}

export interface Frame extends FrameHead {
  readonly envelope: Buffer
  /** A view of the framed bytes, not a copy. */
  readonly payload: Buffer
}

/** How one family of frames calls its errors, and where the frame stood. */
export interface FrameFamily {
  /** `journal record`, `shuffle block`: for the message. */
  readonly what: string
  /** Newest version that this code reads. */
  readonly version: number
  readonly corrupt: string
  readonly tooNew: string
}

export const frameCorrupt = (family: FrameFamily, offset: number, why: string, cause?: unknown): TidemarkError =>
  new TidemarkError(`the ${family.what} at ${offset} is damaged: ${why}`, {
    code: family.corrupt, blame: 'environment', action: 'fail-job', offset, ...(cause === undefined ? {} : { cause }),
    hint: 'Nothing was applied from it. Check the disk of the log or store that holds it; a checkpoint from before it can be restored.',
  })

/** The pieces are copied once, into the frame. */
export const frame = (family: FrameFamily, head: FrameHead, envelope: Buffer, pieces: readonly Buffer[]): Buffer => {
  if (head.parts > PARTS_MAX || envelope.length > ENVELOPE_BYTES_MAX) throw new RangeError(`a ${family.what} of ${head.parts} parts with an envelope of ${envelope.length} bytes can't be framed`)
  let payloadLength = 0
  for (const piece of pieces) payloadLength += piece.length
  const framed = Buffer.allocUnsafe(FRAME_HEADER_BYTES + envelope.length + payloadLength)
  framed.writeUInt32BE(MAGIC, 0)
  framed.writeUInt8(family.version, 4)
  framed.writeUInt8(head.kind, 5)
  framed.writeUInt16BE(head.part, 6)
  framed.writeUInt16BE(head.parts, 8)
  framed.writeUInt32BE(Math.floor(head.number / HIGH), 10)
  framed.writeUInt32BE(head.number % HIGH, 14)
  framed.writeUInt16BE(envelope.length, 18)
  framed.writeUInt32BE(payloadLength, 20)
  let at = FRAME_HEADER_BYTES
  for (const piece of [envelope, ...pieces]) at += piece.copy(framed, at)
  framed.writeUInt32BE(checksum(framed), 24)
  return framed
}

/** `offset` only names the frame in errors. */
export const unframe = (family: FrameFamily, framed: Buffer, offset: number): Frame => {
  if (framed.length < FRAME_HEADER_BYTES) throw frameCorrupt(family, offset, `${framed.length} bytes are less than a header`)
  if (framed.readUInt32BE(0) !== MAGIC) throw frameCorrupt(family, offset, `it begins with ${framed.subarray(0, 4).toString('hex')}, which is not ours`)
  const version = framed.readUInt8(4)
  if (version > family.version) {
    throw new TidemarkError(`the ${family.what} at ${offset} has format ${version}; this engine reads up to ${family.version}`, {
      code: family.tooNew, blame: 'user', action: 'fail-job', offset, hint: 'It was written by a newer engine: run that version, or a newer one, again.',
    })
  }
  const envelopeLength = framed.readUInt16BE(18)
  const payloadLength = framed.readUInt32BE(20)
  const length = FRAME_HEADER_BYTES + envelopeLength + payloadLength
  if (framed.length !== length) throw frameCorrupt(family, offset, `it says ${length} bytes and has ${framed.length}`)
  const [said, found] = [framed.readUInt32BE(24), checksum(framed)]
  if (said !== found) throw frameCorrupt(family, offset, `it says CRC-32 ${said} and has ${found}`)
  const [part, parts] = [framed.readUInt16BE(6), framed.readUInt16BE(8)]
  if (parts === 0 || part >= parts) throw frameCorrupt(family, offset, `it is part ${part} of ${parts}`)
  return {
    kind: framed.readUInt8(5), part, parts,
    number: framed.readUInt32BE(10) * HIGH + framed.readUInt32BE(14),
    envelope: framed.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + envelopeLength),
    payload: framed.subarray(FRAME_HEADER_BYTES + envelopeLength),
  }
}

const checksum = (framed: Buffer): number => crc32(framed.subarray(FRAME_HEADER_BYTES), crc32(framed.subarray(0, 24)))

/** The bytes [from, to) of the pieces laid end to end, without copying. */
export const sliceOf = (pieces: readonly Buffer[], from: number, to: number): Buffer[] => {
  const slices: Buffer[] = []
  let begin = 0
  for (const piece of pieces) {
    const end = begin + piece.length
    if (begin < to && end > from && piece.length > 0) slices.push(piece.subarray(Math.max(from - begin, 0), Math.min(to - begin, piece.length)))
    begin = end
  }
  return slices
}
