// Fetches input for the tasks that take it, one loop per kind of reader, ahead of processing and bounded per task. The positions are the
// tasks' own: an answer that does not continue them is stale and dropped (K6); a range that is gone stops the task (invariant 7).
import { asTidemarkError, isTidemarkError } from '@tidemark/base'
import type { FetchedPartition, FetchRequest, LogReader, TidemarkError } from '@tidemark/base'
import type { TaskInput } from '../task/task.ts'
import type { HeldTask } from './held-task.ts'
import type { SlotPorts } from './ports.ts'
import { measure } from './shuffle-backlog.ts'
import type { Signal } from './signal.ts'

const FETCH_BYTES_MAX = 1024 * 1024
/** Bounds how long an input that joins has to wait for a fetch under way. */
const FETCH_WAIT_MS = 20
const IDLE_PAUSE_MS = 5
const RETRY_FIRST_MS = 20
const RETRY_MAX_MS = 1_000

type Ports = Pick<SlotPorts, 'log' | 'clock' | 'logger' | 'reader'>

export type ReaderKind = 'log' | 'file' | 'generator'

const readerOf = (input: TaskInput): ReaderKind => (input.kind === 'topic' || input.kind === 'shuffle' ? 'log' : input.kind)

interface Asker {
  readonly held: HeldTask
  readonly input: TaskInput
}

/** One partition is asked for once at a time: for those that are farthest behind, when several tasks read it. */
interface Asked {
  readonly offset: number
  readonly askers: readonly Asker[]
}

export class Fetching {
  readonly #ports: Ports
  readonly #kind: ReaderKind
  readonly #reader: LogReader
  readonly #takers: () => Iterable<HeldTask>
  readonly #arrived: Signal
  #stopped = false

  /** `arrived` is raised when a task got something, or failed. */
  constructor(ports: Ports, kind: ReaderKind, takers: () => Iterable<HeldTask>, arrived: Signal) {
    this.#ports = ports
    this.#kind = kind
    this.#reader = kind === 'log' ? ports.log.reader() : ports.reader(kind)
    this.#takers = takers
    this.#arrived = arrived
  }

  async run(): Promise<void> {
    let pauseMs = RETRY_FIRST_MS
    while (!this.#stopped) {
      const asked = this.#ask()
      if (asked.size === 0) {
        await this.#ports.clock.sleep(IDLE_PAUSE_MS)
        continue
      }
      const requests = [...asked.values()].flatMap(({ offset, askers: [first] }): FetchRequest[] => (first === undefined ? [] : [{ topic: first.input.topic, partition: first.input.partition, offset, maxBytes: FETCH_BYTES_MAX, gapless: first.input.kind === 'shuffle' }]))
      try {
        const answers = await this.#reader.fetch(requests, { isolation: 'committed', maxWaitMs: FETCH_WAIT_MS, answerQuiet: true })
        pauseMs = RETRY_FIRST_MS
        for (const fetched of answers) for (const asker of asked.get(`${fetched.topic}/${fetched.partition}`)?.askers ?? []) this.#deliver(asker, fetched)
        if (answers.length === 0) await this.#ports.clock.sleep(1)
      } catch (error) {
        if (this.#stopped) break
        this.#failed(asked, asTidemarkError(error))
        await this.#ports.clock.sleep(pauseMs)
        pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS)
      }
    }
    await this.#reader.close()
  }

  stop(): void {
    this.#stopped = true
  }

  #ask(): Map<string, Asked> {
    const asked = new Map<string, Asked>()
    for (const held of this.#takers()) {
      if (!held.fetches) continue
      for (const input of held.task.inputs()) {
        if (readerOf(input) !== this.#kind || input.inFlight !== undefined) continue
        const key = `${input.topic}/${input.partition}`
        const offset = held.task.fetchFrom(input.input, input.topic, input.partition)
        const before = asked.get(key)
        if (before === undefined || offset < before.offset) asked.set(key, { offset, askers: [{ held, input }] })
        else if (offset === before.offset) asked.set(key, { offset, askers: [...before.askers, { held, input }] })
      }
    }
    return asked
  }

  #deliver({ held, input }: Asker, fetched: FetchedPartition): void {
    held.stable.set(`${fetched.topic}/${fetched.partition}`, fetched.stableOffset)
    if (!held.takesInput) return
    if (fetched.fromOffset !== held.task.fetchFrom(input.input, input.topic, input.partition)) return
    if (input.kind === 'shuffle') measure(held, input, fetched.records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0), fetched.nextOffset - fetched.fromOffset)
    try {
      held.task.offer(input.input, fetched)
    } catch (error) {
      held.failure = asTidemarkError(error)
    }
    if (fetched.nextOffset > fetched.fromOffset || held.failure !== undefined) this.#arrived.raise()
  }

  #failed(asked: ReadonlyMap<string, Asked>, error: TidemarkError): void {
    this.#ports.logger.warn({ reader: this.#kind, error }, 'fetch.failed')
    if (error.action === 'retry') return
    const { topic, partition } = error.place
    for (const { held, input } of [...asked.values()].flatMap(({ askers }) => askers)) {
      if (topic !== undefined && (input.topic !== topic || (partition !== undefined && input.partition !== partition))) continue
      // One that is still taken over meets it again once it runs, and holds up nobody until then.
      held.readsAhead = false
      if (held.phase !== 'running' && held.phase !== 'waiting') continue
      held.failure = isTidemarkError(error) ? error : asTidemarkError(error)
    }
    this.#arrived.raise()
  }
}
