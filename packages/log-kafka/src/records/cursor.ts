// Reads the variable-length integers of Kafka's record format v2 (zigzag, LEB128). Offsets are numbers: safe integers, checked. Times are the
// nearest numbers: a producer may write anything as one, nanoseconds for instance.

export class Cursor {
  readonly bytes: Buffer
  at: number

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  /** 32 bits, signed. */
  varint(): number {
    const { bytes } = this
    let byte = bytes[this.at++]!
    let raw = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 28) throw new RangeError('a varint is longer than 5 bytes')
      byte = bytes[this.at++]!
      raw |= (byte & 0x7f) << shift
    }
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** 64 bits, signed: a time. The nearest number above 2^53 - 1. */
  varlong(): number {
    const start = this.at
    let byte = this.bytes[this.at++]!
    let raw = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 21) return this.#wideVarlong(start)
      byte = this.bytes[this.at++]!
      raw |= (byte & 0x7f) << shift
    }
    return (raw >>> 1) ^ -(raw & 1)
  }

  #wideVarlong(start: number): number {
    let raw = 0n
    let at = start
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes[at++]
      if (byte === undefined || shift > 63n) throw new RangeError('a varlong is longer than 10 bytes')
      raw |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    this.at = at
    return Number((raw >> 1n) ^ -(raw & 1n))
  }

  /** Length and bytes, null for length -1. A view, not a copy. */
  sized(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    const start = this.at
    this.at = start + length
    return this.bytes.subarray(start, this.at)
  }
}

/** A 64-bit integer as a number. Throws `RangeError` above 2^53 - 1. */
export const readInt64 = (bytes: Buffer, at: number): number => {
  const number = readTime(bytes, at)
  if (!Number.isSafeInteger(number)) throw new RangeError(`${bytes.readBigInt64BE(at)} is more than 2^53 - 1`)
  return number
}

/** The same, or the nearest number. */
export const readTime = (bytes: Buffer, at: number): number => {
  const high = bytes.readInt32BE(at)
  if (high >= 0x200000 || high < -0x200000) return Number(bytes.readBigInt64BE(at))
  return high * 0x100000000 + bytes.readUInt32BE(at + 4)
}
