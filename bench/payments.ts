// The input of all workloads: payments of users (100,000, if not said otherwise), uniform, one millisecond apart in event time, keyed by user; kept as numbers for whoever
// checks the output.
import type { AppendRecord, Log } from '@tidemark/base'
import { events } from '../test/workload/events.ts'

export const USERS = 100_000
export const PARTITIONS = 4
/** A multiple of ten seconds: the first window is a whole one. */
export const START_TS = 1_700_000_000_000
export const INPUT_TOPIC = 'bench.payments'
export const OUTPUT_TOPIC = 'bench.totals'

/** Events of one `write` call, over all partitions. */
const WRITE_EVENTS = 20_000

export interface PaymentsOptions {
  /** Default: `USERS`. */
  readonly users?: number
  /** The first events are one of each user, so that all of them are there; the others are uniform as ever. */
  readonly eachUserFirst?: boolean
}

/** Makes the events in order, writes them, and remembers each as two numbers. The n-th event is the same for one seed. */
export class Payments {
  readonly users: number
  readonly #eachUserFirst: boolean
  readonly #log: Log
  readonly #source: Iterator<{ readonly user: string, readonly amount: number, readonly ts: number }>
  readonly #partitionOf: Uint8Array
  #users = new Uint32Array(1 << 20)
  #amounts = new Uint8Array(1 << 20)
  #count = 0

  constructor(log: Log, seed: number, { users = USERS, eachUserFirst = false }: PaymentsOptions = {}) {
    this.#log = log
    this.users = users
    this.#eachUserFirst = eachUserFirst
    this.#partitionOf = new Uint8Array(users).fill(255)
    this.#source = events({ seed, users, startTs: START_TS, stepMs: 1 })
  }

  get count(): number {
    return this.#count
  }

  /** Number of the user of the n-th event: 123 for `u123`. */
  userOf(n: number): number {
    return this.#users[n] as number
  }

  amountOf(n: number): number {
    return this.#amounts[n] as number
  }

  partitionOf(user: number): number {
    const known = this.#partitionOf[user] as number
    if (known !== 255) return known
    const partition = this.#log.partitionFor(Buffer.from(`u${user}`), PARTITIONS)
    this.#partitionOf[user] = partition
    return partition
  }

  async createTopics(): Promise<void> {
    await this.#log.createTopics([INPUT_TOPIC, OUTPUT_TOPIC].map((topic) => ({ topic, partitions: PARTITIONS, config: { 'retention.ms': '-1', 'retention.bytes': '-1' } })))
  }

  /** The next `count` events. */
  async write(count: number): Promise<void> {
    for (let left = count; left > 0; left -= WRITE_EVENTS) await this.#writeSome(Math.min(left, WRITE_EVENTS))
  }

  async #writeSome(count: number): Promise<void> {
    const lists: AppendRecord[][] = Array.from({ length: PARTITIONS }, () => [])
    for (let i = 0; i < count; i += 1) {
      const { value: event } = this.#source.next() as IteratorYieldResult<{ readonly user: string, readonly amount: number, readonly ts: number }>
      const user = this.#eachUserFirst && this.#count < this.users ? this.#count : Number(event.user.slice(1))
      this.#remember(user, event.amount)
      lists[this.partitionOf(user)]?.push({ key: `u${user}`, value: `{"user":"u${user}","amount":${event.amount},"ts":${event.ts}}`, timestamp: event.ts })
    }
    // One call each: none waits for the answer to another.
    await Promise.all(lists.map(async (records, partition) => {
      if (records.length > 0) await this.#log.write([{ topic: INPUT_TOPIC, partition, records }])
    }))
  }

  #remember(user: number, amount: number): void {
    if (this.#count === this.#users.length) {
      const [users, amounts] = [new Uint32Array(this.#count * 2), new Uint8Array(this.#count * 2)]
      users.set(this.#users)
      amounts.set(this.#amounts)
      this.#users = users
      this.#amounts = amounts
    }
    this.#users[this.#count] = user
    this.#amounts[this.#count] = amount
    this.#count += 1
  }
}
