// Who leads what: brokers, partition leaders, coordinators. One view per log, shared by its readers and sessions; topics that are gone poison nothing.
import { isTidemarkError } from '@tidemark/base'
import type { Clock } from '@tidemark/base'
import { brokerError, CODE, isStaleLeader, mayTryAgain, missingError, unavailableError } from '../errors.ts'
import type { WireCall } from '../kafkajs.ts'
import * as api from './api.ts'
import type { Address, ConnectionSettings } from './link.ts'
import { Links } from './links.ts'
import { topicIdCall } from './topic-id.ts'

export interface TopicView {
  readonly partitions: number
  /** Node by partition; -1: nobody leads it now. */
  readonly leaders: readonly number[]
  readonly replicationFactor: number
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** A topic is said to be missing only after this long of being unknown: another broker may not have heard of it yet. */
const MISSING_CONFIRM_MS = 1_000
/** How long leaders and coordinators are looked for before `LOG_UNAVAILABLE`. */
export const LOOKUP_MS = 10_000
const LOOKUP_PAUSE_MS = 50
/** A broker that hangs may be asked first: the next one is asked after this. Calls that may take longer say so themselves. */
const LOOKUP_TIMEOUT_MS = 3_000

export class Cluster {
  readonly clock: Clock
  readonly settings: ConnectionSettings
  /** For short requests only; a long poll or an append has connections of its own. */
  readonly links: Links
  readonly #seeds: readonly Address[]
  #brokers = new Map<number, Address>()
  #good: Address | undefined
  readonly #topics = new Map<string, TopicView>()
  /** Topic ids by name, of topics in `#topics`. */
  readonly #ids = new Map<string, string>()

  constructor(seeds: readonly Address[], settings: ConnectionSettings) {
    this.#seeds = seeds
    this.settings = settings
    this.clock = settings.clock
    this.links = new Links({ ...settings, requestTimeoutMs: Math.min(settings.requestTimeoutMs, LOOKUP_TIMEOUT_MS) })
  }

  /** Asks any broker: the one that answered last, other known ones, then the seeds. Only for calls that are harmless twice. */
  async ask<T>(call: WireCall<T>): Promise<T> {
    const tried = new Set<string>()
    let last: unknown
    for (const address of [...(this.#good ? [this.#good] : []), ...this.#brokers.values(), ...this.#seeds]) {
      const name = `${address.host}:${address.port}`
      if (tried.has(name)) continue
      tried.add(name)
      try {
        const answer = await (await this.links.to(address)).call(call)
        this.#good = address
        return answer
      } catch (error) {
        if (!isTidemarkError(error) || error.code !== 'LOG_UNAVAILABLE') throw error
        last = error
        this.#good = undefined
      }
    }
    throw unavailableError(`no Kafka broker answers at ${[...tried].join(', ')}${isTidemarkError(last) ? ` (${last.message})` : ''}`, {}, last)
  }

  /** Raw metadata; all topics when none is named. Never creates one. */
  async metadata(topics: readonly string[]): Promise<api.MetadataAnswer> {
    const answer = await this.ask(api.metadata({ topics, allowAutoTopicCreation: false }))
    if (answer.brokers.length > 0) this.#brokers = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
    for (const { topic, topicErrorCode, partitionMetadata } of answer.topicMetadata) {
      if (topicErrorCode === CODE.UNKNOWN_TOPIC_OR_PARTITION) this.forget(topic)
      else if (topicErrorCode === CODE.NONE) this.#topics.set(topic, viewOf(partitionMetadata))
    }
    return answer
  }

  get brokerIds(): number[] {
    return [...this.#brokers.keys()]
  }

  addressOf(nodeId: number): Address | undefined {
    return this.#brokers.get(nodeId)
  }

  /** Leader as last heard; undefined when the topic, the partition or a leader is not known. */
  leaderOf(topic: string, partition: number): number | undefined {
    const leader = this.#topics.get(topic)?.leaders[partition]
    return leader === undefined || leader < 0 || !this.#brokers.has(leader) ? undefined : leader
  }

  /** Next use asks again. */
  forget(topic: string): void {
    this.#topics.delete(topic)
    this.#ids.delete(topic)
  }

  /** Which topic bears the name, as last heard. */
  knownIdOf(topic: string): string | undefined {
    return this.#ids.get(topic)
  }

  /** The same, asked for. Undefined: it is gone at this moment. */
  async idOf(topic: string): Promise<string | undefined> {
    const { id } = await this.ask(topicIdCall(topic))
    if (id !== undefined) this.#ids.set(topic, id)
    return id
  }

  /** What is known of the topic, asked for when nothing is. `LOG_TOPIC_MISSING` once `MISSING_CONFIRM_MS` have confirmed it. */
  async topic(topic: string): Promise<TopicView> {
    const deadline = this.clock.monotonic() + MISSING_CONFIRM_MS
    for (;;) {
      const known = this.#topics.get(topic)
      if (known) return known
      const [found] = (await this.metadata([topic])).topicMetadata
      const code = found?.topicErrorCode ?? CODE.UNKNOWN_TOPIC_OR_PARTITION
      if (code === CODE.NONE) continue
      if (!isStaleLeader(code)) throw brokerError(code, `look up topic "${topic}"`, { topic })
      if (this.clock.monotonic() >= deadline) throw code === CODE.UNKNOWN_TOPIC_OR_PARTITION ? missingError(topic) : brokerError(code, `look up topic "${topic}"`, { topic })
      await this.clock.sleep(LOOKUP_PAUSE_MS)
    }
  }

  /** The topic, asked for again when it had no such partition: partitions are added while we run. `LOG_TOPIC_MISSING`. */
  async topicWith(topic: string, partition: number): Promise<TopicView> {
    const known = await this.topic(topic)
    if (partition < known.partitions) return known
    this.forget(topic)
    const fresh = await this.topic(topic)
    if (partition < fresh.partitions) return fresh
    throw missingError(topic, partition)
  }

  /** Partitions by leader; waits up to `waitMs` for leaders. `LOG_TOPIC_MISSING`, `LOG_UNAVAILABLE`. */
  async byLeader<P extends TopicPartition>(wanted: readonly P[], waitMs = LOOKUP_MS): Promise<Map<number, P[]>> {
    const deadline = this.clock.monotonic() + waitMs
    for (;;) {
      const groups = new Map<number, P[]>()
      let leaderless: P | undefined
      for (const item of wanted) {
        await this.topicWith(item.topic, item.partition)
        const leader = this.leaderOf(item.topic, item.partition)
        const group = leader === undefined ? undefined : groups.get(leader)
        if (leader === undefined) leaderless = item
        else if (group) group.push(item)
        else groups.set(leader, [item])
      }
      if (!leaderless) return groups
      if (this.clock.monotonic() >= deadline) throw unavailableError(`nobody leads partition ${leaderless.partition} of "${leaderless.topic}"`, { topic: leaderless.topic, partition: leaderless.partition })
      await this.clock.sleep(LOOKUP_PAUSE_MS)
      this.forget(leaderless.topic)
    }
  }

  /** Address of the broker that coordinates a group or a transactional id, asked for afresh. */
  async coordinator(kind: 'group' | 'transaction', key: string): Promise<Address> {
    const deadline = this.clock.monotonic() + LOOKUP_MS
    const doing = `find the coordinator of ${kind === 'group' ? 'group' : 'transactional id'} "${key}"`
    for (;;) {
      const answer = await this.ask(api.findCoordinator({ groupId: key, coordinatorType: kind === 'group' ? 0 : 1 }))
      if (answer.errorCode === CODE.NONE) return { host: answer.coordinator.host, port: answer.coordinator.port }
      if (!mayTryAgain(answer.errorCode) || this.clock.monotonic() >= deadline) throw brokerError(answer.errorCode, doing, {}, answer.errorMessage)
      await this.clock.sleep(LOOKUP_PAUSE_MS)
    }
  }

  async close(): Promise<void> {
    await this.links.close()
  }
}

export const viewOf = (partitions: api.MetadataAnswer['topicMetadata'][number]['partitionMetadata']): TopicView => {
  const leaders: number[] = Array.from({ length: partitions.length }, () => -1)
  for (const { partitionId, leader } of partitions) leaders[partitionId] = leader
  return { partitions: partitions.length, leaders, replicationFactor: Math.max(0, ...partitions.map(({ replicas }) => replicas.length)) }
}
