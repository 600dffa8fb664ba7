// A job's settings: as a job file writes them, and resolved as the plan holds them.
import type { Duration, Size } from '@tidemark/base'
import { isTidemarkError } from '@tidemark/base'
import { durationMs, misuse, number, sizeBytes, text } from './misuse.ts'
import { checkSettings } from './plan/check.ts'
import type { JobSettings, OnError } from './plan/plan.ts'
import { isSettings } from './plan/schema.ts'
import { Report } from './plan/shape.ts'

/** All optional. Durations: `250ms`, `10s`, `1h` or ms. Sizes: `900KiB`, `64MiB` or bytes. Checked by `checkPlan`, all together. */
export interface JobOptions {
  /** Your version of the job's code and state; free text. Default `1`. */
  readonly version?: string
  /** Partitions of stages that read a shuffle. Default 4, at most 1,000. Never changes in a run. */
  readonly parallelism?: number
  /** What becomes of a record that user code or a codec can't handle. Default `dead-letter`: put aside in `deadLetterTopic`, in the same transaction as its position. `fail` stops the job, `skip` only counts it. */
  readonly onError?: OnError
  /** Default `<job>.dead-letters`. */
  readonly deadLetterTopic?: string
  /** Shortest time from the beginning of one commit to that of the next. Default 20 ms. Smaller: results come sooner, more commits, a longer tail to read after a death. */
  readonly commitIntervalMin?: Duration
  /** Longest time between two commits, under backlog. Default 250 ms; at most 5 s. */
  readonly commitIntervalMax?: Duration
  /** A batch ends when its outputs reach this size. Default 16 MiB. */
  readonly batchOutputMax?: Size
  /** A batch ends when its state changes reach this size. Default 16 MiB. */
  readonly batchStateMax?: Size
  /** Time between two checkpoints. Default 30 s. */
  readonly checkpointInterval?: Duration
  /** A checkpoint that takes longer is given up. Default 2 min. */
  readonly checkpointTimeout?: Duration
  /** A checkpoint with more than this in its shuffles is given up. Default 256 MiB. */
  readonly checkpointInFlightMax?: Size
  /** Newest checkpoints that are kept. Default 10, at least 2. */
  readonly checkpointsRetained?: number
  /** Undelivered writes of external sinks that a task may hold; at this size it pauses. Default 64 MiB. */
  readonly outboxMax?: Size
  /** A reader of a shuffle may be this far behind in its partition before the writers stop reading their input; they go on at half of it. Default 64 MiB. */
  readonly shuffleBacklogMax?: Size
  /** A record whose event time is this far ahead of the wall clock is an error of that record, so that it can't close every window. Default 1 h. */
  readonly futureTimestampBound?: Duration
}

export const DEFAULT_VERSION = '1'

const MIB = 1024 * 1024

const defaultSettings = (job: string): JobSettings => ({
  parallelism: 4,
  onError: 'dead-letter',
  deadLetterTopic: `${job}.dead-letters`,
  commitIntervalMinMs: 20,
  commitIntervalMaxMs: 250,
  batchOutputBytesMax: 16 * MIB,
  batchStateBytesMax: 16 * MIB,
  checkpointIntervalMs: 30_000,
  checkpointTimeoutMs: 120_000,
  checkpointInFlightBytesMax: 256 * MIB,
  checkpointsRetained: 10,
  outboxBytesMax: 64 * MIB,
  shuffleBacklogBytesMax: 64 * MIB,
  futureTimestampBoundMs: 3_600_000,
})

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof JobOptions>([
  'version', 'parallelism', 'onError', 'deadLetterTopic', 'commitIntervalMin', 'commitIntervalMax', 'batchOutputMax', 'batchStateMax', 'checkpointInterval',
  'checkpointTimeout', 'checkpointInFlightMax', 'checkpointsRetained', 'outboxMax', 'shuffleBacklogMax', 'futureTimestampBound',
])

/** As the job file calls them: `commitIntervalMaxMs` of the plan is its `commitIntervalMax`. */
const asWritten = (sentence: string): string => sentence.replaceAll(/(settings\.\w+?)(?:Bytes(?=Max)|Ms\b)/g, '$1')

/** Mistakes beside the options in `unread`, which stand at their defaults. */
const otherMistakes = (settings: JobSettings, unread: readonly string[]): readonly string[] => {
  const found = new Report()
  if (isSettings(settings, found)) checkSettings(settings, found)
  return found.problems.map(({ path, message }) => asWritten(`${path}: ${message}`)).filter((sentence) => !unread.some((name) => new RegExp(`settings\\.${name}\\b`).test(sentence)))
}

/** Defaults filled in, units resolved. Throws one `JOB_MISUSE` when an option can't be read: it names each, and what else is wrong with the others. */
export const resolveSettings = (job: string, options: JobOptions): JobSettings => {
  const defaults = defaultSettings(job)
  const unread: string[] = []
  const problems: string[] = Object.keys(options).filter((name) => !OPTION_NAMES.has(name)).map((name) => `settings.${name}: there is no such setting`)
  const resolved = <V, R>(name: keyof JobOptions, value: V | undefined, fallback: R, read: (value: V, path: string) => R): R => {
    if (value === undefined) return fallback
    try {
      return read(value, `settings.${name}`)
    } catch (error) {
      if (!isTidemarkError(error)) throw error
      unread.push(name)
      problems.push(error.hint === undefined ? error.message : `${error.message}. ${error.hint}`)
      return fallback
    }
  }
  const settings: JobSettings = {
    parallelism: resolved('parallelism', options.parallelism, defaults.parallelism, number),
    onError: resolved('onError', options.onError, defaults.onError, (value, path) => {
      text(value, path)
      return value
    }),
    deadLetterTopic: resolved('deadLetterTopic', options.deadLetterTopic, defaults.deadLetterTopic, text),
    commitIntervalMinMs: resolved('commitIntervalMin', options.commitIntervalMin, defaults.commitIntervalMinMs, durationMs),
    commitIntervalMaxMs: resolved('commitIntervalMax', options.commitIntervalMax, defaults.commitIntervalMaxMs, durationMs),
    batchOutputBytesMax: resolved('batchOutputMax', options.batchOutputMax, defaults.batchOutputBytesMax, sizeBytes),
    batchStateBytesMax: resolved('batchStateMax', options.batchStateMax, defaults.batchStateBytesMax, sizeBytes),
    checkpointIntervalMs: resolved('checkpointInterval', options.checkpointInterval, defaults.checkpointIntervalMs, durationMs),
    checkpointTimeoutMs: resolved('checkpointTimeout', options.checkpointTimeout, defaults.checkpointTimeoutMs, durationMs),
    checkpointInFlightBytesMax: resolved('checkpointInFlightMax', options.checkpointInFlightMax, defaults.checkpointInFlightBytesMax, sizeBytes),
    checkpointsRetained: resolved('checkpointsRetained', options.checkpointsRetained, defaults.checkpointsRetained, number),
    outboxBytesMax: resolved('outboxMax', options.outboxMax, defaults.outboxBytesMax, sizeBytes),
    shuffleBacklogBytesMax: resolved('shuffleBacklogMax', options.shuffleBacklogMax, defaults.shuffleBacklogBytesMax, sizeBytes),
    futureTimestampBoundMs: resolved('futureTimestampBound', options.futureTimestampBound, defaults.futureTimestampBoundMs, durationMs),
  }
  if (problems.length > 0) throw misuse('settings', `the job's settings are wrong:\n  ${[...problems, ...otherMistakes(settings, unread)].join('\n  ')}`)
  return settings
}
