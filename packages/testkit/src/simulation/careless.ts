// User code as careless people write it: a codec with one buffer for everything, which spoils what it was given too, and accumulators that are changed in place.
import { aggregate } from 'tidemark'
import type { Aggregate, Codec } from 'tidemark'

const BUFFER_BYTES = 4_096

export const oneBuffer = <T>(): Codec<T> => {
  const shared = Buffer.alloc(BUFFER_BYTES)
  return {
    encode: (value) => shared.subarray(0, shared.fill(0).write(JSON.stringify(value))),
    decode: (bytes) => {
      try {
        return JSON.parse(String(bytes)) as T
      } finally {
        bytes.fill(0)
      }
    },
  }
}

/** The sum of what `of` says, which is asked when the accumulator has changed already. */
export const inPlace = <T>(of: (value: T) => number): Aggregate<T, number> => aggregate<T, { records: number, total: number }, number>({
  initial: () => ({ records: 0, total: 0 }),
  add: (all, value) => {
    all.records += 1
    all.total += of(value)
    return all
  },
  result: ({ total }) => total,
})
