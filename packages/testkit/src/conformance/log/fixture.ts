// What the log suite works with: topics, sessions and readers of its own, taken away at the end, and reading that checks every answer.
import assert from 'node:assert/strict'
import { afterAll, beforeAll } from '@jest/globals'
import { realClock, realRandom, transactionalId } from '@tidemark/base'
import type { Append, AppendRecord, FetchedPartition, FetchRequest, Log, LogReader, LogRecord, ProducerSession, TopicSpec, TransactionalId } from '@tidemark/base'

export interface LogUnderTest {
  readonly log: Log
  close(): Promise<void>
}

export type MakeLog = () => Promise<LogUnderTest>

export type Isolation = 'committed' | 'uncommitted'

/** For waits that end by an event; one that takes longer is a failure. */
export const PATIENCE_MS = 10_000
const POLL_MS = 2

export const texts = (...values: string[]): AppendRecord[] => values.map((value) => ({ key: null, value }))
export const valuesOf = (records: readonly LogRecord[]): string[] => records.map(({ value }) => String(value))
export const to = (topic: string, partition: number, ...values: string[]): Append => ({ topic, partition, records: texts(...values) })
export const from = (topic: string, offset: number, { partition = 0, maxBytes = 1_000_000 } = {}): FetchRequest => ({ topic, partition, offset, maxBytes })

/** Bytes that no codec makes smaller, the same each time. */
export const incompressible = (length: number): Buffer => {
  const bytes = Buffer.alloc(length)
  let state = 0x9e3779b9
  for (let at = 0; at < length; at += 1) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[at] = state & 0xff
  }
  return bytes
}

export class LogFixture {
  readonly log: Log
  readonly #name = `tidemark-conformance-${realRandom.uuid().slice(0, 8)}`
  readonly #under: LogUnderTest
  readonly #topics: string[] = []
  readonly #open: { close(): Promise<void> }[] = []
  #made = 0

  constructor(under: LogUnderTest) {
    this.#under = under
    this.log = under.log
  }

  /** A name that nobody has used. */
  unused(): string {
    this.#made += 1
    return `${this.#name}-${this.#made}`
  }

  /** Names a topic that the suite is going to make; it is deleted at the end. */
  topicName(): string {
    const topic = this.unused()
    this.#topics.push(topic)
    return topic
  }

  async topic(partitions = 1, config: TopicSpec['config'] = {}): Promise<string> {
    const topic = this.topicName()
    await this.log.createTopics([{ topic, partitions, config }])
    return topic
  }

  id(): TransactionalId {
    return transactionalId(this.unused())
  }

  /** Initialised. */
  async session(id = this.id()): Promise<ProducerSession> {
    const session = this.log.session(id)
    this.#open.push(session)
    await session.initialise()
    return session
  }

  reader(): LogReader {
    const reader = this.log.reader()
    this.#open.push(reader)
    return reader
  }

  /** One transaction of its own session. */
  async committed(...writes: readonly Append[]): Promise<void> {
    const session = await this.session()
    await session.append(writes)
    await session.commit()
  }

  /** Until no transaction is open: a broker may answer a commit before readers see it. Answers with the end. */
  async settled(topic: string, partition = 0): Promise<number> {
    let end = 0
    await this.until(`no transaction is open in partition ${partition} of ${topic}`, async () => {
      const [offsets] = await this.log.offsets(topic, [partition])
      end = offsets?.end ?? -1
      return offsets?.stable === offsets?.end
    })
    return end
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = realClock.monotonic() + PATIENCE_MS
    while (!(await holds())) {
      if (realClock.monotonic() >= deadline) throw new Error(`waited ${PATIENCE_MS} ms until ${what}`)
      await realClock.sleep(POLL_MS)
    }
  }

  /** One answer, checked against the port's promise, for a position that has something to read. */
  async fetchOne(reader: LogReader, request: FetchRequest, isolation: Isolation = 'committed'): Promise<FetchedPartition> {
    const answers = await reader.fetch([request], { isolation, maxWaitMs: PATIENCE_MS })
    const [fetched] = answers
    if (!fetched || answers.length !== 1) throw new Error(`${answers.length} answers at ${JSON.stringify(request)}`)
    checkAnswer(request, fetched)
    return fetched
  }

  /**
   * Records of one partition from `start` on, in steps, up to the end; with transactions open, up to what is stable (committed).
   * Every answer is checked.
   */
  async read(topic: string, { partition = 0, start = 0, isolation = 'committed' as Isolation, maxBytes = 1_000_000, open = false } = {}): Promise<LogRecord[]> {
    const [now] = open || isolation === 'uncommitted' ? await this.log.offsets(topic, [partition]) : []
    const end = now ? (isolation === 'committed' ? now.stable : now.end) : await this.settled(topic, partition)
    const reader = this.log.reader()
    const records: LogRecord[] = []
    try {
      for (let offset = start; offset < end;) {
        const fetched = await this.fetchOne(reader, { topic, partition, offset, maxBytes }, isolation)
        records.push(...fetched.records)
        offset = fetched.nextOffset
      }
      return records
    } finally {
      await reader.close()
    }
  }

  async values(topic: string, options: Parameters<LogFixture['read']>[1] = {}): Promise<string[]> {
    return valuesOf(await this.read(topic, options))
  }

  /** Committed readers see exactly `wanted`, whichever offset they begin at: there, those of them at or above it. */
  async expectCommittedFromEveryOffset(topic: string, wanted: readonly string[], partition = 0): Promise<void> {
    const end = await this.settled(topic, partition)
    const all = await this.read(topic, { partition })
    assert.deepEqual(valuesOf(all), wanted)
    for (let start = 0; start <= end; start += 1) {
      const seen = await this.read(topic, { partition, start })
      const brief = (records: readonly LogRecord[]) => records.map(({ offset, value }) => [offset, String(value)])
      assert.deepEqual({ start, seen: brief(seen) }, { start, seen: brief(all.filter(({ offset }) => offset >= start)) })
    }
  }

  async close(): Promise<void> {
    for (const one of this.#open) await one.close()
    await this.log.deleteTopics(this.#topics)
    await this.#under.close()
  }
}

/** Invariant 7, as the port words it. */
const checkAnswer = (request: FetchRequest, fetched: FetchedPartition): void => {
  const offsets = fetched.records.map(({ offset }) => offset)
  const inOrder = offsets.every((offset, index) => index === 0 || offset > (offsets[index - 1] ?? -1))
  const inside = offsets.every((offset) => offset >= request.offset && offset < fetched.nextOffset)
  const right = fetched.topic === request.topic && fetched.partition === request.partition && fetched.fromOffset === request.offset && fetched.nextOffset > request.offset
  const known = fetched.startOffset <= request.offset && fetched.stableOffset >= fetched.startOffset
  if (!inOrder || !inside || !right || !known) throw new Error(`asked ${JSON.stringify(request)}, got ${JSON.stringify({ ...fetched, records: offsets })}`)
}

/** One fixture for a describe block, made before its tests and closed after them. */
export const useFixture = (makeLog: MakeLog): () => LogFixture => {
  let fixture: LogFixture | undefined
  beforeAll(async () => { fixture = new LogFixture(await makeLog()) })
  afterAll(() => fixture?.close())
  return () => {
    if (!fixture) throw new Error('the log under test was not made')
    return fixture
  }
}
