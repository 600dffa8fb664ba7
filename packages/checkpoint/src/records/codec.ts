// Journal records as bytes. Each part is a frame whose envelope is the writer's stamp (so even one part of a record that is still open
// names its owner, R6, R8); the payload is the length of the msgpack meta data, the meta data, and the state as it is.
import { TidemarkError } from '@tidemark/base'
import { Packr } from 'msgpackr'
import type { BatchContent, CommitRecord, JournalRecord, Stamp } from './records.ts'
import { FRAME_HEADER_BYTES, frame, frameCorrupt, sliceOf, unframe } from './framing.ts'
import type { Frame, FrameFamily } from './framing.ts'

/** One Kafka record at most; stays below the default `max.message.bytes` with its overhead. */
export const RECORD_PART_BYTES_MAX = 900 * 1024
/** One commit record at most, about 450 MiB. */
const RECORD_PARTS_MAX = 512

const JOURNAL: FrameFamily = { what: 'journal record', version: 1, corrupt: 'JOURNAL_CORRUPT', tooNew: 'JOURNAL_TOO_NEW' }
const KINDS = ['claim', 'release', 'ended', 'commit'] as const
const COMMIT = KINDS.indexOf('commit')
const packr = new Packr({ useRecords: false })

const packStamp = (stamp: Stamp): Buffer<ArrayBufferLike> =>
  packr.pack([stamp.generation.epoch, stamp.generation.counter, stamp.owner.executor, stamp.owner.slot, stamp.owner.slotId, stamp.transactionalId])

const readStamp = (envelope: Buffer): Stamp => {
  const [epoch, counter, executor, slot, slotId, transactionalId]: readonly never[] = packr.unpack(envelope)
  return { generation: { epoch: epoch as never, counter: counter as never }, owner: { executor: executor as never, slot: slot as never, slotId: slotId as never }, transactionalId: transactionalId as never }
}

/** The parts of a record, in order, each at most `RECORD_PART_BYTES_MAX`. Only commit records ever have more than one. */
export const encodeRecord = (record: JournalRecord): Buffer[] => {
  const { generation: _generation, owner: _owner, transactionalId: _id, kind, ...rest } = record
  let meta: object = rest
  let state: Buffer = Buffer.alloc(0)
  let number = 0
  if (record.kind === 'commit') {
    const { state: bytes, ...content } = record.content
    meta = { ...rest, content }
    state = bytes
    number = content.batchId
  }
  const packed = packr.pack(meta)
  const metaLength = Buffer.allocUnsafe(4)
  metaLength.writeUInt32BE(packed.length)
  const pieces = [metaLength, packed, state]
  const length = 4 + packed.length + state.length
  const envelope = packStamp(record)
  const room = RECORD_PART_BYTES_MAX - FRAME_HEADER_BYTES - envelope.length
  const parts = Math.max(1, Math.ceil(length / room))
  if (parts > (kind === 'commit' ? RECORD_PARTS_MAX : 1)) {
    throw new TidemarkError(`a ${kind} record of ${length} bytes is larger than ${RECORD_PARTS_MAX} parts of ${RECORD_PART_BYTES_MAX} bytes`, {
      code: 'JOURNAL_RECORD_TOO_LARGE', blame: 'user', action: 'fail-job', ...record.task, hint: "Lower the job's batchStateMax, or keep less state under one key.",
    })
  }
  return Array.from({ length: parts }, (_, part) =>
    frame(JOURNAL, { kind: KINDS.indexOf(kind), part, parts, number }, envelope, sliceOf(pieces, part * room, Math.min((part + 1) * room, length))))
}

/** What one part alone tells: for records of a transaction that is still open (R8). */
export interface OpenRecord extends Stamp {
  readonly kind: JournalRecord['kind']
}

const kindOf = (found: Frame, offset: number): JournalRecord['kind'] => {
  const kind = KINDS[found.kind]
  if (kind === undefined) throw frameCorrupt(JOURNAL, offset, `its kind ${found.kind} is no journal record's`)
  return kind
}

export const peekRecord = (value: Buffer, offset: number): OpenRecord => {
  const found = unframe(JOURNAL, value, offset)
  return { kind: kindOf(found, offset), ...readStamp(found.envelope) }
}

/**
 * A commit record of which only the frame was looked at, all parts checked by their CRC: whose it is, which batch, the state after it. The rest is decoded
 * once it is asked for: who reads a long journal needs it of the last batch alone.
 */
export class FramedCommit implements Stamp {
  readonly kind = 'commit'
  readonly generation: Stamp['generation']
  readonly owner: Stamp['owner']
  readonly transactionalId: Stamp['transactionalId']
  readonly content: Pick<BatchContent, 'batchId' | 'state'>
  readonly #decode: () => CommitRecord
  #whole: CommitRecord | undefined

  constructor(stamp: Stamp, content: FramedCommit['content'], decodeWhole: () => CommitRecord) {
    this.generation = stamp.generation
    this.owner = stamp.owner
    this.transactionalId = stamp.transactionalId
    this.content = content
    this.#decode = decodeWhole
  }

  /** `JOURNAL_CORRUPT`. */
  get whole(): CommitRecord {
    return this.#whole ??= this.#decode()
  }

  get task(): CommitRecord['task'] {
    return this.whole.task
  }
}

export type FramedRecord = Exclude<JournalRecord, CommitRecord> | FramedCommit

export interface AssembledRecord<R extends JournalRecord | FramedRecord = JournalRecord> {
  readonly record: R
  /** Offset of its first part. */
  readonly offset: number
  /** Right behind its last part. */
  readonly next: number
  /** Of all its parts, as the log holds them. */
  readonly bytes: number
}

interface Unfinished {
  readonly parts: Buffer[]
  bytes: number
  readonly of: number
  readonly offset: number
}

/**
 * Puts the parts of committed records together again. Others' records may lie between the parts of one (their transactions overlap), so
 * parts are gathered by (transactional id, batchId): an id is used by one producer, whose parts keep their order, and writes a batch
 * once (after any error it is another id, R5). A part that doesn't follow is damage. Never feed it an uncommitted read.
 *
 * `midway`: for a scan that starts at an arbitrary offset; parts whose first lies before it are passed over, until the first
 * commit record begins. Commit records of two owners never interleave: a new owner writes its first behind its claim, and that behind
 * the fence of the old one.
 */
export class RecordAssembler {
  readonly #unfinished = new Map<string, Unfinished>()
  #midway: boolean
  /** Of the record before: mostly the next one has the same. */
  #stamped: { readonly envelope: Buffer, readonly stamp: Stamp } | undefined

  constructor(options: { readonly midway?: boolean } = {}) {
    this.#midway = options.midway ?? false
  }

  /** Undefined: the record is not whole yet (or began before the scan did). */
  push(value: Buffer, offset: number): AssembledRecord | undefined {
    const framed = this.pushFramed(value, offset)
    return framed && { ...framed, record: framed.record.kind === 'commit' ? framed.record.whole : framed.record }
  }

  /** The same, with commit records looked at no further than their frames. */
  pushFramed(value: Buffer, offset: number): AssembledRecord<FramedRecord> | undefined {
    const found = unframe(JOURNAL, value, offset)
    const kind = kindOf(found, offset)
    if (found.parts === 1) {
      if (kind !== 'commit') return { record: decode(kind, found, found.payload, this.#stampOf(found), offset) as Exclude<JournalRecord, CommitRecord>, offset, next: offset + 1, bytes: value.length }
      this.#begins(offset)
      return { record: this.#framed(found, found.payload, offset), offset, next: offset + 1, bytes: value.length }
    }
    if (found.kind !== COMMIT || found.parts > RECORD_PARTS_MAX) throw frameCorrupt(JOURNAL, offset, `a ${kind} record in ${found.parts} parts`)
    const key = `${this.#stampOf(found).transactionalId} ${found.number}`
    const before = this.#unfinished.get(key)
    if (before === undefined) {
      if (found.part === 0) {
        this.#begins(offset)
        this.#unfinished.set(key, { parts: [found.payload], bytes: value.length, of: found.parts, offset })
      } else if (!this.#midway) throw frameCorrupt(JOURNAL, offset, `part ${found.part} of ${found.parts} of batch ${found.number} came without its first`)
      return undefined
    }
    if (found.part !== before.parts.length || found.parts !== before.of) {
      throw frameCorrupt(JOURNAL, offset, `part ${found.part} of ${found.parts} of batch ${found.number} came after part ${before.parts.length - 1} of ${before.of}`)
    }
    before.parts.push(found.payload)
    before.bytes += value.length
    if (before.parts.length < before.of) return undefined
    this.#unfinished.delete(key)
    return { record: this.#framed(found, Buffer.concat(before.parts), offset), offset: before.offset, next: offset + 1, bytes: before.bytes }
  }

  #framed(found: Frame, payload: Buffer, offset: number): FramedCommit {
    const stamp = this.#stampOf(found)
    return new FramedCommit(stamp, { batchId: found.number, state: payload.subarray(metaEndOf(payload, offset)) }, () => decode('commit', found, payload, stamp, offset) as CommitRecord)
  }

  #stampOf({ envelope }: Frame): Stamp {
    if (this.#stamped?.envelope.equals(envelope) !== true) this.#stamped = { envelope, stamp: readStamp(envelope) }
    return this.#stamped.stamp
  }

  /** A commit record begins: none that began earlier may still be unfinished, its transaction would have ended before. */
  #begins(offset: number): void {
    this.#midway = false
    for (const [key, { parts, of }] of this.#unfinished) throw frameCorrupt(JOURNAL, offset, `a commit record begins here, but of ${key} only ${parts.length} of ${of} parts came`)
  }
}

const metaEndOf = (payload: Buffer, offset: number): number => {
  const metaEnd = payload.length < 4 ? Infinity : 4 + payload.readUInt32BE(0)
  if (metaEnd > payload.length) throw frameCorrupt(JOURNAL, offset, `meta data up to byte ${metaEnd} in a payload of ${payload.length}`)
  return metaEnd
}

const decode = (kind: JournalRecord['kind'], found: Frame, payload: Buffer, stamp: Stamp, offset: number): JournalRecord => {
  const metaEnd = metaEndOf(payload, offset)
  try {
    const meta: Omit<CommitRecord, 'kind'> = packr.unpack(payload.subarray(4, metaEnd))
    if (kind !== 'commit') return { kind, ...meta, ...stamp } as JournalRecord
    if (meta.content.batchId !== found.number) throw new RangeError(`batch ${meta.content.batchId} in a frame of batch ${found.number}`)
    return { ...meta, kind, ...stamp, content: { ...meta.content, state: payload.subarray(metaEnd) } }
  } catch (cause) {
    throw frameCorrupt(JOURNAL, offset, cause instanceof Error ? cause.message : String(cause), cause)
  }
}
