// The Log port: an append-only, partitioned, transactional log with Kafka's semantics. Adapters: log-kafka, log-local, and the
// memory log of testkit. Every adapter passes the one conformance suite in testkit; what is promised here is what it tests.
//
// Offsets are safe integers: an adapter refuses one above 2^53 - 1 instead of rounding it.
import type { TransactionalId } from '../ids.ts'

export interface TopicSpec {
  readonly topic: string
  readonly partitions: number
  /** Kafka's topic settings by their Kafka names; an adapter without such a setting ignores it. */
  readonly config?: Readonly<Record<string, string>>
}

export interface TopicDescription {
  readonly topic: string
  readonly partitions: number
  /** Records may be missing between two that are there (`cleanup.policy` names `compact`). */
  readonly compacted: boolean
  /** Largest record batch the topic takes, bytes. */
  readonly maxMessageBytes: number
  /** -1: unlimited. */
  readonly retentionMs: number
  /** Left out: of a log that keeps everything once (log-local). */
  readonly replicationFactor?: number
  /** Who asks may not read its settings: `compacted`, `maxMessageBytes` and `retentionMs` are the log's defaults, and may be wrong. */
  readonly settingsHidden?: true
}

export type Headers = Readonly<Record<string, Buffer | string>>

export interface LogRecord {
  readonly offset: number
  /** Milliseconds since 1970, as the producer set it. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: Readonly<Record<string, Buffer>>
}

export interface FetchRequest {
  readonly topic: string
  readonly partition: number
  /** The next offset to read. */
  readonly offset: number
  /** Soft bound on what is answered for this partition; at least one record batch is always answered. */
  readonly maxBytes: number
  /** Nothing may be missing of it between two records, whatever the topic's settings say, or whether they may be read: its records are our own, and none is ever compacted away. */
  readonly gapless?: boolean
}

export interface FetchOptions {
  /** `committed`: no record of an open or aborted transaction, nothing at or above the stable offset. `uncommitted`: everything. */
  readonly isolation: 'committed' | 'uncommitted'
  /** How long to wait when there is nothing to read. */
  readonly maxWaitMs: number
  /**
   * Also answer for partitions that were looked at and end at the requested offset, open transactions included: no records, `nextOffset` =
   * `fromOffset`. What is missing then was not looked at (its broker is away, other partitions filled the answer). They do not end the wait.
   */
  readonly answerQuiet?: boolean
  readonly signal?: AbortSignal
}

/**
 * The answer for one partition. Promise (invariant 7): `fromOffset` equals the request's offset; `records` are in offset order, all in
 * [fromOffset, nextOffset); every offset in that range that has no record here holds none for this reader (a control record, an aborted
 * record, or one removed by compaction). An offset below the log's start, or above its end, is an error, never a jump.
 */
export interface FetchedPartition {
  readonly topic: string
  readonly partition: number
  readonly fromOffset: number
  readonly records: readonly LogRecord[]
  /** Where to read on. Greater than `fromOffset` whenever anything, even a control record, was passed. */
  readonly nextOffset: number
  /** Oldest offset still held. */
  readonly startOffset: number
  /** First offset of the oldest open transaction, or the end. "Caught up" is judged by this. */
  readonly stableOffset: number
}

/** Reads without a consumer group: the caller owns the positions. Not for concurrent use: one fetch at a time per reader. */
export interface LogReader {
  /**
   * One answer per requested partition that has something to say (data or moved past control records); none for the others, but see
   * `answerQuiet`.
   * Errors (TidemarkError): `LOG_OUT_OF_RANGE` (details: start, end, requested; action fail-job), `LOG_TOPIC_MISSING`, `LOG_TOPIC_REPLACED`
   * (deleted and made anew under its name since this reader first read it: positions mean nothing in the new one),
   * `LOG_UNAVAILABLE` (action retry), `LOG_CODEC` (a record batch that can't be decoded), `LOG_CLOSED`; of offsets that are missing, in a topic that is not
   * compacted or that is asked for as `gapless`, `INVARIANT_BROKEN`; in any other, where its settings may not be read, `LOG_GAP_UNEXPLAINED` (action fail-job).
   */
  fetch(requests: readonly FetchRequest[], options: FetchOptions): Promise<FetchedPartition[]>
  close(): Promise<void>
}

export interface AppendRecord {
  readonly key: Buffer | string | null
  readonly value: Buffer | string | null
  readonly headers?: Headers
  /** Milliseconds since 1970. Default: now. */
  readonly timestamp?: number
}

export interface Append {
  readonly topic: string
  readonly partition: number
  readonly records: readonly AppendRecord[]
}

export interface Appended {
  readonly topic: string
  readonly partition: number
  /** Offset of the first record of that append. */
  readonly baseOffset: number
}

/**
 * One producer session = one transactional id = one transaction at a time. After ANY rejection the session is dead: it must be closed,
 * its id fenced and a new session made on a new id (rules R5 and the order in design §3, Commit). `LOG_FENCED`: somebody fenced this id.
 * `LOG_OUTCOME_UNKNOWN`: the commit may or may not have happened. `LOG_RECORD_TOO_LARGE`, `LOG_TOPIC_MISSING`, `LOG_NOT_AUTHORISED`
 * name topic and partition in `place`. `LOG_UNAVAILABLE`: broker not reachable.
 */
export interface ProducerSession {
  readonly transactionalId: TransactionalId
  /** Initialises the id: aborts what an earlier session left open. Called once, before the first append. */
  initialise(): Promise<void>
  /**
   * Appends to the open transaction, opening one if none is. On a log where nothing is ever open (log-local) the records are kept until
   * `commit`. Topics are never created by this.
   */
  append(writes: readonly Append[]): Promise<void>
  /**
   * Ends the transaction; when it resolves every append will be seen by committed readers, in order, whatever happens to this process. On Kafka
   * the answer comes some milliseconds before the stable offset passes them. One entry per append since the last commit, in order.
   */
  commit(): Promise<Appended[]>
  /** Lets go of connections; never rejects; leaves an open transaction to be fenced. */
  close(): Promise<void>
}

export interface PartitionOffsets {
  readonly partition: number
  readonly start: number
  readonly stable: number
  readonly end: number
}

/** An offset under a group's name that somebody else has set. */
export interface EditedOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface Log {
  /** `kafka 127.0.0.1:9092`, `local .tidemark/log.db`: for messages. */
  readonly name: string
  /** Whether a transaction can be seen open (Kafka) or not (log-local). Decides which fault points exist. */
  readonly hasOpenTransactions: boolean
  /** Refuses what can't carry the guarantees (`LOG_UNSUPPORTED`: broker or SQLite too old, verification off). */
  check(): Promise<void>
  /** Creates those that do not exist; an existing one with another partition count is `LOG_TOPIC_EXISTS`. Resolves when they can be used. */
  createTopics(specs: readonly TopicSpec[]): Promise<void>
  /** Those that exist. Never creates. */
  describeTopics(topics: readonly string[]): Promise<Map<string, TopicDescription>>
  listTopics(): Promise<string[]>
  /** Missing ones are no error. Resolves when they are gone from `describeTopics`. */
  deleteTopics(topics: readonly string[]): Promise<void>
  /** All partitions of a topic when `partitions` is left out. `LOG_TOPIC_MISSING`. */
  offsets(topic: string, partitions?: readonly number[]): Promise<PartitionOffsets[]>
  reader(): LogReader
  session(id: TransactionalId): ProducerSession
  /**
   * InitProducerId on somebody's id, the answer thrown away: aborts its open transaction and refuses its next append or commit with
   * `LOG_FENCED`. Fencing an id that was never used is allowed, and void: it does not stop a later first `initialise` of that id.
   */
  fence(id: TransactionalId): Promise<void>
  /** Appends outside any transaction, in order; for user input (`tidemark write`), never for the runtime. */
  write(writes: readonly Append[]): Promise<Appended[]>
  /** Deletes records below `before`. A lower or equal start is no error. */
  trim(topic: string, partition: number, before: number): Promise<void>
  /** Where the log's own default partitioner puts a record with this key. */
  partitionFor(key: Buffer, partitions: number): number
  /**
   * Publishes positions under a group's name so that ordinary lag tools see progress. Never read by recovery. Answers with what stood there and was not
   * published by this program: set by a person or a tool, and overwritten by this; nothing where a log can't tell.
   */
  mirrorPositions(group: string, positions: readonly { readonly topic: string, readonly partition: number, readonly nextOffset: number }[]): Promise<readonly EditedOffset[]>
  /** What is free on the disk of the log, bytes; undefined: it does not say. Resolves at once. */
  freeBytes(): Promise<number | undefined>
  close(): Promise<void>
}
