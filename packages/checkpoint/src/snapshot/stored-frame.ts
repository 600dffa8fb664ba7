// Few bytes as a zstd frame without compressing them: most blocks of a small state are a few bytes, and a compressor, made anew for each, costs more than it saves.
// Any zstd reads it (RFC 8878, 3.1.1): magic number; a header that says "single segment, size in one byte"; the size; one raw block, which is the last.

/** The size stands in one byte. */
export const STORED_BYTES_MAX = 255
const HEAD_BYTES = 9
const MAGIC = 0xfd2fb528
const SINGLE_SEGMENT = 0x20
/** Last block, raw; its size follows from the fourth bit on. */
const LAST_RAW = 0b001

/** `data`: at most `STORED_BYTES_MAX` bytes. */
export const storedFrame = (data: Buffer): Buffer => {
  const framed = Buffer.allocUnsafe(HEAD_BYTES + data.length)
  framed.writeUInt32LE(MAGIC, 0)
  framed[4] = SINGLE_SEGMENT
  framed[5] = data.length
  framed.writeUIntLE(LAST_RAW | data.length << 3, 6, 3)
  data.copy(framed, HEAD_BYTES)
  return framed
}

/** What is in such a frame, as a copy; undefined: it is another one. */
export const readStoredFrame = (packed: Buffer): Buffer | undefined => {
  const length = packed.length - HEAD_BYTES
  const isStored = length >= 0 && length <= STORED_BYTES_MAX && packed.readUInt32LE(0) === MAGIC && packed[4] === SINGLE_SEGMENT && packed[5] === length && packed.readUIntLE(6, 3) === (LAST_RAW | length << 3)
  return isStored ? Buffer.from(packed.subarray(HEAD_BYTES)) : undefined
}
