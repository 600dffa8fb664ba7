// Shuffle blocks: many records of one writer's batch for one downstream task, in one log record. Columns, packed once. A block without
// records is a mark: it carries only watermark and idleness.
import { TidemarkError } from '@tidemark/base'
import { Packr } from 'msgpackr'
import { FRAME_HEADER_BYTES, frame, frameCorrupt, unframe } from './framing.ts'
import type { FrameFamily } from './framing.ts'
import type { Generation } from './records.ts'

/** One block at most, with its frame. */
export const BLOCK_BYTES_MAX = 900 * 1024

const SHUFFLE: FrameFamily = { what: 'shuffle block', version: 1, corrupt: 'BLOCK_CORRUPT', tooNew: 'BLOCK_TOO_NEW' }
const KIND = 16

/** Record structures stand inside each block: half the size of plain maps, and Map, Set, Date and bigint survive. */
const values = new Packr({ useRecords: true, moreTypes: true, useBigIntExtension: true })
const heads = new Packr({ useRecords: false })

/** Who wrote a batch's blocks, and what it says to the reader. */
export interface BlockHeader {
  /** The writing task's. */
  readonly stage: string
  readonly partition: number
  readonly batchId: number
  readonly generation: Generation
  /** The writer's watermark after the batch, ms. */
  readonly watermark?: number
  readonly idle: boolean
}

export interface ShuffleRecord {
  readonly key: unknown
  readonly value: unknown
  /** Event time, ms. */
  readonly timestamp: number
}

export interface Block extends BlockHeader {
  /** Of the writer's blocks for this partition in this batch: which one, of how many. Only the last carries watermark and `idle`. */
  readonly index: number
  readonly count: number
  readonly keys: readonly unknown[]
  readonly timestamps: Float64Array
  readonly values: readonly unknown[]
}

/**
 * The blocks of one batch for one downstream task, in order, each at most `BLOCK_BYTES_MAX`; one block (a mark) when there are no
 * records. Keys and values: what structured clone takes, without functions, cycles, or an own property named `__proto__`.
 */
export const encodeBlocks = (header: BlockHeader, records: readonly ShuffleRecord[]): Buffer[] => {
  const payloads = pack(header, records)
  return payloads.map((payload, index) => {
    const last = index === payloads.length - 1
    const envelope = heads.pack([header.stage, header.partition, header.generation.epoch, header.generation.counter, last ? header.watermark ?? null : null, last && header.idle])
    return frame(SHUFFLE, { kind: KIND, part: index, parts: payloads.length, number: header.batchId }, envelope, [payload])
  })
}

/** Room for the frame and its envelope. */
const PAYLOAD_BYTES_MAX = BLOCK_BYTES_MAX - FRAME_HEADER_BYTES - 512

const pack = (header: BlockHeader, records: readonly ShuffleRecord[]): Buffer[] => {
  const timestamps = new Float64Array(records.length)
  const keys: unknown[] = []
  const column: unknown[] = []
  for (const [i, record] of records.entries()) {
    timestamps[i] = record.timestamp
    keys.push(record.key)
    column.push(record.value)
  }
  const packed = values.pack([keys, Buffer.from(timestamps.buffer), column])
  if (packed.includes('__proto__')) refuseProto(header, [keys, column])
  if (packed.length <= PAYLOAD_BYTES_MAX) return [packed]
  if (records.length <= 1) {
    throw new TidemarkError(`one record of ${packed.length} bytes for a shuffle is larger than a block takes (${PAYLOAD_BYTES_MAX} bytes)`, {
      code: 'BLOCK_RECORD_TOO_LARGE', blame: 'user', action: 'fail-job', stage: header.stage, partition: header.partition, details: { key: records[0]?.key, bytes: packed.length },
      hint: 'Shuffle a smaller value: drop fields before keyBy.',
    })
  }
  const size = Math.max(1, Math.floor(records.length / Math.ceil(packed.length / (PAYLOAD_BYTES_MAX * 0.9))))
  const payloads: Buffer[] = []
  for (let at = 0; at < records.length; at += size) payloads.push(...pack(header, records.slice(at, at + size)))
  return payloads
}

/** `offset` only names the block in errors. */
export const decodeBlock = (value: Buffer, offset = -1): Block => {
  const found = unframe(SHUFFLE, value, offset)
  if (found.kind !== KIND) throw frameCorrupt(SHUFFLE, offset, `its kind ${found.kind} is not a block's`)
  try {
    const [stage, partition, epoch, counter, watermark, idle]: [string, number, number, number, number | null, boolean] = heads.unpack(found.envelope)
    const [keys, times, column]: [unknown[], Buffer, unknown[]] = values.unpack(found.payload)
    const timestamps = new Float64Array(times.buffer.slice(times.byteOffset, times.byteOffset + times.byteLength))
    if (keys.length !== timestamps.length || column.length !== timestamps.length) throw new RangeError(`${keys.length} keys, ${timestamps.length} times, ${column.length} values`)
    return {
      stage, partition, batchId: found.number, generation: { epoch, counter }, idle, index: found.part, count: found.parts, keys, timestamps, values: column,
      ...(watermark === null ? {} : { watermark }),
    }
  } catch (cause) {
    throw frameCorrupt(SHUFFLE, offset, cause instanceof Error ? cause.message : String(cause), cause)
  }
}

/** msgpackr renames such a property (it could reach a prototype); a value must not change on its way, so it is refused. */
const refuseProto = (header: BlockHeader, value: unknown): void => {
  if (typeof value !== 'object' || value === null) return
  if (Object.hasOwn(value, '__proto__')) {
    throw new TidemarkError('a value with a property named "__proto__" can\'t be shuffled', {
      code: 'BLOCK_VALUE_UNSUPPORTED', blame: 'user', action: 'fail-job', stage: header.stage, partition: header.partition, hint: 'Rename the property before keyBy, or keep the pairs in a Map.',
    })
  }
  for (const inner of value instanceof Map ? [...value].flat() : value instanceof Set ? value : Object.values(value)) refuseProto(header, inner)
}
