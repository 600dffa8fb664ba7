// wire: the only room that knows gRPC. Typed clients and servers over proto/, and the messages the cores speak.
export type { DriverMessage, ErrorMessage, ExecutorMessage, GenerationMessage, InputStatus, RecoveryTimeline, RunningTask, SlotLog, SlotProcess, SnapshotPart, TaskAssignment, TaskPhase, TaskStatus } from './messages.ts'
export type {
  CancelAnswer, CancelMode, CheckpointDescription, DamagedJob, ExecutorDescription, JobDescription, JobEvent, JobHandlers, JobsClient, JobState, JobSummary, SubmitAnswer, SubmitRequest, TaskDescription, TaskRecovery, WatchRequest,
} from './jobs.ts'
export type { Serving, Tls } from './channel.ts'
export { connectCluster, serveCluster } from './cluster.ts'
export type { ClusterServerOptions, DriverStream, ExecutorStream, MessageStream, StreamEnd } from './cluster.ts'
export { probe, serveProbe } from './probe.ts'
export type { ProbeAnswer } from './probe.ts'
export { serveJobs } from './job-service.ts'
export { jobsClient } from './jobs-client.ts'
export type { JobsClientOptions } from './jobs-client.ts'
export { submitLines } from './submission.ts'
