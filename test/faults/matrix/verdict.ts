// Whether the output is what the input gives: both read by kcat, another client than ours, and compared by the tests' oracle.
import { realClock } from '@tidemark/base'
import type { TestJob } from '../../cluster/jobs.ts'
import type { WindowResult } from '../../cluster/main-job.ts'
import { committedRecords } from '../../services/kcat.ts'
import type { Event } from '../../workload/events.ts'
import { checkRunningTotals, checkWindowTotals } from '../../workload/oracle.ts'
import type { RunningTotal } from '../../workload/oracle.ts'

export interface Verdict {
  readonly events: number
  readonly results: number
  /** Inputs without a result. */
  readonly lost: number
  /** Results said again. */
  readonly doubled: number
  /** What the oracle says, some of it; empty: exact. */
  readonly wrong: readonly string[]
}

const COMPLETE_MS_MAX = 45_000
const AGAIN_MS = 500
const EXAMPLES_MAX = 5
const WINDOW_MS = 10_000

const isOfUser = (key: string): boolean => !key.startsWith('flush-')

/** Of each user the n-th event gives the count n, once. */
export const count = (input: readonly Event[], output: readonly RunningTotal[]): Pick<Verdict, 'lost' | 'doubled'> => {
  // Of each its own: one set of all would end at 16.7 million.
  const said = new Map<string, Set<number>>()
  let doubled = 0
  for (const { key, count: number } of output) {
    const own = said.get(key) ?? new Set()
    if (own.has(number)) doubled += 1
    said.set(key, own.add(number))
  }
  const counts = new Map<string, number>()
  let lost = 0
  for (const { user } of input) {
    const number = (counts.get(user) ?? 0) + 1
    counts.set(user, number)
    if (said.get(user)?.has(number) !== true) lost += 1
  }
  return { lost, doubled }
}

const read = <T>(brokers: string, topic: string): Promise<T[]> => Array.fromAsync(committedRecords(brokers, topic), ({ payload }) => JSON.parse(payload ?? 'null') as T)

const judge = async (brokers: string, job: TestJob, windowsClosed: boolean): Promise<Verdict> => {
  const input = (await read<Event>(brokers, job.input)).filter(({ user }) => isOfUser(user))
  const output = (await read<RunningTotal>(brokers, job.running)).filter(({ key }) => isOfUser(key))
  const windows = windowsClosed ? checkWindowTotals(input, WINDOW_MS, await read<WindowResult>(brokers, job.windows)) : []
  return { events: input.length, results: output.length, ...count(input, output), wrong: [...checkRunningTotals(input, output), ...windows].slice(0, EXAMPLES_MAX) }
}

/** While nothing is fed. What is not there yet is waited for; `windowsClosed`: the final totals are checked too. */
export const verdict = async (brokers: string, job: TestJob, windowsClosed: boolean): Promise<Verdict> => {
  for (const began = realClock.monotonic(); ;) {
    const found = await judge(brokers, job, windowsClosed)
    if (found.wrong.length === 0 || found.doubled > 0 || realClock.monotonic() - began > COMPLETE_MS_MAX) return found
    await realClock.sleep(AGAIN_MS)
  }
}
