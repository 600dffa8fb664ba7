// Reads with positions of the caller's own: one long poll per leader, errors kept per partition, every passed offset accounted for. No consumer, no group.
import { invariantBroken, TidemarkError } from '@tidemark/base'
import type { FetchedPartition, FetchOptions, FetchRequest, Logger, LogReader } from '@tidemark/base'
import { AbortedTransactions } from './aborted.ts'
import { brokerError, clientError, closedError, CODE, isStaleLeader, replacedError, unavailableError } from './errors.ts'
import { Poll } from './poll.ts'
import { decodeRecords } from './records/decode.ts'
import type { OffsetRange } from './records/decode.ts'
import type { TopicConfigs } from './topics/configs.ts'
import { partitionOffsets } from './topics/offsets.ts'
import type { Cluster } from './wire/cluster.ts'
import type { FetchedSet } from './wire/fetch.ts'
import { Links } from './wire/links.ts'

/** Between two tries at a partition whose leader is being looked for. */
const TROUBLE_PAUSE_MS = 50
/** A partition that cannot be read for this long fails the fetch, once per this long; the others are answered meanwhile. */
const TROUBLE_MAX_MS = 10_000

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`

const quietAnswers = (requests: readonly FetchRequest[], quietAt: ReadonlyMap<string, number>, found: readonly FetchedPartition[]): FetchedPartition[] => requests.flatMap(({ topic, partition, offset }) => {
  const startOffset = quietAt.get(keyOf(topic, partition))
  if (startOffset === undefined || found.some((one) => one.topic === topic && one.partition === partition)) return []
  return { topic, partition, fromOffset: offset, records: [], nextOffset: offset, startOffset, stableOffset: offset }
})

export class KafkaReader implements LogReader {
  readonly #cluster: Cluster
  readonly #configs: TopicConfigs
  readonly #logger: Logger
  readonly #links: Links
  readonly #onClose: () => void
  /** One per broker at most. */
  readonly #polls = new Map<number, Poll>()
  /** Partitions that cannot be read: since when, and when to try again; monotonic. */
  readonly #trouble = new Map<string, { readonly since: number, readonly retryAt: number }>()
  readonly #compacted = new Set<string>()
  /** Ids of the topics that were read. */
  readonly #ids = new Map<string, string>()
  #turn = 0
  #calls = 0
  #busy = false
  #closed = false

  constructor(cluster: Cluster, configs: TopicConfigs, logger: Logger, onClose: () => void) {
    this.#cluster = cluster
    this.#configs = configs
    this.#logger = logger
    this.#links = new Links(cluster.settings)
    this.#onClose = onClose
  }

  async fetch(requests: readonly FetchRequest[], options: FetchOptions): Promise<FetchedPartition[]> {
    if (this.#closed) throw closedError('the reader')
    if (this.#busy) throw new TidemarkError('a reader was asked for two fetches at once', { code: 'LOG_READER_MISUSED', blame: 'bug', action: 'restart-task' })
    this.#busy = true
    try {
      return await this.#fetch(requests, options)
    } catch (error) {
      if (options.signal?.aborted === true && error === options.signal.reason) throw error
      if (this.#closed) throw closedError('the reader')
      throw clientError(error, 'fetch')
    } finally {
      this.#busy = false
    }
  }

  async #fetch(requests: readonly FetchRequest[], options: FetchOptions): Promise<FetchedPartition[]> {
    const { clock } = this.#cluster
    const deadline = clock.monotonic() + options.maxWaitMs
    const committed = options.isolation === 'committed'
    for (const request of requests) if (!Number.isSafeInteger(request.offset) || request.offset < 0) throw await this.#outOfRange(request)
    const wanted = new Map(requests.map((request) => [keyOf(request.topic, request.partition), request]))
    const call = ++this.#calls
    /** Brokers that in this call have answered all that is wanted of them, or failed. */
    const heard = new Set<number>()
    /** Start of the partitions that brought nothing, by an answer taken in this call. */
    const quietAt = new Map<string, number>()
    for (;;) {
      if (this.#closed) throw closedError('the reader')
      const { groups, retryMs } = await this.#groups(requests)
      const leftMs = Math.max(0, deadline - clock.monotonic())
      for (const [node, wants] of groups) {
        const pending = this.#polls.get(node)
        if (pending === undefined) this.#polls.set(node, new Poll(this.#cluster, this.#links, { node, call, wants: this.#turned(wants), committed, maxWaitMs: leftMs }))
        else if (!pending.covers(wants, committed)) pending.hurry()
      }
      const quiet = (): boolean => [...groups].every(([node, wants]) => heard.has(node) || this.#polls.get(node)?.standsFor(wants, committed, call) === true)
      await this.#first([...groups.keys()].flatMap((node) => this.#polls.get(node)?.ended ?? []), Math.min(retryMs, quiet() ? leftMs : Infinity), options.signal)
      const found = await this.#take(wanted, groups, committed, heard, quietAt)
      const over = found.length > 0 || (clock.monotonic() >= deadline && quiet())
      if (over) return options.answerQuiet === true ? [...found, ...quietAnswers(requests, quietAt, found)] : found
    }
  }

  /** Requests by leader. A partition without one, or in trouble a moment ago, is left out and holds back nobody. */
  async #groups(requests: readonly FetchRequest[]): Promise<{ readonly groups: ReadonlyMap<number, readonly FetchRequest[]>, readonly retryMs: number }> {
    const groups = new Map<number, FetchRequest[]>()
    let retryMs = Infinity
    for (const request of requests) {
      const { topic, partition } = request
      const pauseMs = (this.#trouble.get(keyOf(topic, partition))?.retryAt ?? 0) - this.#cluster.clock.monotonic()
      if (pauseMs <= 0) {
        await this.#cluster.topicWith(topic, partition)
        await this.#sameTopic(topic)
      }
      const leader = pauseMs > 0 ? undefined : this.#cluster.leaderOf(topic, partition)
      const group = leader === undefined ? undefined : groups.get(leader)
      if (group) group.push(request)
      else if (leader !== undefined) groups.set(leader, [request])
      else {
        if (pauseMs <= 0) this.#troubled(topic, partition, 'nobody leads it', undefined)
        retryMs = Math.min(retryMs, pauseMs > 0 ? pauseMs : TROUBLE_PAUSE_MS)
      }
    }
    return { groups, retryMs }
  }

  /** `LOG_TOPIC_REPLACED`. A topic that goes on the way to being made anew is noticed by its next fetch. */
  async #sameTopic(topic: string): Promise<void> {
    const id = this.#cluster.knownIdOf(topic) ?? await this.#cluster.idOf(topic)
    if (id === undefined) return
    const before = this.#ids.get(topic)
    if (before === undefined) this.#ids.set(topic, id)
    else if (before !== id) throw replacedError(topic)
  }

  /** A broker fills partitions in the order asked: each comes first in turn. */
  #turned(wants: readonly FetchRequest[]): FetchRequest[] {
    const first = this.#turn++ % wants.length
    return [...wants.slice(first), ...wants.slice(0, first)]
  }

  /** Answers of all polls that have ended, for partitions still wanted at the same offset; the rest is dropped. */
  async #take(wanted: ReadonlyMap<string, FetchRequest>, groups: ReadonlyMap<number, readonly FetchRequest[]>, committed: boolean, heard: Set<number>, quietAt: Map<string, number>): Promise<FetchedPartition[]> {
    const found: FetchedPartition[] = []
    for (const [node, poll] of this.#polls) {
      if (!poll.hasEnded) continue
      this.#polls.delete(node)
      if (!poll.answer) {
        if (poll.hurried) continue
        heard.add(node)
        for (const { topic, partition } of poll.wants) if (wanted.has(keyOf(topic, partition))) this.#troubled(topic, partition, `broker ${node} does not answer`, poll.error)
        continue
      }
      if (poll.covers(groups.get(node) ?? [], committed)) heard.add(node)
      for (const set of poll.answer) {
        const request = wanted.get(keyOf(set.topic, set.partition))
        if (!request || poll.committed !== committed || poll.offsetOf(set.topic, set.partition) !== request.offset) continue
        const fetched = await this.#partition(request, set, committed)
        if (fetched) found.push(fetched)
        else if (set.errorCode === CODE.NONE && request.offset === set.highWatermark) quietAt.set(keyOf(set.topic, set.partition), set.startOffset)
      }
    }
    return found
  }

  async #partition(request: FetchRequest, set: FetchedSet, committed: boolean): Promise<FetchedPartition | undefined> {
    const { topic, partition, offset } = request
    if (set.errorCode === CODE.OFFSET_OUT_OF_RANGE) throw await this.#outOfRange(request)
    if (isStaleLeader(set.errorCode)) return this.#troubled(topic, partition, `its leader answered error ${set.errorCode}`, undefined)
    if (set.errorCode !== CODE.NONE) throw brokerError(set.errorCode, `fetch partition ${partition} of "${topic}" at ${offset}`, { topic, partition, offset })
    this.#trouble.delete(keyOf(topic, partition))
    const { records, nextOffset, holes } = decodeRecords(set.set, offset, committed ? new AbortedTransactions(set.aborted) : undefined, { topic, partition })
    for (const hole of holes) await this.#accountFor(request, hole)
    return nextOffset === offset ? undefined : { topic, partition, fromOffset: offset, records, nextOffset, startOffset: set.startOffset, stableOffset: set.stableOffset }
  }

  /** A range that no batch accounts for is compaction or loss; only a topic known to be compacted may have it, and none that is gapless. */
  async #accountFor({ topic, partition, gapless }: FetchRequest, hole: OffsetRange): Promise<void> {
    if (!gapless && this.#compacted.has(topic)) return
    const config = gapless ? undefined : (await this.#configs.read([topic])).get(topic)
    if (config?.compacted) {
      this.#compacted.add(topic)
      return
    }
    const what = `offsets ${hole.first} to ${hole.last} of partition ${partition} of "${topic}" are not in the log`
    const where = { topic, partition, offset: hole.first, details: { first: hole.first, last: hole.last } }
    if (!config?.settingsHidden) throw invariantBroken('7', `${what}, and ${gapless ? 'nothing of it is ever compacted away' : 'the topic is not compacted'}`, where)
    throw new TidemarkError(`${what}: compacted away or lost, which can't be told, for the settings of the topic may not be read`, {
      ...where, code: 'LOG_GAP_UNEXPLAINED', blame: 'user', action: 'fail-job', hint: "Grant this client Kafka's right DescribeConfigs on the topic and submit from the last checkpoint: when it is compacted, the gap is passed.",
    })
  }

  async #outOfRange({ topic, partition, offset }: FetchRequest): Promise<TidemarkError> {
    const [range] = await partitionOffsets(this.#cluster, topic, [partition])
    const [start, end] = [range?.start ?? -1, range?.end ?? -1]
    const what = offset < start ? `offsets ${offset} to ${start - 1} (${start - offset} of them) have been deleted by retention` : `the log ends at ${end}: it was made anew or cut back`
    return new TidemarkError(`position ${offset} of partition ${partition} of "${topic}" is outside the log: ${what}`, {
      code: 'LOG_OUT_OF_RANGE', blame: 'environment', action: 'fail-job', topic, partition, offset, details: { requested: offset, start, end },
      hint: 'Restore from a checkpoint whose positions still exist, or start the job anew.',
    })
  }

  /** Asks for metadata again after a pause. Throws `LOG_UNAVAILABLE` when it has lasted. */
  #troubled(topic: string, partition: number, what: string, cause: unknown): undefined {
    const key = keyOf(topic, partition)
    const now = this.#cluster.clock.monotonic()
    const since = this.#trouble.get(key)?.since
    const lastedMs = since === undefined ? 0 : now - since
    this.#trouble.set(key, { since: since === undefined || lastedMs >= TROUBLE_MAX_MS ? now : since, retryAt: now + TROUBLE_PAUSE_MS })
    this.#cluster.forget(topic)
    if (since === undefined) this.#logger.warn({ topic, partition, what }, 'log.partition_unreadable')
    if (lastedMs >= TROUBLE_MAX_MS) throw unavailableError(`partition ${partition} of "${topic}" could not be read for ${Math.round(lastedMs / 1000)} s: ${what}`, { topic, partition }, cause)
    return undefined
  }

  /** Until the first of `ended`, or `atMostMs`. Rejects with the signal's reason. */
  async #first(ended: readonly Promise<void>[], atMostMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => reject(signal?.reason)
    signal?.throwIfAborted()
    signal?.addEventListener('abort', onAbort, { once: true })
    const timer = atMostMs === Infinity ? undefined : this.#cluster.clock.after(atMostMs, resolve)
    for (const end of ended) void end.then(resolve)
    try {
      await promise
    } finally {
      signal?.removeEventListener('abort', onAbort)
      timer?.cancel()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#onClose()
    await this.#links.close()
  }
}
