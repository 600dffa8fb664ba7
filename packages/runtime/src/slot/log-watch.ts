// Knows how long the log has not answered this process, whatever it was asked: told to the driver, which gives the tasks of who alone is cut
// off to others. Nothing may be asked for a long time (no task, a full queue, an open transaction that holds the input): then it asks itself.
import { asTidemarkError } from '@tidemark/base'
import type { Clock, Log, LogReader, ProducerSession } from '@tidemark/base'

/** What a slot process says of its log, a few times a second. */
export interface LogWord {
  readonly kind: 'log'
  /** It has answered this process at least once. */
  readonly heard: boolean
  /** Since the last answer; not counted is the time in which this process stood still, ms. */
  readonly silentMs: number
  /** What the last call that failed for want of an answer said. */
  readonly because?: string
}

export interface LogWatchOptions {
  readonly log: Log
  readonly clock: Clock
  readonly emit: (word: LogWord) => void
  /** A word so often. */
  readonly tellEveryMs?: number
  /** Silent for so long, the log is asked; and again after as long. */
  readonly askAfterMs?: number
}

const TELL_EVERY_MS = 200
const ASK_AFTER_MS = 500
/** Own questions without an answer at one time: a late answer is one too, but a lost one must not be waited for. */
const OPEN_QUESTIONS_MAX = 8

/** The same log, listened to. Goes on for as long as the process lives. */
export const watchLog = ({ log, clock, emit, tellEveryMs = TELL_EVERY_MS, askAfterMs = ASK_AFTER_MS }: LogWatchOptions): Log => {
  let [heard, silentMs, askedMs, questions, at] = [false, 0, 0, 0, clock.monotonic()]
  let because: string | undefined
  const answered = (): void => {
    heard = true
    silentMs = 0
    askedMs = 0
    because = undefined
  }
  const listen = async <T>(answer: Promise<T>, says: (value: T) => boolean = () => true): Promise<T> => {
    try {
      const value = await answer
      if (says(value)) answered()
      return value
    } catch (error) {
      const known = asTidemarkError(error)
      // A refusal is an answer, but who can tell it from an error of our own making: it says nothing.
      if (known.action === 'retry') because = known.message
      throw error
    }
  }
  const ask = (): void => {
    askedMs = silentMs
    questions += 1
    listen(log.listTopics()).catch(() => {}).finally(() => { questions -= 1 })
  }
  const tick = (): void => {
    const now = clock.monotonic()
    // A process that was stopped, or worked all the time, did not listen: what was said to it meanwhile it is about to hear.
    silentMs += Math.min(now - at, 2 * tellEveryMs)
    at = now
    if (silentMs - askedMs >= askAfterMs && questions < OPEN_QUESTIONS_MAX) ask()
    emit({ kind: 'log', heard, silentMs: Math.round(silentMs), ...(because === undefined ? {} : { because }) })
    clock.after(tellEveryMs, tick)
  }
  clock.after(tellEveryMs, tick)

  // An empty answer may be nobody's: a partition in trouble is left out.
  const reader = (real: LogReader): LogReader => ({ fetch: (requests, options) => listen(real.fetch(requests, options), (found) => found.length > 0), close: () => real.close() })
  const session = (real: ProducerSession): ProducerSession => ({
    transactionalId: real.transactionalId,
    initialise: () => listen(real.initialise()),
    append: (writes) => real.append(writes),
    commit: () => listen(real.commit()),
    close: () => real.close(),
  })
  return {
    name: log.name,
    hasOpenTransactions: log.hasOpenTransactions,
    check: () => listen(log.check()),
    createTopics: (specs) => listen(log.createTopics(specs)),
    describeTopics: (topics) => listen(log.describeTopics(topics), () => topics.length > 0),
    listTopics: () => listen(log.listTopics()),
    deleteTopics: (topics) => listen(log.deleteTopics(topics)),
    offsets: (topic, partitions) => listen(log.offsets(topic, partitions)),
    reader: () => reader(log.reader()),
    session: (id) => session(log.session(id)),
    fence: (id) => listen(log.fence(id)),
    write: (writes) => listen(log.write(writes)),
    trim: (topic, partition, before) => log.trim(topic, partition, before),
    partitionFor: (key, partitions) => log.partitionFor(key, partitions),
    mirrorPositions: (group, positions) => log.mirrorPositions(group, positions),
    freeBytes: () => log.freeBytes(),
    close: () => log.close(),
  }
}
