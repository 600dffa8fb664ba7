// A snapshot's blocks in the object store: the last block is the content (positions, watermarks, books) at which the rest is exact.
import { Packr } from 'msgpackr'
import type { Clock, ObjectStore } from '@tidemark/base'
import { decodeSnapshot } from '@tidemark/checkpoint'
import type { BatchContent, SnapshotRef } from '@tidemark/checkpoint'

export type SnapshotContent = Omit<BatchContent, 'state'>

const packr = new Packr({ useRecords: false })

export const encodeContent = (content: SnapshotContent): Buffer => packr.pack(content)
const decodeContent = (block: Buffer): SnapshotContent => packr.unpack(block) as SnapshotContent

export interface LoadedSnapshot {
  readonly content: SnapshotContent
  readonly blocks: readonly Buffer[]
  readonly bytes: number
}

/**
 * Reads and checks every object of a snapshot. Errors: `SNAPSHOT_CORRUPT`, `SNAPSHOT_TOO_NEW`, `STORE_NOT_FOUND` (the one before is
 * tried), `STORE_UNAVAILABLE` (wait, or go from the journal alone).
 */
export const readSnapshot = async (store: ObjectStore, clock: Clock, ref: SnapshotRef): Promise<LoadedSnapshot> => {
  const bodies = await Promise.all(ref.objects.map((object) => store.get(object.key)))
  await clock.sleep(0)
  const { blocks } = decodeSnapshot(bodies, ref.objects)
  const content = blocks.at(-1)
  if (content === undefined) throw new RangeError('a snapshot without a block')
  return { content: decodeContent(content), blocks: blocks.slice(0, -1), bytes: bodies.reduce((sum, body) => sum + body.length, 0) }
}
