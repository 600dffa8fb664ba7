// tidemark read: records of a topic, read committed, as lines.
import { isUtf8 } from 'node:buffer'
import { asTidemarkError, TidemarkError } from '@tidemark/base'
import type { FetchedPartition, Log, LogReader, LogRecord, PartitionOffsets } from '@tidemark/base'
import { withLog } from '../context.ts'
import type { Context } from '../context.ts'
import { interrupted, wrongUse } from '../exit.ts'
import { didYouMean } from '../meant.ts'

const FETCH_BYTES_MAX = 1024 * 1024
const FETCH_WAIT_MS = 250
const RETRY_MS = 500

export interface ReadOptions {
  readonly follow: boolean
  readonly from: 'start' | 'end' | number
  readonly partition?: number
  readonly count?: number
}

/** `start`, `end`, or the next offset to read. */
export const parseFrom = (text: string): ReadOptions['from'] => {
  if (text === 'start' || text === 'end') return text
  if (!/^\d{1,16}$/.test(text)) throw wrongUse(`"${text}" is no place in a topic`, 'Write start, end, or an offset.')
  return Number(text)
}

/** Bytes that are no UTF-8 are not bent into text. */
type Text = string | null | { readonly base64: string }
const textOf = (bytes: Buffer | null): Text => bytes === null ? null : isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') }

/** What `--json` prints of a record. `headers` only where the record has some. */
const recordJson = (partition: number, { offset, timestamp, key, value, headers }: LogRecord) => ({
  partition, offset, timestamp, key: textOf(key), value: textOf(value),
  ...headers === undefined || Object.keys(headers).length === 0 ? {} : { headers: Object.fromEntries(Object.entries(headers).map(([name, bytes]) => [name, textOf(bytes)])) },
})

const valueLine = (value: Buffer | null): string => value === null ? 'null' : value.toString('utf8')

const beginAt = ({ start, stable }: PartitionOffsets, from: ReadOptions['from']): number => from === 'start' ? start : from === 'end' ? stable : from

export const readTopic = (context: Context, topic: string, options: ReadOptions): Promise<void> => withLog(context, async (log) => {
  if (typeof options.from === 'number' && options.partition === undefined) throw wrongUse('an offset is a place in one partition', 'Say which: --partition 0')
  if (!(await log.describeTopics([topic])).has(topic)) throw await missing(log, topic)
  const offsets = await log.offsets(topic, options.partition === undefined ? undefined : [options.partition])
  const reader = log.reader()
  try {
    await readOn(context, reader, topic, options, offsets)
  } finally {
    await reader.close()
  }
})

export const missing = async (log: Log, topic: string): Promise<TidemarkError> =>
  new TidemarkError(`${log.name} has no topic ${topic}`, { code: 'CLI_TOPIC_MISSING', blame: 'user', action: 'exit', topic, hint: didYouMean(topic, await log.listTopics(), `Make ${topic} with: tidemark topics create ${topic} --partitions 4`) })

const readOn = async (context: Context, reader: LogReader, topic: string, options: ReadOptions, offsets: readonly PartitionOffsets[]): Promise<void> => {
  const { terminal, json, signal } = context
  const next = new Map(offsets.map((one) => [one.partition, beginAt(one, options.from)]))
  // Without --follow it ends where the topic ended when it began; else it might never end.
  const until = new Map(offsets.map(({ partition, stable }) => [partition, options.follow ? Infinity : stable]))
  const print = (partition: number, record: LogRecord): void => {
    if (json) terminal.json(recordJson(partition, record))
    else terminal.line(valueLine(record.value))
  }
  const stillOpen = (): [number, number][] => [...next].filter(([partition, offset]) => offset < (until.get(partition) ?? 0))
  let left = options.count ?? Infinity
  while (left > 0 && !signal.aborted) {
    const open = stillOpen()
    if (open.length === 0) return
    const requests = open.map(([partition, offset]) => ({ topic, partition, offset, maxBytes: FETCH_BYTES_MAX }))
    let answers: FetchedPartition[]
    try {
      answers = await reader.fetch(requests, { isolation: 'committed', maxWaitMs: FETCH_WAIT_MS, signal })
    } catch (error) {
      if (signal.aborted) break
      if (!options.follow || asTidemarkError(error).action !== 'retry') throw error
      terminal.note(`${asTidemarkError(error).message}; trying again`)
      await context.clock.sleep(RETRY_MS)
      continue
    }
    for (const { partition, records, nextOffset } of answers) {
      for (const record of records.filter(({ offset }) => offset < (until.get(partition) ?? 0)).slice(0, left)) {
        print(partition, record)
        left -= 1
      }
      next.set(partition, nextOffset)
    }
  }
  if (left > 0 && !options.follow && stillOpen().length > 0) throw interrupted(signal, `${topic} was not read to its end`, { hint: '`--from <offset> --partition <n>` goes on behind what was printed.' })
}
