// Compressed record batches: gzip and zstd by Node itself, lz4 and snappy by WebAssembly. Synchronous: a batch is about a megabyte.
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { lz4Decompress, snappyDecompress } from '@platformatic/wasm-utils'

/** Lowest three bits of a batch's attributes. */
export const CODEC = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

/** A batch that unpacks to more is refused: topics limit the packed size only. */
export const UNPACKED_BATCH_BYTES_MAX = 256 * 1024 * 1024

/** Java's snappy framing: this magic, two int32 versions, then blocks of int32 length and raw snappy. librdkafka writes raw snappy. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const XERIAL_HEADER_BYTES = 16

const unsnappy = (packed: Buffer): Buffer => {
  if (packed.length < XERIAL_HEADER_BYTES || !packed.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return snappyDecompress(packed)
  const blocks: Buffer[] = []
  let total = 0
  for (let at = XERIAL_HEADER_BYTES; at < packed.length;) {
    const length = packed.readInt32BE(at)
    const end = at + 4 + length
    if (length < 0 || end > packed.length) throw new RangeError('a snappy block ends outside its batch')
    const block = snappyDecompress(packed.subarray(at + 4, end))
    total += block.length
    if (total > UNPACKED_BATCH_BYTES_MAX) throw new RangeError(`the batch unpacks to more than ${UNPACKED_BATCH_BYTES_MAX} bytes`)
    blocks.push(block)
    at = end
  }
  return Buffer.concat(blocks)
}

/** Throws whatever the codec throws; the caller names the batch. */
export const decompress = (codec: number, packed: Buffer): Buffer => {
  switch (codec) {
    case CODEC.gzip: return gunzipSync(packed, { maxOutputLength: UNPACKED_BATCH_BYTES_MAX })
    case CODEC.zstd: return zstdDecompressSync(packed, { maxOutputLength: UNPACKED_BATCH_BYTES_MAX })
    case CODEC.snappy: return unsnappy(packed)
    case CODEC.lz4: return lz4Decompress(packed)
    default: throw new RangeError(`codec ${codec} is not known`)
  }
}

/** What we write: the codec a topic's `compression.type` asks for where Node has it, else nothing (the broker repacks). */
export const codecFor = (compressionType: string | undefined): number => (compressionType === 'zstd' ? CODEC.zstd : compressionType === 'gzip' ? CODEC.gzip : CODEC.none)

export const compress = (codec: number, plain: Buffer): Buffer => {
  switch (codec) {
    case CODEC.gzip: return gzipSync(plain)
    case CODEC.zstd: return zstdCompressSync(plain)
    default: return plain
  }
}
