// Reads generators as if they were a log: topic = the source's name, offset = sequence number. A record carries no bytes: the task makes its value by
// the source's pure function, so that nothing is encoded only to be decoded again. What this decides is when a record is there.
import { TidemarkError } from '@tidemark/base'
import type { Clock, FetchedPartition, FetchOptions, FetchRequest, LogReader, LogRecord } from '@tidemark/base'

/** Of one partition in one fetch at most. */
const RECORDS_PER_FETCH_MAX = 2_000
/** What a generated record counts for in a fetch's bytes. */
const RECORD_BYTES = 64

export interface GeneratorSpec {
  /** Name of the source. */
  readonly topic: string
  readonly partitions: number
  /** Records per partition; absent: endless. */
  readonly count?: number
  /** Over all partitions; absent: as fast as it goes. */
  readonly perSecond?: number
}

interface Paced {
  /** The first offset asked for, and when: from there on it is paced. */
  readonly from: number
  readonly at: number
}

class GeneratorReader implements LogReader {
  readonly #clock: Clock
  readonly #generators: ReadonlyMap<string, GeneratorSpec>
  readonly #paced = new Map<string, Paced>()
  #closed = false

  constructor(clock: Clock, generators: readonly GeneratorSpec[]) {
    this.#clock = clock
    this.#generators = new Map(generators.map((generator) => [generator.topic, generator]))
  }

  async fetch(requests: readonly FetchRequest[], options: FetchOptions): Promise<FetchedPartition[]> {
    this.#assertOpen()
    const until = this.#clock.monotonic() + options.maxWaitMs
    for (;;) {
      const answers = requests.flatMap((request) => this.#answer(request) ?? [])
      const left = until - this.#clock.monotonic()
      if (answers.length > 0 || left <= 0) return options.answerQuiet === true ? [...answers, ...requests.flatMap((request) => this.#quiet(request) ?? [])] : answers
      const wait = Math.min(left, ...requests.map((request) => this.#dueIn(request)))
      await this.#clock.sleep(Math.max(1, Math.ceil(wait)), options.signal)
      this.#assertOpen()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #assertOpen(): void {
    if (this.#closed) throw new TidemarkError('the generators are closed', { code: 'LOG_CLOSED', blame: 'bug', action: 'restart-task' })
  }

  #generator({ topic, partition }: FetchRequest): GeneratorSpec {
    const generator = this.#generators.get(topic)
    if (generator !== undefined && partition >= 0 && partition < generator.partitions) return generator
    throw new TidemarkError(`there is no generator "${topic}" with a partition ${partition}`, { code: 'LOG_TOPIC_MISSING', blame: 'user', action: 'fail-job', topic, partition })
  }

  /** Records of one partition in a millisecond; Infinity: not paced. */
  #rate({ perSecond, partitions }: GeneratorSpec): number {
    return perSecond === undefined ? Infinity : perSecond / partitions / 1_000
  }

  #pace({ topic, partition, offset }: FetchRequest): Paced {
    const key = `${topic}/${partition}`
    const known = this.#paced.get(key)
    if (known !== undefined) return known
    const begun = { from: offset, at: this.#clock.monotonic() }
    this.#paced.set(key, begun)
    return begun
  }

  /** The end of what is there now. */
  #end(generator: GeneratorSpec, request: FetchRequest): number {
    const rate = this.#rate(generator)
    const pace = this.#pace(request)
    const there = rate === Infinity ? request.offset + RECORDS_PER_FETCH_MAX : pace.from + Math.floor((this.#clock.monotonic() - pace.at) * rate)
    return Math.min(there, generator.count ?? Infinity)
  }

  #dueIn(request: FetchRequest): number {
    const generator = this.#generator(request)
    const rate = this.#rate(generator)
    if (rate === Infinity || request.offset >= (generator.count ?? Infinity)) return Infinity
    const pace = this.#pace(request)
    return pace.at + (request.offset + 1 - pace.from) / rate - this.#clock.monotonic()
  }

  #quiet(request: FetchRequest): FetchedPartition | undefined {
    const { topic, partition, offset } = request
    if (offset < this.#end(this.#generator(request), request)) return undefined
    return { topic, partition, fromOffset: offset, records: [], nextOffset: offset, startOffset: 0, stableOffset: offset }
  }

  #answer(request: FetchRequest): FetchedPartition | undefined {
    const generator = this.#generator(request)
    const { topic, partition, offset, maxBytes } = request
    const end = this.#end(generator, request)
    if (offset >= end) return undefined
    const nextOffset = Math.min(end, offset + Math.min(RECORDS_PER_FETCH_MAX, Math.max(1, Math.floor(maxBytes / RECORD_BYTES))))
    const timestamp = this.#clock.now()
    const records: LogRecord[] = []
    for (let at = offset; at < nextOffset; at += 1) records.push({ offset: at, timestamp, key: null, value: null })
    return { topic, partition, fromOffset: offset, records, nextOffset, startOffset: 0, stableOffset: end }
  }
}

/** Replayable: any offset may be asked for again. Each partition is paced from the first offset asked of this reader on. */
export const openGeneratorReader = ({ clock, generators }: { readonly clock: Clock, readonly generators: readonly GeneratorSpec[] }): LogReader => new GeneratorReader(clock, generators)
