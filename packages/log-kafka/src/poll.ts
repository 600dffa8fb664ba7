// One long poll at one broker. It outlives the fetch call that began it: a call that is woken by another broker, or aborted, leaves it pending, and the next call takes its answer if it still asks for the same.
import type { Timer } from '@tidemark/base'
import { unavailableError } from './errors.ts'
import type { Cluster } from './wire/cluster.ts'
import { fetchCall } from './wire/fetch.ts'
import type { FetchedSet, FetchWant } from './wire/fetch.ts'
import type { Link } from './wire/link.ts'
import type { Links } from './wire/links.ts'

export interface PollFacts {
  readonly node: number
  /** Number of the fetch call that began it. */
  readonly call: number
  readonly wants: readonly FetchWant[]
  readonly committed: boolean
  readonly maxWaitMs: number
}

/** A poll that asks for something else than is wanted now is waited for when it ends within this, else cut off with its connection. */
const HURRY_MS = 100
/** So long after its wait a poll asks another broker whether its own still leads: one that hangs keeps its connections, and its answers may be large. */
const OVERDUE_MS = 1_000

export class Poll {
  readonly node: number
  readonly wants: readonly FetchWant[]
  readonly committed: boolean
  /** Resolves when the poll has ended, well or badly; never rejects. */
  readonly ended: Promise<void>
  answer: readonly FetchedSet[] | undefined
  /** Connection trouble: the broker said nothing. */
  error: unknown
  hasEnded = false
  hurried = false
  readonly #call: number
  readonly #cluster: Cluster
  readonly #endsBy: number
  readonly #offsets: ReadonlyMap<string, number>
  #link: Link | undefined
  #overdue: Timer

  constructor(cluster: Cluster, links: Links, { node, call, wants, committed, maxWaitMs }: PollFacts) {
    this.node = node
    this.wants = wants
    this.committed = committed
    this.#call = call
    this.#cluster = cluster
    this.#endsBy = cluster.clock.monotonic() + maxWaitMs
    this.#offsets = new Map(wants.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]))
    this.#overdue = cluster.clock.after(maxWaitMs + OVERDUE_MS, () => void this.#whenOverdue())
    this.ended = this.#run(links, maxWaitMs).catch((error: unknown) => { this.error = error ?? unavailableError('fetch failed') }).finally(() => {
      this.hasEnded = true
      this.#overdue.cancel()
    })
  }

  offsetOf(topic: string, partition: number): number | undefined {
    return this.#offsets.get(`${topic}/${partition}`)
  }

  /** Its answer will say all that is wanted. */
  covers(wants: readonly FetchWant[], committed: boolean): boolean {
    return this.committed === committed && wants.every(({ topic, partition, offset }) => this.offsetOf(topic, partition) === offset)
  }

  /** It has been asking since before this call: that it is silent is an answer. */
  standsFor(wants: readonly FetchWant[], committed: boolean, call: number): boolean {
    return this.#call < call && !this.hasEnded && this.covers(wants, committed)
  }

  /** Something else is wanted now. */
  hurry(): void {
    if (this.hurried || this.#endsBy - this.#cluster.clock.monotonic() < HURRY_MS) return
    this.hurried = true
    this.#link?.drop(undefined)
  }

  async #whenOverdue(): Promise<void> {
    await this.#cluster.metadata([...new Set(this.wants.map(({ topic }) => topic))]).catch(() => undefined)
    if (this.hasEnded) return
    const moved = this.wants.some(({ topic, partition }) => { const leader = this.#cluster.leaderOf(topic, partition); return leader !== undefined && leader !== this.node })
    if (moved) this.#link?.drop(unavailableError(`broker ${this.node} does not answer and leads no longer`))
    else this.#overdue = this.#cluster.clock.after(OVERDUE_MS, () => void this.#whenOverdue())
  }

  async #run(links: Links, maxWaitMs: number): Promise<void> {
    const address = this.#cluster.addressOf(this.node)
    if (!address) throw unavailableError(`broker ${this.node} has left the cluster`)
    this.#link = await links.to(address)
    if (this.hurried) throw unavailableError('not wanted any more')
    const answer = await this.#link.call(fetchCall(this.wants, this.committed, maxWaitMs, this.#cluster.settings.requestTimeoutMs))
    if (answer.errorCode !== 0) throw unavailableError(`fetch from broker ${this.node}: error ${answer.errorCode}`)
    this.answer = answer.partitions
  }
}
