// Reading Kafka with kcat: another client than ours, so that a test of ours does not judge itself.
import { execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { findKcat } from '../../deploy/services/tools.ts'
import { recorded } from './run-folder.ts'

const run = promisify(execFile)
const OUTPUT_BYTES_MAX = 1024 ** 3
const RUN_MS_MAX = 120_000
/** Of a topic of millions of records, which its reader takes one by one. */
const STREAM_MS_MAX = 600_000

const path = (): string => {
  const found = findKcat()
  if (!found.found) throw new Error(found.reason)
  return found.path
}

/** What kcat printed. Rejects with its error output when it fails. */
export const kcat = async (args: readonly string[]): Promise<string> => {
  const { stdout } = await run(path(), [...args], { maxBuffer: OUTPUT_BYTES_MAX, timeout: RUN_MS_MAX })
  return stdout
}

export interface KcatRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since 1970. */
  readonly ts: number
  readonly key: string | null
  readonly payload: string | null
  /** Name, value, name, value … */
  readonly headers?: readonly string[]
}

/** A topic, or one partition of it, from its start to the stable offset of now, as a read_committed reader sees it, record by record: it may be larger than a string. Keys and values as UTF-8. */
export const committedRecords = async function* (brokers: string, topic: string, partition?: number): AsyncGenerator<KcatRecord> {
  const which = partition === undefined ? [] : ['-p', String(partition)]
  const child = recorded(spawn(path(), ['-C', '-q', '-e', '-J', '-b', brokers, '-t', topic, ...which, '-o', 'beginning', '-X', 'isolation.level=read_committed'], { stdio: ['ignore', 'pipe', 'pipe'], timeout: STREAM_MS_MAX }))
  const ended = new Promise<number | NodeJS.Signals | null>((resolve, reject) => child.once('error', reject).once('close', (code, signal) => resolve(signal ?? code)))
  // It is awaited behind the last line.
  ended.catch(() => {})
  let complaint = ''
  child.stderr.on('data', (bytes: Buffer) => {
    complaint += bytes.toString()
  })
  try {
    for await (const line of createInterface({ input: child.stdout })) if (line !== '') yield JSON.parse(line) as KcatRecord
    const how = await ended
    if (how !== 0) throw new Error(`kcat of ${topic} ended with ${how}: ${complaint}`)
  } finally {
    child.kill('SIGKILL')
  }
}

/** The same, all at once. */
export const readCommitted = (brokers: string, topic: string, partition?: number): Promise<KcatRecord[]> => Array.fromAsync(committedRecords(brokers, topic, partition))
