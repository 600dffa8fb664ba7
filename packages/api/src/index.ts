// tidemark: what a job file imports. Builds a logical plan; does no input or output.
export type { Key, ProcessContext, ProcessHandler, Timers, ValueState } from './process.ts'
export type {
  AggregateFunctions, Aggregator, BytesSourceFunctions, FilterFunctions, FlatMapFunctions, GeneratorSourceFunctions, KeyByFunctions, MapFunctions, NodeFunctions,
  ProcessFunctions, ReduceFunctions, SinkFunctions,
} from './plan/functions.ts'
export type {
  AggregateKind, AggregateNode, CodecName, Emit, FileSinkPlan, FileSourcePlan, GeneratorSourcePlan, JobSettings, KeyByNode, LogicalPlan, MarkerSinkPlan, NodeId, OnError,
  PhysicalPlan, PlanNode, PlanProblem, ProcessNode, ReduceNode, SinkNode, SourceNode, StageInput, StagePlan, StdoutSinkPlan, TopicSinkPlan, TopicSourcePlan, TransformNode, TumblingPlan,
} from './plan/plan.ts'
