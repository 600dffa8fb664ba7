// tidemark: what a job file imports. Builds a logical plan; does no input or output.
export { isJob, job, jobFunctions } from './job.ts'
export type { JobOptions } from './settings.ts'
export type {
  Aggregated, AggregateFields, AggregateResults, Job, KeyByOptions, KeyedStream, Reduced, ReservedFields, Stream, UpdatesOptions, WindowAggregated, WindowedOptions, WindowedStream, WindowReduced,
} from './stream.ts'
export { bytes, json, string } from './codecs.ts'
export type { Codec } from './codecs.ts'
export { files, generator, topic } from './sources.ts'
export type { EventTimeOptions, FilesOptions, GeneratorOptions, SourceSpec, TopicOptions } from './sources.ts'
export { fileSink, markerSink, stdoutSink, topicSink } from './sinks.ts'
export type { JsonSinkSpec, SinkSpec, TopicSinkOptions, TopicSinkSpec } from './sinks.ts'
export { tumbling } from './windows.ts'
export type { TumblingOptions, Window, WindowSpec } from './windows.ts'
export { aggregate, avg, count, max, min, sum } from './aggregates.ts'
export type { Aggregate, AggregateSpec } from './aggregates.ts'
export type { Key, ProcessContext, ProcessHandler, ProcessMethods, Timers, ValueState } from './process.ts'
export type {
  AggregateFunctions, Aggregator, BytesSourceFunctions, FilterFunctions, FlatMapFunctions, GeneratorSourceFunctions, KeyByFunctions, MapFunctions, NodeFunctions,
  ProcessFunctions, ReduceFunctions, SinkFunctions,
} from './plan/functions.ts'
export type {
  AggregateKind, AggregateNode, CodecName, Emit, FileSinkPlan, FileSourcePlan, GeneratorSourcePlan, JobSettings, KeyByNode, LogicalPlan, MarkerSinkPlan, NodeId, OnError,
  PhysicalPlan, PlanNode, PlanProblem, ProcessNode, ReduceNode, SinkNode, SourceNode, StageInput, StagePlan, StdoutSinkPlan, TopicSinkPlan, TopicSourcePlan, TransformNode, TumblingPlan,
} from './plan/plan.ts'
export { checkPlan, parsePlan } from './plan/check.ts'
export { planHash } from './plan/hash.ts'
export { cutStages, stagePartitions } from './plan/stages.ts'
