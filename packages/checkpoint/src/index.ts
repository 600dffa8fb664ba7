// checkpoint: the one protocol as pure decisions over facts. Reads no clock, opens no socket.
export type { BatchContent, Books, ClaimRecord, CommitRecord, EndedRecord, Generation, JournalRecord, ObjectRef, Owner, ReleaseRecord, SnapshotRef, SourcePosition, Stamp, UpstreamMark } from './records/records.ts'
export { ALL_RULES } from './rules.ts'
export type { RuleName, Rules } from './rules.ts'
export { FAULT_POINTS, OPEN_TRANSACTION_POINTS } from './fault-points.ts'
export type { FaultPoint } from './fault-points.ts'
