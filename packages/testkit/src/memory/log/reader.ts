// A reader of the memory log. A fetch that finds nothing waits for an append or for the clock, never for a timer of its own.
import type { FetchedPartition, FetchOptions, FetchRequest, LogReader } from '@tidemark/base'
import type { Intercept } from '../intercept.ts'
import type { MemoryBroker } from './broker.ts'
import { closed, readerMisused, replaced } from './errors.ts'
import type { MemoryPartition } from './partition.ts'

export class MemoryReader implements LogReader {
  readonly #broker: MemoryBroker
  readonly #intercept: Intercept
  readonly #end = new AbortController()
  readonly #onClose: (reader: MemoryReader) => void
  /** Partitions that were read, to tell a topic that was made anew. */
  readonly #read = new Map<string, MemoryPartition>()
  #busy = false

  constructor(broker: MemoryBroker, intercept: Intercept, onClose: (reader: MemoryReader) => void) {
    this.#broker = broker
    this.#intercept = intercept
    this.#onClose = onClose
  }

  async fetch(requests: readonly FetchRequest[], options: FetchOptions): Promise<FetchedPartition[]> {
    this.#end.signal.throwIfAborted()
    if (this.#busy) throw readerMisused()
    this.#busy = true
    try {
      const of = requests.map(({ topic, partition }) => `${topic}/${partition}`).join(' ')
      return await this.#intercept({ call: 'log.fetch', of }, () => this.#fetch(requests, options))
    } finally {
      this.#busy = false
    }
  }

  async close(): Promise<void> {
    this.#end.abort(closed('the reader'))
    this.#onClose(this)
  }

  async #fetch(requests: readonly FetchRequest[], { isolation, maxWaitMs, signal, answerQuiet = false }: FetchOptions): Promise<FetchedPartition[]> {
    const { clock } = this.#broker
    const deadline = clock.monotonic() + maxWaitMs
    for (;;) {
      this.#end.signal.throwIfAborted()
      signal?.throwIfAborted()
      for (const { topic, partition } of requests) this.#sameTopic(topic, partition)
      const found = requests.flatMap((request) => this.#broker.read(request, isolation) ?? [])
      const leftMs = deadline - clock.monotonic()
      if (found.length > 0 || leftMs <= 0) return answerQuiet ? [...found, ...requests.flatMap((request) => this.#broker.quiet(request) ?? [])] : found
      await this.#woken(requests, leftMs, signal)
    }
  }

  #sameTopic(topic: string, partition: number): void {
    const [key, now] = [`${topic}/${partition}`, this.#broker.partition(topic, partition)]
    const before = this.#read.get(key)
    if (before === undefined) this.#read.set(key, now)
    else if (before !== now) throw replaced(topic)
  }

  /** Until one of the partitions changes, time is up, or one of the signals is aborted. */
  async #woken(requests: readonly FetchRequest[], ms: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const signals = [this.#end.signal, ...signal ? [signal] : []]
    const timer = this.#broker.clock.after(ms, resolve)
    const unwatch = requests.map(({ topic, partition }) => this.#broker.partition(topic, partition).watch(resolve))
    const onAbort = (): void => resolve()
    for (const one of signals) one.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      timer.cancel()
      for (const stop of unwatch) stop()
      for (const one of signals) one.removeEventListener('abort', onAbort)
    }
  }
}
