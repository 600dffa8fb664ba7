// A task's snapshot as objects: a header, then the blocks of the walk, then an end that counts them.
import { Packr } from 'msgpackr'
import type { TaskRef } from '@tidemark/base'
import { frameCorrupt } from '../records/framing.ts'
import type { FrameFamily } from '../records/framing.ts'
import type { ObjectRef, Stamp } from '../records/records.ts'
import { ObjectPacker, unpackObjects } from './objects.ts'
import type { EncodedObject } from './objects.ts'

const SNAPSHOT_FORMAT_VERSION = 1
const SNAPSHOT: FrameFamily = { what: 'snapshot block', version: SNAPSHOT_FORMAT_VERSION, corrupt: 'SNAPSHOT_CORRUPT', tooNew: 'SNAPSHOT_TOO_NEW' }
const [HEADER, BLOCK, END] = [32, 33, 34]
const NOTHING = Buffer.alloc(0)
const packr = new Packr({ useRecords: false })

export interface SnapshotHeader extends Stamp {
  readonly task: TaskRef
  readonly checkpoint: number
  /** The snapshot is exact after this batch. */
  readonly batchId: number
  readonly keys: number
  /** Wall clock at the writer when it was written, ms, and what wrote it: for whoever finds an object alone. */
  readonly timestamp?: number
  readonly engineVersion?: string
  readonly jobVersion?: string
  /** Versions of the state's schemas by table; absent: all 1. */
  readonly schemas?: Readonly<Record<string, number>>
}

/** Packs a snapshot while it is walked; the header comes with the end, because only then the batch and the keys are known. */
export class SnapshotEncoder {
  readonly #packer = new ObjectPacker(SNAPSHOT)
  #blocks = 0

  add(block: Buffer): void {
    this.#packer.add(BLOCK, NOTHING, block)
    this.#blocks += 1
  }

  finish(header: SnapshotHeader): EncodedObject[] {
    this.#packer.add(HEADER, NOTHING, packr.pack(header))
    this.#packer.add(END, NOTHING, packr.pack(this.#blocks))
    return this.#packer.finish()
  }
}

/** Objects of at most 32 MiB, in order. */
export const encodeSnapshot = (header: SnapshotHeader, blocks: Iterable<Buffer>): EncodedObject[] => {
  const encoder = new SnapshotEncoder()
  for (const block of blocks) encoder.add(block)
  return encoder.finish(header)
}

export interface DecodedSnapshot {
  readonly header: SnapshotHeader
  readonly blocks: readonly Buffer[]
}

/** Compares lengths, SHA-256 and every block's CRC-32 first. Errors: `SNAPSHOT_CORRUPT`, `SNAPSHOT_TOO_NEW`. */
export const decodeSnapshot = (bodies: readonly Buffer[], refs: readonly ObjectRef[]): DecodedSnapshot => {
  const stored = unpackObjects(SNAPSHOT, bodies, refs)
  const [header, end] = stored.slice(-2)
  const blocks = stored.slice(0, -2)
  if (header?.kind !== HEADER || end?.kind !== END) throw frameCorrupt(SNAPSHOT, stored.length, 'it does not end with a header and its end')
  const wrong = blocks.findIndex((block) => block.kind !== BLOCK)
  if (wrong >= 0) throw frameCorrupt(SNAPSHOT, wrong, `its kind ${blocks[wrong]?.kind} is not a block's`)
  const counted: unknown = packr.unpack(end.data)
  if (counted !== blocks.length) throw frameCorrupt(SNAPSHOT, stored.length, `${String(counted)} blocks were written, ${blocks.length} are there`)
  return { header: packr.unpack(header.data) as SnapshotHeader, blocks: blocks.map((block) => block.data) }
}
