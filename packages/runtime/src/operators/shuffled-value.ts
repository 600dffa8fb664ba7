// One value on its way through a shuffle: encoded by itself, in front of it (where user code downstream may ask) its origin and the log's time.
import { Packr } from 'msgpackr'

/** One value with its key at most, bytes: fits a block. */
export const SHUFFLED_BYTES_MAX = 800 * 1024

// Records, so that a Map stays a Map. Bytes in a value are its own: user code may change them, and an undone batch reads the block again.
const packr = new Packr({ useRecords: true, moreTypes: true, useBigIntExtension: true, copyBuffers: true })

export interface Shuffled {
  readonly value: unknown
  readonly origin: string | undefined
  readonly now: number | undefined
}

export const packShuffled = (value: unknown, origin?: string, now?: number): Buffer => packr.pack(origin === undefined ? [value] : [value, origin, now])

export const unpackShuffled = (packed: Buffer): Shuffled => {
  const [value, origin, now]: [unknown, string | undefined, number | undefined] = packr.unpack(packed)
  return { value, origin, now }
}
