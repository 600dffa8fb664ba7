// What the slot needs of a task. A task is everything about one partition of one stage but the log: positions, watermarks, operators,
// keyed state, books, the undo of a batch. It does no input or output and is never entered while a transaction is under way.
import type { Append, FetchedPartition, TaskRef, TidemarkError } from '@tidemark/base'
import type { BatchContent, CommitRecord, FramedCommit, Generation, OwedToSink } from '@tidemark/checkpoint'

/** One thing to fetch: a partition of a topic, or of a source that has a reader of its own. */
export interface TaskInput {
  /** Plan node id of the source, or id of the shuffle. */
  readonly input: string
  readonly kind: 'topic' | 'file' | 'generator' | 'shuffle'
  readonly topic: string
  readonly partition: number
  readonly next: number
  /** The shuffle's in-flight blocks of a restored run come first: index of the next, absent when all are read. */
  readonly inFlight?: number
}

export interface BatchBudget {
  /** Stop taking records after this many ms of work (checked between chunks of records). */
  readonly workMs: number
  readonly outputBytesMax: number
  readonly stateBytesMax: number
  /** Of records, blocks, results and timers; default any number. */
  readonly recordsMax?: number
}

/** One call of user code, by what it is for: a record, a record of a shuffle's block, a window's result, a timer. */
export interface Subject {
  /** Names it for as long as it has not been processed: source and offset, or operator, time and key. */
  readonly name: string
  readonly node: string
}

/** A batch that no longer changes: outputs and the content of the commit record. */
export interface FrozenBatch {
  readonly content: BatchContent
  /** Sink topics, shuffle blocks, dead letters. Not the commit record. */
  readonly appends: readonly Append[]
  /** New outbox entries of this batch by sink, delivered after the commit. */
  readonly outbox: readonly OutboxEntry[]
}

export interface OutboxEntry {
  readonly sink: string
  /** Of the batch; not the task's where a run began from a checkpoint that held it: the run before may have delivered it. */
  readonly run: number
  /** With `run` it names the entry: marker sinks compare (run, batchId), files carry both in their names. */
  readonly batchId: number
  /** Encoded records of the batch, in order. */
  readonly records: readonly Buffer[]
}

/** The walk of a snapshot: slices between batches while state changes, exact when finished between two batches (S1, S9). */
export interface SnapshotWalk {
  /** The next slice, at most about `bytesMax`; undefined when every key was visited. */
  next(bytesMax: number): Buffer | undefined
  /** Only while no batch is in flight: one last block of the present values of every key that changed meanwhile. Ends the walk. */
  finish(): { readonly block: Buffer, readonly keys: number }
  /** A transaction failed (S2), or the checkpoint was given up. */
  abandon(): void
}

export interface Task {
  readonly ref: TaskRef
  /** Last batch applied; 0 before the first. */
  readonly batchId: number
  readonly stateKeys: number
  readonly stateBytes: number
  readonly watermark: number | undefined

  // Restore: blocks of a snapshot and its content first, then the tail in order. No user code runs.
  /** `content` is that of the batch at which the snapshot is exact. */
  loadSnapshot(blocks: readonly Buffer[], content: Omit<BatchContent, 'state'>): void
  /** The same, a block at a time: whoever loads may do something else in between. Nothing else may be asked of the task until it is through. */
  loadingSnapshot(blocks: readonly Buffer[], content: Omit<BatchContent, 'state'>): Iterable<void>
  /** Requires `record.content.batchId === batchId + 1` (invariant 2). */
  apply(record: CommitRecord): void
  /** The same of one record after another, a record at a time; of those before the last only the state is looked at. Nothing else may be asked of the task until it is through. */
  applying(records: readonly FramedCommit[]): Iterable<void>

  inputs(): readonly TaskInput[]
  /**
   * The topic of a source has so many partitions by now: those that are new and this task's (p mod N) are read too, from the stage's watermark on.
   * `TASK_SOURCE_REPARTITIONED` where keys are kept by partition. Idempotent.
   */
  widen(input: string, partitions: number): void
  /** Queues what was fetched. Requires `fromOffset` to continue what was offered before (invariant 7). */
  offer(input: string, fetched: FetchedPartition): void
  /** Queues one in-flight block of a restored run. Without a block there were none: the input goes on with its topic. */
  offerInFlight(input: string, index: number, last: boolean, block: Buffer | undefined): void
  /** Bytes queued and not yet processed, so that the slot stops fetching. */
  readonly queuedBytes: number
  /** Where fetching goes on for each input: behind what is queued. */
  fetchFrom(input: string, topic: string, partition: number): number

  /**
   * Processes queued input within the budget, then moves watermarks, closes windows and fires timers (in portions). User errors are
   * handled by the job's policy in here; what comes out as an error stops the task. `more`: there is more to do at once. `full`: the
   * batch has reached an output or state limit (or has to end here) and takes nothing more until it is committed.
   */
  work(budget: BatchBudget, now: number): { readonly more: boolean, readonly full: boolean }
  /** Told of each subject before its user code runs. */
  watch(begins: (subject: Subject) => void): void
  /** When this one is met it is handled by the job's policy for what fails, in place of its user code. */
  setAside(subject: Subject, error: unknown): void
  /** The open batch has something to record: records processed, or without input a timer, a watermark or idle mark, acknowledged outbox entries. */
  readonly dirty: boolean
  /** Every input is idle and was looked at to its end by this very task; nothing is open. Whatever an owner before had open lies behind it. */
  readonly quiet: boolean
  /** Also without anything to record (a batch without input is a batch: to name a snapshot). `generation`, the owner's, stands in the blocks of shuffles. */
  freeze(generation?: Generation): FrozenBatch
  /** The frozen batch's transaction has committed. */
  committed(): void
  /** Takes the batch, open or frozen, back in whole: state, timers, outbox, positions, watermarks, books. Without one it does nothing. Input is taken again from the positions (`fetchFrom`). */
  undo(): void

  /** Entries that a sink has not acknowledged, oldest first. */
  undelivered(): readonly OutboxEntry[]
  /** What the state holds for sinks as of the last committed batch: also entries whose acknowledgement is not recorded yet. */
  owed(): readonly OwedToSink[]
  /** The sink has them; leaves the state with the next batch. */
  acknowledge(entry: Pick<OutboxEntry, 'sink' | 'run' | 'batchId'>): void

  startWalk(): SnapshotWalk
  /** Content of the last committed batch without its state: what a snapshot taken now is exact at. */
  content(): Omit<BatchContent, 'state'>
  /** Set when the task can't go on; the slot reports it. */
  readonly failure: TidemarkError | undefined
}
