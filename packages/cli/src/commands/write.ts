// tidemark write: NDJSON from stdin into a topic, each line a record.
import { isUtf8 } from 'node:buffer'
import { TidemarkError } from '@tidemark/base'
import type { Append, AppendRecord, Log } from '@tidemark/base'
import { withLog } from '../context.ts'
import type { Context } from '../context.ts'
import { plural } from '../format/values.ts'
import { missing } from './read.ts'

const LINE_BYTES_MAX = 16 * 1024 * 1024
/** Records of one write. */
const RECORDS_MAX = 1_000
const NEWLINE = 0x0A

export interface WriteOptions {
  /** Field of the JSON object that is the record's key. Without it records have no key and go round. */
  readonly key?: string
  /** Field that is the record's time, ms since 1970. Without it: now. */
  readonly timestamp?: string
}

interface Line {
  readonly number: number
  readonly text: string
  /** Its bytes are no UTF-8; the text has other characters in their place. */
  readonly foreign?: true
}

const wrongLine = (number: number, problem: string, hint: string): TidemarkError => new TidemarkError(`line ${number} ${problem}`, { code: 'CLI_LINE_INVALID', blame: 'user', action: 'exit', hint, details: { line: number } })

/** Batches of lines, as they come: what came in one piece is in one batch. Empty lines are no records. */
export const linesOf = async function * (input: AsyncIterable<Buffer>): AsyncGenerator<readonly Line[]> {
  let rest: Buffer = Buffer.alloc(0)
  let count = 0
  const lineOf = (bytes: Buffer): Line[] => {
    count += 1
    const text = bytes.toString('utf8').trim()
    return text === '' ? [] : [{ number: count, text, ...isUtf8(bytes) ? {} : { foreign: true } }]
  }
  for await (const piece of input) {
    const lines: Line[] = []
    let from = 0
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    for (let at = bytes.indexOf(NEWLINE, rest.length); at >= 0; at = bytes.indexOf(NEWLINE, from)) {
      lines.push(...lineOf(bytes.subarray(from, at)))
      from = at + 1
    }
    rest = bytes.subarray(from)
    if (rest.length > LINE_BYTES_MAX) throw wrongLine(count + 1, `is longer than ${LINE_BYTES_MAX} bytes`, 'A record is one line; is this NDJSON?')
    if (lines.length > 0) yield lines
  }
  const last = rest.length === 0 ? [] : lineOf(rest)
  if (last.length > 0) yield last
}

const fieldOf = (value: unknown, field: string, line: number): unknown => {
  const found: unknown = typeof value === 'object' && value !== null && Object.hasOwn(value, field) ? (value as Record<string, unknown>)[field] : undefined
  if (found === undefined) throw wrongLine(line, `has no field "${field}"`, 'Every line needs it.')
  return found
}

const keyOf = (value: unknown, field: string, line: number): string => {
  const key = fieldOf(value, field, line)
  if (!['string', 'number', 'boolean'].includes(typeof key)) throw wrongLine(line, `has no text or number in "${field}"`, 'A key is a text, a number or a boolean.')
  return String(key)
}

export const recordOf = ({ number, text, foreign }: Line, options: WriteOptions): AppendRecord & { readonly key: string | null } => {
  if (foreign) throw wrongLine(number, 'is no UTF-8', 'JSON is. What is in another encoding can be turned into it first: iconv -f latin1 -t utf-8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw wrongLine(number, `is no JSON: ${error instanceof Error ? error.message : String(error)}`, 'Write one JSON value on each line.')
  }
  const key = options.key === undefined ? null : keyOf(value, options.key, number)
  if (options.timestamp === undefined) return { key, value: text }
  const timestamp = fieldOf(value, options.timestamp, number)
  if (typeof timestamp !== 'number' || !Number.isSafeInteger(timestamp) || timestamp < 0) throw wrongLine(number, `has no time in "${options.timestamp}"`, 'A time is a whole number: milliseconds since 1970.')
  return { key, value: text, timestamp }
}

export interface WriteAnswer {
  readonly topic: string
  readonly records: number
  /** Records by partition; those that got none are left out. */
  readonly partitions: readonly { readonly partition: number, readonly records: number, readonly firstOffset: number }[]
}

export const writeTopic = (context: Context, topic: string, options: WriteOptions): Promise<void> => withLog(context, async (log) => {
  const partitions = (await log.describeTopics([topic])).get(topic)?.partitions
  if (partitions === undefined) throw await missing(log, topic)
  const writer = new TopicWriter(log, topic, partitions)
  const { terminal } = context
  try {
    for await (const lines of linesOf(context.input)) {
      for (let at = 0; at < lines.length; at += RECORDS_MAX) {
        // A wrong line ends it, but not before what came ahead of it is written.
        const { records, problem } = parsed(lines.slice(at, at + RECORDS_MAX), options)
        await writer.write(records)
        if (problem !== undefined) throw problem
      }
    }
  } catch (error) {
    const perhaps = writer.underWay === 0 ? '' : `, and of the ${plural(writer.underWay, 'record')} behind ${writer.records === 1 ? 'it' : 'them'} some may be`
    terminal.note(`${plural(writer.records, 'record')} written before this${perhaps}:`)
    throw error
  }
  const answer = writer.answer()
  if (context.json) terminal.json(answer)
  else terminal.line(`${plural(answer.records, 'record')} written to ${topic}, ${plural(answer.partitions.length, 'partition')}`)
})

const parsed = (lines: readonly Line[], options: WriteOptions): { readonly records: readonly (AppendRecord & { readonly key: string | null })[], readonly problem?: unknown } => {
  const records: (AppendRecord & { readonly key: string | null })[] = []
  for (const line of lines) {
    try {
      records.push(recordOf(line, options))
    } catch (problem) {
      return { records, problem }
    }
  }
  return { records }
}

class TopicWriter {
  readonly #log: Log
  readonly #topic: string
  readonly #partitions: number
  readonly #written = new Map<number, { records: number, firstOffset: number }>()
  records = 0
  /** Records of a write that has not been answered, or has failed: some of its partitions may have theirs. */
  underWay = 0

  constructor(log: Log, topic: string, partitions: number) {
    this.#log = log
    this.#topic = topic
    this.#partitions = partitions
  }

  async write(records: readonly (AppendRecord & { readonly key: string | null })[]): Promise<void> {
    if (records.length === 0) return
    const groups = Map.groupBy(records, ({ key }, at) => key === null ? (this.records + at) % this.#partitions : this.#log.partitionFor(Buffer.from(key), this.#partitions))
    const writes = [...groups].map(([partition, group]): Append => ({ topic: this.#topic, partition, records: group }))
    this.underWay = records.length
    const appended = await this.#log.write(writes)
    this.underWay = 0
    for (const [at, { partition, records: group }] of writes.entries()) {
      const before = this.#written.get(partition)
      this.#written.set(partition, { records: (before?.records ?? 0) + group.length, firstOffset: before?.firstOffset ?? appended[at]?.baseOffset ?? -1 })
    }
    this.records += records.length
  }

  answer(): WriteAnswer {
    return { topic: this.#topic, records: this.records, partitions: [...this.#written].map(([partition, one]) => ({ partition, ...one })).toSorted((a, b) => a.partition - b.partition) }
  }
}
