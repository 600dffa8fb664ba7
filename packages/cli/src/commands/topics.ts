// tidemark topics: what is in the log; tidemark topics create.
import { withLog } from '../context.ts'
import type { Context } from '../context.ts'
import { wrongUse } from '../exit.ts'
import { table } from '../format/table.ts'
import { number, plural } from '../format/values.ts'
import { formatDuration } from '@tidemark/base'

/** Journals and shuffles of runs: made, trimmed and deleted by the cluster. */
const INTERNAL = /^(?:tidemark\.|__)/
const PARTITIONS_MAX = 10_000

export interface TopicRow {
  readonly topic: string
  readonly partitions: number
  /** Offsets between start and stable end, summed: the records, where no control records and no gaps are between them. */
  readonly records: number
  readonly compacted: boolean
  /** -1: unlimited. */
  readonly retentionMs: number
  /** Its settings may not be read: retention and compaction are Kafka's defaults, and may be wrong. */
  readonly settingsHidden?: true
}

export const listTopics = async (context: Context, all: boolean): Promise<void> => {
  const rows = await withLog(context, async (log) => {
    const names = (await log.listTopics()).filter((topic) => all || !INTERNAL.test(topic)).toSorted()
    const known = await log.describeTopics(names)
    return Promise.all([...known.values()].map(async ({ topic, partitions, compacted, retentionMs, settingsHidden }): Promise<TopicRow> => {
      const offsets = await log.offsets(topic)
      return { topic, partitions, records: offsets.reduce((sum, { start, stable }) => sum + stable - start, 0), compacted, retentionMs, ...(settingsHidden ? { settingsHidden } : {}) }
    }))
  })
  const { terminal } = context
  if (context.json) return terminal.json(rows)
  if (rows.length === 0) return terminal.line('no topics')
  const lines = table([{ title: 'topic' }, { title: 'partitions', align: 'right' }, { title: 'offsets', align: 'right' }, { title: 'kept' }], rows.map((row) => [
    row.topic, number(row.partitions), number(row.records), row.settingsHidden ? 'can\'t be read' : `${row.retentionMs < 0 ? 'for ever' : formatDuration(row.retentionMs)}${row.compacted ? ', compacted' : ''}`,
  ]))
  for (const line of lines) terminal.line(line)
}

/** `retention.ms=-1` → its name and value. */
export const parseConfig = (pairs: readonly string[]): Record<string, string> => Object.fromEntries(pairs.map((pair) => {
  const at = pair.indexOf('=')
  if (at < 1) throw wrongUse(`"${pair}" is no setting of a topic`, 'Write name=value: --config retention.ms=-1')
  return [pair.slice(0, at), pair.slice(at + 1)]
}))

export const createTopic = async (context: Context, topic: string, partitions: number, config: Readonly<Record<string, string>>): Promise<void> => {
  if (partitions < 1 || partitions > PARTITIONS_MAX) throw wrongUse(`a topic has 1 to ${PARTITIONS_MAX} partitions, not ${partitions}`)
  const created = await withLog(context, async (log) => {
    const existed = (await log.describeTopics([topic])).has(topic)
    await log.createTopics([{ topic, partitions, config }])
    return !existed
  }, true)
  const { terminal } = context
  if (context.json) terminal.json({ topic, partitions, created })
  else terminal.line(created ? `${topic} is made with ${plural(partitions, 'partition')}` : `${topic} is there already, with ${plural(partitions, 'partition')}`)
}
