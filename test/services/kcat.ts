// Reading Kafka with kcat: another client than ours, so that a test of ours does not judge itself.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { findKcat } from '../../deploy/services/tools.ts'

const run = promisify(execFile)
const OUTPUT_BYTES_MAX = 1024 ** 3
const RUN_MS_MAX = 120_000

/** What kcat printed. Rejects with its error output when it fails. */
export const kcat = async (args: readonly string[]): Promise<string> => {
  const found = findKcat()
  if (!found.found) throw new Error(found.reason)
  const { stdout } = await run(found.path, [...args], { maxBuffer: OUTPUT_BYTES_MAX, timeout: RUN_MS_MAX })
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

/** A topic, or one partition of it, from its start to the stable offset of now, as a read_committed reader sees it. Keys and values as UTF-8. */
export const readCommitted = async (brokers: string, topic: string, partition?: number): Promise<KcatRecord[]> => {
  const which = partition === undefined ? [] : ['-p', String(partition)]
  const lines = await kcat(['-C', '-q', '-e', '-J', '-b', brokers, '-t', topic, ...which, '-o', 'beginning', '-X', 'isolation.level=read_committed'])
  return lines.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as KcatRecord)
}
