// The OutboxSink port: a sink outside the log, fed from a task's outbox after the batch has committed.
import type { TaskRef } from '../ids.ts'

export interface OutboxDelivery {
  readonly task: TaskRef
  readonly sink: string
  /** With the task's run: names this delivery. A marker sink and a file sink apply it at most once. */
  readonly batchId: number
  /** Encoded records of this batch, one per element, in order. */
  readonly records: readonly Buffer[]
}

export interface OutboxSink {
  /** Resolves when the sink has it for good. May be called again with the same delivery after a crash. `SINK_UNAVAILABLE` (action retry) or `SINK_REFUSED` (fail-job). */
  deliver(delivery: OutboxDelivery): Promise<void>
  close(): Promise<void>
}
