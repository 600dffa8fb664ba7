// Where a takeover begins to read a journal: the newest commit record says, found by scanning back from the stable offset.
import { TidemarkError } from '@tidemark/base'
import type { Log, LogReader, TaskRef } from '@tidemark/base'
import { RecordAssembler } from '@tidemark/checkpoint'
import type { CommitRecord, FramedCommit, SnapshotRef } from '@tidemark/checkpoint'

/** Offsets looked at first; doubled until a whole commit record is found. */
const SCAN_BACK_FIRST = 32
const SCAN_FETCH_BYTES_MAX = 8 * 1024 * 1024
const SCAN_FETCH_WAIT_MS = 100
/** Fetches in a row without an answer: ten seconds. What is below the stable offset is there, so the log is in trouble then. */
export const UNANSWERED_MAX = 100

export interface Beginning {
  readonly start: number
  readonly stable: number
  /** Undefined: the journal holds no commit record. */
  readonly newest: CommitRecord | undefined
  /** Snapshots to try, newest first: those that the newest commit record names. */
  readonly snapshots: readonly SnapshotRef[]
}

export const journalOffsets = async (log: Log, task: TaskRef, topic: string): Promise<{ readonly start: number, readonly stable: number }> => {
  const [offsets] = await log.offsets(topic, [task.partition])
  if (offsets === undefined) throw new TidemarkError(`${topic} has no partition ${task.partition}`, { code: 'LOG_TOPIC_MISSING', blame: 'user', action: 'fail-job', topic, ...task })
  return offsets
}

/** Rejects with `LOG_TOPIC_MISSING` when the journal is gone, `SLOT_JOURNAL_UNREADABLE` when it can't be read now: never takes it for empty. */
export const findBeginning = async (log: Log, reader: LogReader, task: TaskRef, topic: string): Promise<Beginning> => {
  const { start, stable } = await journalOffsets(log, task, topic)
  for (let back = SCAN_BACK_FIRST; ; back *= 2) {
    const from = Math.max(start, stable - back)
    const newest = await newestCommit(reader, task, topic, from, stable)
    if (newest !== undefined) return { start, stable, newest, snapshots: newest.snapshots }
    if (from === start) return { start, stable, newest: undefined, snapshots: [] }
  }
}

const newestCommit = async (reader: LogReader, task: TaskRef, topic: string, from: number, upTo: number): Promise<CommitRecord | undefined> => {
  const assembler = new RecordAssembler({ midway: true })
  let newest: FramedCommit | undefined
  let unanswered = 0
  for (let next = from; next < upTo;) {
    const [fetched] = await reader.fetch([{ topic, partition: task.partition, offset: next, maxBytes: SCAN_FETCH_BYTES_MAX, gapless: true }], { isolation: 'committed', maxWaitMs: SCAN_FETCH_WAIT_MS })
    if (fetched === undefined || fetched.nextOffset <= next) {
      unanswered += 1
      if (unanswered < UNANSWERED_MAX) continue
      throw journalUnreadable(task, topic, next, upTo)
    }
    unanswered = 0
    for (const record of fetched.records) {
      const whole = record.value === null ? undefined : assembler.pushFramed(record.value, record.offset)
      if (whole?.record.kind === 'commit') newest = whole.record
    }
    next = fetched.nextOffset
  }
  return newest?.whole
}

export const journalUnreadable = (task: TaskRef, topic: string, next: number, upTo: number): TidemarkError =>
  new TidemarkError(`${topic}/${task.partition} is not answered at ${next}, though it is stable up to ${upTo}`, { code: 'SLOT_JOURNAL_UNREADABLE', blame: 'environment', action: 'retry', topic, ...task, offset: next, hint: 'The log is in trouble; the task is given out again.' })
