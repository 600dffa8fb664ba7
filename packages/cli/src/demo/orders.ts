// The demo's input: seeded orders, the same for one seed, written to the log at a rate and remembered.
import type { Append, Clock, Log } from '@tidemark/base'

/** What is written. Told apart from the job's own type: the check must not share code with what it checks. */
export interface WrittenOrder {
  readonly user: string
  readonly product: string
  readonly amount: number
  readonly ts: number
}

export const TOPICS = { orders: 'demo.orders', totals: 'demo.totals', sales: 'demo.sales' } as const
export const PARTITIONS = 4

const USERS = 500
const PRODUCTS = 40
const AMOUNT_MAX = 100
/** Event time of the first order. */
const BEGIN = 1_700_000_000_000
/** Event time from the last order to the closing ones: closes the last window, by its length, the out-of-orderness, and one second. */
const CLOSING_MS = 3_000
const TICK_MS = 20
/** After a pause of this machine it does not catch up in one write. */
const WRITE_MAX = 2_000

/** splitmix32: 32 good bits a step from one seed (Steele, Lea, Flood 2014, in its usual form for 32 bits). */
const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9E3779B9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21F0AAAD)
    z = Math.imul(z ^ (z >>> 15), 0x735A2D97)
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32
  }
}

/** Endless. Event time runs as fast as `rate` a second. */
export const orders = function * (seed: number, rate: number): Generator<WrittenOrder> {
  const next = seeded(seed)
  for (let i = 0; ; i += 1) {
    yield { user: `u${Math.floor(next() * USERS)}`, product: `p${Math.floor(next() * PRODUCTS)}`, amount: 1 + Math.floor(next() * AMOUNT_MAX), ts: BEGIN + Math.floor(i * 1_000 / rate) }
  }
}

export interface FeederOptions {
  readonly log: Log
  readonly clock: Clock
  readonly seed: number
  readonly rate: number
}

export class Feeder {
  /** Every order that the log has taken. */
  readonly written: WrittenOrder[] = []
  readonly #options: FeederOptions
  readonly #source: Generator<WrittenOrder>

  constructor(options: FeederOptions) {
    this.#options = options
    this.#source = orders(options.seed, options.rate)
  }

  /** Feeds until told to stop. */
  async feed(signal: AbortSignal): Promise<void> {
    const { clock, rate } = this.#options
    const began = clock.monotonic()
    for (let sent = 0; !signal.aborted;) {
      const due = Math.min(WRITE_MAX, Math.floor((clock.monotonic() - began) * rate / 1_000) - sent)
      if (due > 0) await this.#write(Array.from({ length: due }, () => this.#source.next().value as WrittenOrder))
      sent += Math.max(0, due)
      await clock.sleep(TICK_MS)
    }
  }

  /** One order in each partition, far enough ahead in event time to close every window of the others; answers that time. */
  async close(): Promise<number> {
    const ts = (this.written.at(-1)?.ts ?? BEGIN) + CLOSING_MS
    const { log } = this.#options
    const users = Array.from({ length: PARTITIONS }, (_, partition) => {
      for (let i = 0; ; i += 1) if (log.partitionFor(Buffer.from(`closing-${i}`), PARTITIONS) === partition) return `closing-${i}`
    })
    await this.#write(users.map((user) => ({ user, product: 'closing', amount: 0, ts })))
    return ts
  }

  async #write(batch: readonly WrittenOrder[]): Promise<void> {
    const { log } = this.#options
    const groups = Map.groupBy(batch, ({ user }) => log.partitionFor(Buffer.from(user), PARTITIONS))
    await log.write([...groups].map(([partition, group]): Append => ({
      topic: TOPICS.orders, partition, records: group.map((order) => ({ key: order.user, value: JSON.stringify(order), timestamp: order.ts })),
    })))
    this.written.push(...batch)
  }
}
