// Reads a task's journal back the way any program could: every record from the log's start on, put together again.
import { isTidemarkError } from '@tidemark/base'
import type { Log, TaskRef } from '@tidemark/base'
import { paths, RecordAssembler } from '@tidemark/checkpoint'
import type { AssembledRecord, CommitRecord } from '@tidemark/checkpoint'

const FETCH_BYTES_MAX = 8 * 1024 * 1024

/** A journal may be trimmed while it is read: then again, from its new start. */
export const readJournal = async (log: Log, task: TaskRef): Promise<AssembledRecord[]> => {
  for (;;) {
    try {
      return await readOnce(log, task)
    } catch (error) {
      if (!isTidemarkError(error) || error.code !== 'LOG_OUT_OF_RANGE') throw error
    }
  }
}

const readOnce = async (log: Log, { job, run, stage, partition }: TaskRef): Promise<AssembledRecord[]> => {
  const topic = paths.journalTopic(job, run, stage)
  const [offsets] = await log.offsets(topic, [partition])
  const reader = log.reader()
  const assembler = new RecordAssembler({ midway: true })
  const records: AssembledRecord[] = []
  try {
    for (let offset = offsets?.start ?? 0; offset < (offsets?.stable ?? 0);) {
      const [fetched] = await reader.fetch([{ topic, partition, offset, maxBytes: FETCH_BYTES_MAX }], { isolation: 'committed', maxWaitMs: 100 })
      if (fetched === undefined) break
      for (const { offset: at, value } of fetched.records) {
        const assembled = value === null ? undefined : assembler.push(value, at)
        if (assembled !== undefined) records.push(assembled)
      }
      offset = fetched.nextOffset
    }
    return records
  } finally {
    await reader.close()
  }
}

export const commitsOf = (records: readonly AssembledRecord[]): CommitRecord[] => records.flatMap(({ record }) => record.kind === 'commit' ? [record] : [])
