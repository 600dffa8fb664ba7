// One fetch request (v11) and its answer with every partition's own error code and its record set still undecoded.
import { readInt64 } from '../records/cursor.ts'
import type { WireCall } from '../kafkajs.ts'
import { fetchRequest } from './api.ts'

export interface FetchWant {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly maxBytes: number
}

export interface FetchedSet {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  /** One above the last record that readers may see, of open transactions too. */
  readonly highWatermark: number
  readonly stableOffset: number
  readonly startOffset: number
  readonly aborted: readonly { readonly producerId: string, readonly firstOffset: number }[]
  /** Record batches, the last perhaps cut off. A view into the answer. */
  readonly set: Buffer
}

interface FetchAnswer {
  readonly errorCode: number
  readonly clientSideThrottleTime: number
  readonly partitions: FetchedSet[]
}

/** Bound of one answer, whatever its partitions ask for; the first non-empty partition is still answered with one whole batch. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024

/** The broker fills partitions in the order asked until the answer is full, so the caller turns that order. */
export const fetchCall = (wants: readonly FetchWant[], committed: boolean, maxWaitMs: number, requestTimeoutMs: number): WireCall<FetchAnswer> => {
  const topics: { topic: string, partitions: { partition: number, fetchOffset: string, maxBytes: number }[] }[] = []
  let total = 0
  for (const { topic, partition, offset, maxBytes } of wants) {
    const entry = { partition, fetchOffset: String(offset), maxBytes }
    total += maxBytes
    const last = topics.at(-1)
    if (last?.topic === topic) last.partitions.push(entry)
    else topics.push({ topic, partitions: [entry] })
  }
  return {
    request: fetchRequest({ isolationLevel: committed ? 1 : 0, maxWaitTime: Math.max(0, Math.ceil(maxWaitMs)), minBytes: 1, maxBytes: Math.min(total, ANSWER_BYTES_MAX), topics }),
    response: { decode: async (raw) => decode(raw), parse: (answer) => answer },
    requestTimeout: maxWaitMs + requestTimeoutMs,
    logResponseError: false,
  }
}

const decode = (raw: Buffer): FetchAnswer => {
  let at = 0
  const int32 = (): number => { at += 4; return raw.readInt32BE(at - 4) }
  const int16 = (): number => { at += 2; return raw.readInt16BE(at - 2) }
  const int64 = (): number => { at += 8; return readInt64(raw, at - 8) }
  const partitions: FetchedSet[] = []
  const clientSideThrottleTime = int32()
  const errorCode = int16()
  at += 4 // session id: sessions are not used
  for (let topics = int32(); topics > 0; topics--) {
    const nameBytes = int16()
    const topic = raw.toString('utf8', at, at + nameBytes)
    at += nameBytes
    for (let count = int32(); count > 0; count--) {
      const partition = int32()
      const code = int16()
      const highWatermark = int64()
      const stableOffset = int64()
      const startOffset = int64()
      const aborted: { producerId: string, firstOffset: number }[] = []
      for (let entries = int32(); entries > 0; entries--) {
        at += 8
        aborted.push({ producerId: raw.readBigInt64BE(at - 8).toString(), firstOffset: int64() })
      }
      at += 4 // preferred replica: followers are not read
      const setBytes = Math.max(0, int32())
      partitions.push({ topic, partition, errorCode: code, highWatermark, stableOffset, startOffset, aborted, set: raw.subarray(at, at + setBytes) })
      at += setBytes
    }
  }
  return { errorCode, clientSideThrottleTime, partitions }
}
