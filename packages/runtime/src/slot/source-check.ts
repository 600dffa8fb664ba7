// Before a task goes on: is each source topic, and each file, still the one that its positions belong to? Told by the checksum of the last record read; one
// that was made anew under its name and has grown past the position is seen by nothing else.
import { howMany, isTidemarkError, TidemarkError } from '@tidemark/base'
import type { LogReader, LogRecord } from '@tidemark/base'
import type { SourcePosition } from '@tidemark/checkpoint'
import { recordChecksum } from '../task/input.ts'
import type { HeldTask } from './held-task.ts'
import type { SlotPorts } from './ports.ts'

/** What is asked for to get one record, bytes: the log answers whole batches anyway. */
const FETCH_BYTES_MAX = 4_096

type Checked = SourcePosition & { readonly last: NonNullable<SourcePosition['last']> }

/**
 * Rejects with `TASK_SOURCE_CHANGED` (another record stands there) or `TASK_SOURCE_GONE` (retention passed our position, or the topic ends below it). A last record
 * that retention has removed can't be compared; the positions behind it still can be read. `log` is lent, readers of files are opened here.
 */
export const checkSources = async (held: HeldTask, log: LogReader, open: SlotPorts['reader']): Promise<void> => {
  await checkKind(held, 'topic', () => log)
  const opened: LogReader[] = []
  const openFiles = (): LogReader => {
    const reader = open('file')
    opened.push(reader)
    return reader
  }
  try {
    await checkKind(held, 'file', openFiles)
  } finally {
    await Promise.all(opened.map((reader) => reader.close()))
  }
}

const checkKind = async (held: HeldTask, kind: 'topic' | 'file', readerOf: () => LogReader): Promise<void> => {
  const inputs = new Set(held.task.inputs().filter((input) => input.kind === kind).map((input) => input.input))
  const positions = held.task.content().positions.filter((position): position is Checked => inputs.has(position.input) && position.last !== undefined)
  if (positions.length === 0) return
  const reader = readerOf()
  for (const position of positions) {
    const found = await lastRecord(held, reader, position, kind)
    if (found === undefined || recordChecksum(found) === position.last.checksum) continue
    const [where, what] = kind === 'file' ? [position.topic, 'line'] : [`${position.topic}/${position.partition}`, 'offset']
    throw new TidemarkError(`${where} holds another record at ${what} ${position.last.offset} than the one that was read there: the ${kind} was made anew`, {
      code: 'TASK_SOURCE_CHANGED', blame: 'user', action: 'fail-job', ...held.ref, topic: position.topic, offset: position.last.offset,
      details: { next: position.next, expected: position.last.checksum, found: recordChecksum(found) },
      hint: `The state belongs to the records of the old ${kind}. Cancel the job and submit it again to start empty, or bring the old records back.`,
    })
  }
}

const lastRecord = async (held: HeldTask, reader: LogReader, { topic, partition, next, last }: Checked, kind: 'topic' | 'file'): Promise<LogRecord | undefined> => {
  const waitingFor = `line ${last.offset} of ${topic} is looked for: whether it is still the one that was read`
  try {
    for (;;) {
      const [fetched] = await reader.fetch([{ topic, partition, offset: last.offset, maxBytes: FETCH_BYTES_MAX }], { isolation: 'committed', maxWaitMs: 0, answerQuiet: kind === 'file' })
      if (fetched !== undefined || kind === 'topic') return fetched?.records.find((record) => record.offset === last.offset)
      // The line is far inside its file, and still being looked for.
      held.waitingFor = waitingFor
    }
  } catch (error) {
    if (!isTidemarkError(error) || error.code !== 'LOG_OUT_OF_RANGE') throw error
    const { start, end } = error.details
    // Removed by retention, and reading on at our position is possible: nothing to compare, nothing lost.
    if (typeof start === 'number' && typeof end === 'number' && start <= next && next <= end) return undefined
    throw new TidemarkError(`${topic}/${partition} holds offsets ${String(start)} to ${String(end)}, ${held.key} is at ${next}: ${typeof start === 'number' && start > next ? `${howMany(start - next, 'record was removed by retention before it was read', 'records were removed by retention before they were read')}` : `the ${kind} was made anew`}`, {
      code: 'TASK_SOURCE_GONE', blame: 'user', action: 'fail-job', ...held.ref, topic, offset: next, cause: error, details: { start, end, next },
      hint: 'Nothing was skipped. Choose: bring the records back; submit from an older checkpoint whose input still exists; or cancel and submit to start empty.',
    })
  } finally {
    if (held.waitingFor === waitingFor) held.waitingFor = undefined
  }
}
