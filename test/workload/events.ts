// Input for the cluster tests: seeded events, the same for one seed, and a feeder that writes them at a rate.
import { randomUUID } from 'node:crypto'
import type { Append, Log, ProducerSession } from '@tidemark/base'
import { realClock, transactionalId } from '@tidemark/base'

export interface Event {
  readonly user: string
  readonly amount: number
  readonly ts: number
}

/** splitmix32: 32 good bits a step, from one seed (Steele, Lea, Flood 2014, as commonly written for 32 bits). */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32
  }
}

export interface EventsOptions {
  readonly seed: number
  readonly users: number
  readonly startTs?: number
  /** Event time between two events, ms. */
  readonly stepMs?: number
}

/** Endless; the n-th event is the same for the same options. */
export const events = function* ({ seed, users, startTs = 1_700_000_000_000, stepMs = 1 }: EventsOptions): Generator<Event> {
  const next = seeded(seed)
  for (let i = 0; ; i += 1) yield { user: `u${Math.floor(next() * users)}`, amount: 1 + Math.floor(next() * 100), ts: startTs + i * stepMs }
}

export interface FeederOptions extends EventsOptions {
  readonly perSecond: number
  /** They get no record. */
  readonly idlePartitions?: readonly number[]
  /**
   * In a transaction: what is written at once is seen at once, in all partitions: without it they get it one after the other, and on a busy machine one may have
   * nothing for longer than a short `idleAfter` while another has newer events.
   */
  readonly atOnce?: boolean
}

/** Writes events by key to a topic's partitions, remembers them all, and can be paused. */
export class Feeder {
  readonly written: Event[] = []
  readonly #log: Log
  readonly #topic: string
  readonly #partitions: number
  readonly #source: Generator<Event>
  readonly #perSecond: number
  readonly #idlePartitions: ReadonlySet<number>
  #feeding: Promise<void> | undefined
  #stop = false
  #stalledUntil = -Infinity
  readonly #atOnce: boolean
  #session: ProducerSession | undefined

  constructor(log: Log, topic: string, partitions: number, options: FeederOptions) {
    this.#log = log
    this.#topic = topic
    this.#partitions = partitions
    this.#source = events(options)
    this.#perSecond = options.perSecond
    this.#idlePartitions = new Set(options.idlePartitions)
    this.#atOnce = options.atOnce ?? false
  }

  start(): void {
    this.#stop = false
    this.#feeding = this.#feed()
  }

  /** Writes nothing for so long, then what has come together all at once: longer than `idleAfter`, every partition is idle meanwhile. */
  stall(ms: number): void {
    this.#stalledUntil = realClock.monotonic() + ms
  }

  /** Resolves when nothing is under way any more. */
  async pause(): Promise<void> {
    this.#stop = true
    await this.#feeding
  }

  async write(batch: readonly Event[]): Promise<void> {
    const byPartition = new Map<number, { key: string, value: string, timestamp: number }[]>()
    const taken: Event[] = []
    for (const event of batch) {
      const partition = this.#log.partitionFor(Buffer.from(event.user), this.#partitions)
      if (this.#idlePartitions.has(partition)) continue
      const records = byPartition.get(partition) ?? []
      byPartition.set(partition, records)
      records.push({ key: event.user, value: JSON.stringify(event), timestamp: event.ts })
      taken.push(event)
    }
    await this.#append([...byPartition].map(([partition, records]): Append => ({ topic: this.#topic, partition, records })))
    this.written.push(...taken)
  }

  async #append(writes: readonly Append[]): Promise<void> {
    if (!this.#atOnce) {
      await this.#log.write(writes)
      return
    }
    if (this.#session === undefined) {
      this.#session = this.#log.session(transactionalId(`feeder-${randomUUID()}`))
      await this.#session.initialise()
    }
    if (writes.length === 0) return
    await this.#session.append(writes)
    await this.#session.commit()
  }

  /** Feeds no more. */
  async close(): Promise<void> {
    await this.pause()
    await this.#session?.close()
  }

  /** One event a partition, far ahead in event time: closes every window before it. They are not among `written`. */
  async flush(ts: number): Promise<void> {
    await this.#append(Array.from({ length: this.#partitions }, (_, partition): Append => ({ topic: this.#topic, partition, records: [{ key: this.#userOf(partition), value: JSON.stringify({ user: this.#userOf(partition), amount: 0, ts }), timestamp: ts }] })))
  }

  /** A key that belongs to this partition, used by nobody else. */
  #userOf(partition: number): string {
    for (let i = 0; ; i += 1) {
      const user = `flush-${i}`
      if (this.#log.partitionFor(Buffer.from(user), this.#partitions) === partition) return user
    }
  }

  async #feed(): Promise<void> {
    const began = realClock.monotonic()
    for (let sent = 0; !this.#stop;) {
      const due = Math.floor(((realClock.monotonic() - began) / 1_000) * this.#perSecond) - sent
      if (due > 0 && realClock.monotonic() >= this.#stalledUntil) {
        await this.write(Array.from({ length: Math.min(due, 1_000) }, () => this.#source.next().value))
        sent += Math.min(due, 1_000)
      }
      await realClock.sleep(10)
    }
  }
}
