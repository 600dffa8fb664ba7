// One long poll at one broker. It outlives the fetch call that began it: a call that is woken by another broker, or aborted, leaves it pending, and the next call takes its answer if it still asks for the same.
import type { Cluster } from './wire/cluster.ts'
import { fetchCall } from './wire/fetch.ts'
import type { FetchedSet, FetchWant } from './wire/fetch.ts'
import type { Links } from './wire/links.ts'

export class Poll {
  readonly node: number
  readonly committed: boolean
  readonly wants: readonly FetchWant[]
  /** Resolves when the poll has ended, well or badly; never rejects. */
  readonly ended: Promise<void>
  answer: readonly FetchedSet[] | undefined
  /** Connection trouble: the broker said nothing. */
  error: unknown
  hasEnded = false

  constructor(cluster: Cluster, links: Links, node: number, wants: readonly FetchWant[], committed: boolean, maxWaitMs: number) {
    this.node = node
    this.wants = wants
    this.committed = committed
    this.ended = this.#run(cluster, links, maxWaitMs).catch((error: unknown) => { this.error = error ?? new Error('fetch failed') }).finally(() => { this.hasEnded = true })
  }

  /** What was asked for this partition, if it was. */
  offsetOf(topic: string, partition: number): number | undefined {
    return this.wants.find((want) => want.topic === topic && want.partition === partition)?.offset
  }

  async #run(cluster: Cluster, links: Links, maxWaitMs: number): Promise<void> {
    const address = cluster.addressOf(this.node)
    if (!address) throw new Error(`broker ${this.node} has left the cluster`)
    const link = await links.to(address)
    const answer = await link.call(fetchCall(this.wants, this.committed, maxWaitMs, cluster.settings.requestTimeoutMs))
    if (answer.errorCode !== 0) throw new Error(`fetch from broker ${this.node}: error ${answer.errorCode}`)
    this.answer = answer.partitions
  }
}
