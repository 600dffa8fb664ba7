// What stands in a task's journal. Types only; the bytes are in `codec.ts`, the meaning in `../ownership`.
import type { ExecutorId, SlotId, TaskRef, TransactionalId } from '@tidemark/base'
import type { Deaths } from '../ownership/deaths.ts'

/** Number of a task's ownership: never given twice, always growing (R1). Compared by epoch, then counter. */
export interface Generation {
  /** Epoch of the driver that gave it. */
  readonly epoch: number
  readonly counter: number
}

/** Who owns a task: an executor's slot process, or (for `ended` records) a driver. "Another owner" means another `slotId`. */
export interface Owner {
  /** The executor's UUID, or the driver's. */
  readonly executor: ExecutorId
  /** Number of the slot in its executor; -1 for a driver. */
  readonly slot: number
  /** UUID of the slot process, or of the driver. */
  readonly slotId: SlotId
}

/** Stands in every record and in every snapshot, so that truncation can't hide the last owner (R6). */
export interface Stamp {
  readonly generation: Generation
  readonly owner: Owner
  readonly transactionalId: TransactionalId
}

interface RecordBase extends Stamp {
  readonly task: TaskRef
  /** Wall clock at the writer, milliseconds; for people. */
  readonly timestamp: number
}

/** "Generation g, owner o, id t own this task from here." */
export interface ClaimRecord extends RecordBase {
  readonly kind: 'claim'
  /** Tells one claim of an owner from its others. */
  readonly nonce: string
  /** Of the owners before this one, in a row. */
  readonly deaths?: Deaths
}

/** "Gave it up, clean": nothing of this owner is under way. */
export interface ReleaseRecord extends RecordBase {
  readonly kind: 'release'
}

/** "This run is over." Final, whatever the generations (C3). */
export interface EndedRecord extends RecordBase {
  readonly kind: 'ended'
}

/** Where one input partition is. `next` is the next offset to read. */
export interface SourcePosition {
  /** Plan node id of the source, or id of the shuffle. */
  readonly input: string
  /** Topic, or what the source's reader calls it (a file's path, a generator's name). */
  readonly topic: string
  readonly partition: number
  readonly next: number
  /** CRC-32 of the last record read (key and value) and its offset; tells a topic that was made anew. */
  readonly last?: { readonly offset: number, readonly checksum: number }
  /** For in-flight blocks of a restored run: the next index into the run's block list; absent once all are read. */
  readonly inFlight?: number
  /** Source partitions: highest event time seen minus the bound, ms; absent before the first record. */
  readonly watermark?: number
  readonly idle?: boolean
}

/** What a reader of a shuffle knows of one upstream task. */
export interface UpstreamMark {
  /** Id of the shuffle. */
  readonly input: string
  /** Partition number of the upstream task. */
  readonly partition: number
  readonly watermark?: number
  readonly idle: boolean
  /** `batchId` of the last block applied; blocks of one writer arrive with growing ones. */
  readonly batchId: number
  /** Number of the block of that batch that is to come next, and how many it has; absent when it was applied whole. */
  readonly nextBlock?: number
  readonly blocks?: number
  /** While it is idle: up to where it holds nobody, ms; what its next claim lets it pass, ms; claims to come before one does. */
  readonly cleared?: number
  readonly pending?: number
  readonly grace?: number
}

/** Every offset passed is counted once (invariant 8). For one batch, and as running totals of the run. */
export interface Books {
  /** Offsets advanced over all inputs. */
  readonly offsets: number
  /** Of these: control records, aborted, compacted. */
  readonly noRecord: number
  /** Records offered to the stage: for topics offsets - noRecord; for shuffles the records inside the blocks. */
  readonly records: number
  /** Of the records: those that came inside shuffle blocks. */
  readonly shuffleRecords: number
  /** Shuffle blocks, marks included. Those in flight when a restored run began count as one offset and one block each, though they have no offset. */
  readonly blocks: number
  readonly folded: number
  readonly passedOn: number
  readonly filtered: number
  readonly late: number
  readonly deadLettered: number
  readonly skipped: number
  /** Records sent to sinks and shuffles. */
  readonly emitted: number
  /** Times that a windowed operator dropped a value for being late, also where the record was folded, passed on or dropped elsewhere too. Absent in records of earlier engines. */
  readonly lateDrops?: number
}

/** One object of the store that a snapshot consists of. */
export interface ObjectRef {
  readonly key: string
  readonly sizeBytes: number
  /** Hex SHA-256. */
  readonly sha256: string
}

/**
 * Names a durable snapshot: a task's whole state, exact after batch `batchId`. Batch 0 with `journalNext` 0: the state before this journal's
 * first batch, usually the run's origin, whose stamp belongs to the run before and is no owner of this journal.
 */
export interface SnapshotRef extends Stamp {
  /** Checkpoint number it belongs to. */
  readonly checkpoint: number
  readonly batchId: number
  /** Journal offset behind the commit record of `batchId`, claims in between perhaps included: the tail begins here. */
  readonly journalNext: number
  /** Positions of the commit record of `batchId`, for trimming and manifests. */
  readonly positions: readonly SourcePosition[]
  readonly keys: number
  readonly objects: readonly ObjectRef[]
}

/** What one batch of one task makes real; everything in it but the stamp comes from the task. */
export interface BatchContent {
  /** Dense from 1 (invariant 2). */
  readonly batchId: number
  readonly positions: readonly SourcePosition[]
  readonly upstreams: readonly UpstreamMark[]
  /** The stage's watermark after the batch, ms; absent before there is one. */
  readonly watermark?: number
  /** Windows and timers up to here, ms, are worked off in portions, and this batch has not come to the last one. Absent where there is none left. */
  readonly closingTo?: number
  readonly idle: boolean
  /** After-images (timers and outbox entries are state tables too), as the task's state encodes them. Opaque here. */
  readonly state: Buffer
  readonly books: Books
  readonly totals: Books
  /** Undelivered outbox entries after this batch; and the bytes they take. */
  readonly outbox: { readonly entries: number, readonly bytes: number }
}

export interface CommitRecord extends RecordBase {
  readonly kind: 'commit'
  readonly engineVersion: string
  readonly jobVersion: string
  readonly content: BatchContent
  /** The newest durable snapshot, and the one before it that is still good; a snapshot counts once a committed record names it (invariant 3). */
  readonly snapshots: readonly SnapshotRef[]
  /** As in its owner's claim, until that has got away from what killed the one before. */
  readonly deaths?: Deaths
}

export type JournalRecord = ClaimRecord | ReleaseRecord | EndedRecord | CommitRecord
