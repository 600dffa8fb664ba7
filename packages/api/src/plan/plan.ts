// The logical plan: plain JSON, the same each time a job is built. What the builder makes, the driver checks and stages are cut from.
// Functions are not in it; a node's functions are found by its id in the built job (`../job.ts`).

export type NodeId = string

export interface TopicSourcePlan {
  readonly kind: 'topic'
  readonly topic: string
}
/** Each file is one source partition, in this order; offsets are line numbers from 0. */
export interface FileSourcePlan {
  readonly kind: 'file'
  readonly paths: readonly string[]
}
/** Made by a function of (partition, sequence number); replayable because it is pure. */
export interface GeneratorSourcePlan {
  readonly kind: 'generator'
  readonly partitions: number
  /** Records per partition; absent: endless. */
  readonly count?: number
  /** Records a second over all partitions; absent: as fast as it goes. */
  readonly perSecond?: number
}

export type CodecName = 'json' | 'string' | 'bytes' | 'custom'

/** A record from this far in the future of the wall clock is set aside, so that it can't close every window. */
export interface SourceNode {
  readonly id: NodeId
  readonly kind: 'source'
  readonly name: string
  readonly source: TopicSourcePlan | FileSourcePlan | GeneratorSourcePlan
  readonly codec: CodecName
  readonly hasSchema: boolean
  /** `record`: the log's timestamp. `function`: a user function of the value. */
  readonly eventTime: 'record' | 'function'
  readonly outOfOrdernessMs: number
  /** A partition without records for this long does not hold the watermark. */
  readonly idleAfterMs: number
}
export interface TransformNode {
  readonly id: NodeId
  readonly kind: 'map' | 'filter' | 'flatMap'
  readonly input: NodeId
}
export interface KeyByNode {
  readonly id: NodeId
  readonly kind: 'keyBy'
  readonly input: NodeId
  /** The topic is already keyed by this: no shuffle; checked on every record. */
  readonly copartitioned: boolean
}
export interface TumblingPlan {
  readonly kind: 'tumbling'
  readonly sizeMs: number
  readonly allowedLatenessMs: number
}
/** `final`: once, when the watermark passes window end + allowed lateness. `updates`: on every change. Without a window: always updates. */
export type Emit = 'final' | 'updates'
export type AggregateKind = 'count' | 'sum' | 'min' | 'max' | 'avg' | 'custom'
export interface AggregateNode {
  readonly id: NodeId
  readonly kind: 'aggregate'
  readonly name: string
  readonly input: NodeId
  readonly window: TumblingPlan | null
  readonly emit: Emit
  /** In the order written; the accumulator is one slot per field. */
  readonly fields: readonly { readonly field: string, readonly kind: AggregateKind }[]
}
export interface ReduceNode {
  readonly id: NodeId
  readonly kind: 'reduce'
  readonly name: string
  readonly input: NodeId
  readonly window: TumblingPlan | null
  readonly emit: Emit
}
export interface ProcessNode {
  readonly id: NodeId
  readonly kind: 'process'
  readonly name: string
  readonly input: NodeId
}
export interface TopicSinkPlan {
  readonly kind: 'topic'
  readonly topic: string
}
export interface FileSinkPlan {
  readonly kind: 'file'
  readonly folder: string
}
export interface StdoutSinkPlan {
  readonly kind: 'stdout'
}
/** Keeps (run, batchId) with its writes; exactly once by marker. In memory, for tests. */
export interface MarkerSinkPlan {
  readonly kind: 'marker'
}
export interface SinkNode {
  readonly id: NodeId
  readonly kind: 'sink'
  readonly name: string
  readonly input: NodeId
  readonly sink: TopicSinkPlan | FileSinkPlan | StdoutSinkPlan | MarkerSinkPlan
  readonly codec: CodecName
  /** A user function gives the record's key; else a keyed stream's key is used, else none. */
  readonly hasKey: boolean
}

export type PlanNode = SourceNode | TransformNode | KeyByNode | AggregateNode | ReduceNode | ProcessNode | SinkNode

export type OnError = 'fail' | 'dead-letter' | 'skip'

/** Every limit and interval of a job; resolved, no defaults left. Times in ms, sizes in bytes. */
export interface JobSettings {
  /** Partitions of stages that read a shuffle. */
  readonly parallelism: number
  readonly onError: OnError
  readonly deadLetterTopic: string
  readonly commitIntervalMinMs: number
  readonly commitIntervalMaxMs: number
  readonly batchOutputBytesMax: number
  readonly batchStateBytesMax: number
  readonly checkpointIntervalMs: number
  readonly checkpointTimeoutMs: number
  readonly checkpointInFlightBytesMax: number
  readonly checkpointsRetained: number
  readonly outboxBytesMax: number
  readonly shuffleBacklogBytesMax: number
  readonly futureTimestampBoundMs: number
}

export interface LogicalPlan {
  readonly planVersion: 1
  readonly job: string
  /** The user's version of the job's code and state; free text. */
  readonly version: string
  readonly settings: JobSettings
  /** Inputs before their readers. */
  readonly nodes: readonly PlanNode[]
}

/** One mistake in a plan. All of a plan's are reported together. */
export interface PlanProblem {
  /** `nodes.sink:totals.topic`, `settings.parallelism`. */
  readonly path: string
  readonly code: string
  readonly message: string
}

/** An input of a stage: a source's partitions, or a shuffle that another stage writes. */
export type StageInput =
  | { readonly kind: 'source', readonly node: NodeId }
  | { readonly kind: 'shuffle', /** `<upstream stage>-<keyBy node>`: names topic and marks. */ readonly shuffle: string, readonly from: string, readonly keyBy: NodeId }

/** The operators between two shuffles, fused. */
export interface StagePlan {
  readonly id: string
  readonly inputs: readonly StageInput[]
  /** Nodes that run here, inputs before readers. A `keyBy` that shuffles belongs to its upstream stage. */
  readonly nodes: readonly NodeId[]
  /** Shuffles written: id, and the keyBy node that routes. */
  readonly shuffles: readonly { readonly shuffle: string, readonly keyBy: NodeId, readonly to: string }[]
}

/** Stages in topological order, sources first. Pure function of the logical plan. */
export interface PhysicalPlan {
  readonly stages: readonly StagePlan[]
}
