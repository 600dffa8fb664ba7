// wire: the only room that knows gRPC. Typed clients and servers over proto/, and the messages the cores speak.
export type { DriverMessage, ErrorMessage, ExecutorMessage, GenerationMessage, InputStatus, RecoveryTimeline, RunningTask, SlotProcess, SnapshotPart, TaskAssignment, TaskPhase, TaskStatus } from './messages.ts'
