// Follows a topic as another program would: kcat (librdkafka), reading committed records only; Tidemark's own reader where there is no kcat, or no Kafka.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { realClock } from '@tidemark/base'
import type { Log } from '@tidemark/base'
import { findKcat } from '../../deploy/services/tools.ts'

const FETCH_BYTES_MAX = 1024 * 1024
const WAIT_MS = 100

type Take = (text: string, at: number) => void

export interface Follower {
  readonly reader: 'kcat' | 'tidemark'
  /** Rejects when it failed on its own before. */
  stop(): Promise<void>
}

export interface FollowOptions {
  /** Undefined: the embedded log. */
  readonly brokers: string | undefined
  readonly log: Log
  readonly topic: string
  readonly from: 'start' | 'end'
  /** Value of a record, and the monotonic time at which it was here. */
  readonly take: Take
}

const followByKcat = (path: string, brokers: string, { topic, from, take }: FollowOptions): Follower => {
  const child: ChildProcess = spawn(path, ['-C', '-q', '-u', '-b', brokers, '-t', topic, '-o', from === 'start' ? 'beginning' : 'end', '-f', '%s\n', '-X', 'isolation.level=read_committed'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stopping, complaints] = [false, '']
  child.stderr?.on('data', (chunk: Buffer) => { complaints += chunk.toString('utf8').slice(0, 1_000) })
  const exited = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => (stopping ? resolve() : reject(new Error(`kcat ended with ${code ?? signal} while it followed "${topic}": ${complaints.trim()}`))))
  })
  // Whoever stops it is told.
  exited.catch(() => {})
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => take(line, realClock.monotonic()))
  return {
    reader: 'kcat',
    stop: async () => {
      stopping = true
      child.kill('SIGKILL')
      await exited
    },
  }
}

const followOurselves = ({ log, topic, from, take }: FollowOptions): Follower => {
  let stopping = false
  const follow = async (): Promise<void> => {
    const reader = log.reader()
    const next = new Map((await log.offsets(topic)).map(({ partition, start, stable }) => [partition, from === 'start' ? start : stable]))
    try {
      while (!stopping) {
        const requests = [...next].map(([partition, offset]) => ({ topic, partition, offset, maxBytes: FETCH_BYTES_MAX }))
        for (const { partition, records, nextOffset } of await reader.fetch(requests, { isolation: 'committed', maxWaitMs: WAIT_MS })) {
          const at = realClock.monotonic()
          next.set(partition, nextOffset)
          for (const record of records) take(record.value?.toString('utf8') ?? 'null', at)
        }
      }
    } finally {
      await reader.close()
    }
  }
  const following = follow()
  following.catch(() => {})
  return {
    reader: 'tidemark',
    stop: async () => {
      stopping = true
      await following
    },
  }
}

export const follow = (options: FollowOptions): Follower => {
  const kcat = findKcat()
  return options.brokers !== undefined && kcat.found ? followByKcat(kcat.path, options.brokers, options) : followOurselves(options)
}
