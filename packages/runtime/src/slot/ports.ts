// What a slot is given by its process: ports, limits, and how to make a task.
import type { Clock, FaultPoints, Log, Logger, LogReader, ObjectStore, OutboxSink, Random, TaskRef } from '@tidemark/base'
import type { Manifest, Owner, Rules, RunRecord } from '@tidemark/checkpoint'
import type { JobSettings } from 'tidemark'
import type { Task } from '../task/task.ts'
import type { Trial } from './isolation.ts'
import type { SlotEvent } from './messages.ts'

export interface SlotPorts {
  readonly log: Log
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly faults: FaultPoints
  /** Readers of the inputs that are not the log: `file`, `generator`. */
  readonly reader: (kind: 'file' | 'generator') => LogReader
  /** The outbox sink with this name. */
  readonly sink: (name: string) => OutboxSink
  /** False once the executor that started this slot is gone; looked at before every commit. */
  readonly alive: () => boolean
  /** Tries a task's input in a throw-away process; absent: nothing is tried. */
  readonly trial?: Trial
  readonly emit: (event: SlotEvent) => void
}

export interface SlotOptions {
  readonly owner: Owner
  readonly run: RunRecord
  /** The manifest that the run started from, while retention keeps it; its parts are the state of a journal without a commit record. */
  readonly origin: Manifest | undefined
  readonly settings: JobSettings
  readonly engineVersion: string
  readonly rules: Rules
  readonly makeTask: (ref: TaskRef) => Task
}
