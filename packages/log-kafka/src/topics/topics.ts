// Topics: create, describe, list, delete. Each waits until every broker agrees, so that the next call, to whichever broker, finds what this one did.
import { howMany, TidemarkError } from '@tidemark/base'
import type { TopicDescription, TopicSpec } from '@tidemark/base'
import { brokerError, CODE, unavailableError } from '../errors.ts'
import type { WireCall } from '../kafkajs.ts'
import * as api from '../wire/api.ts'
import { viewOf } from '../wire/cluster.ts'
import type { Cluster, TopicView } from '../wire/cluster.ts'
import type { TopicConfigs } from './configs.ts'
import { partitionOffsets } from './offsets.ts'

/** How long creation and deletion may take until all brokers know. */
const SETTLE_MS = 30_000
const SETTLE_PAUSE_MS = 50
const REPLICAS = 3
const IN_SYNC_REPLICAS_MIN = '2'

export const createTopics = async (cluster: Cluster, specs: readonly TopicSpec[]): Promise<void> => {
  if (specs.length === 0) return
  await cluster.metadata(specs.map(({ topic }) => topic))
  const replicationFactor = Math.min(REPLICAS, Math.max(1, cluster.brokerIds.length))
  const topics = specs.map(({ topic, partitions, config }) => ({ topic, numPartitions: partitions, replicationFactor, configEntries: configEntries(config ?? {}, replicationFactor) }))
  const { topicErrors } = await atController(cluster, topics.map(({ topic }) => topic), api.createTopics({ topics, validateOnly: false, timeout: cluster.settings.requestTimeoutMs }))
  for (const { topic, errorCode, errorMessage } of topicErrors) {
    if (errorCode !== CODE.NONE && errorCode !== CODE.TOPIC_EXISTS) throw brokerError(errorCode, `create topic "${topic}"`, { topic }, errorMessage)
  }
  for (const { topic, partitions } of specs) {
    await usable(cluster, topic)
    const found = (await cluster.topic(topic)).partitions
    if (found === partitions) continue
    throw new TidemarkError(`topic "${topic}" exists with ${howMany(found, 'partition')}, ${howMany(partitions, 'is', 'are')} wanted`, { code: 'LOG_TOPIC_EXISTS', blame: 'user', action: 'fail-job', hint: 'Use another name, or delete the topic if nobody needs it.', topic, details: { found, wanted: partitions } })
  }
}

const configEntries = (config: Readonly<Record<string, string>>, replicationFactor: number): { name: string, value: string }[] => {
  const all = replicationFactor >= REPLICAS ? { 'min.insync.replicas': IN_SYNC_REPLICAS_MIN, ...config } : config
  return Object.entries(all).map(([name, value]) => ({ name, value }))
}

/** With KRaft any broker passes it on; older clusters answer NOT_CONTROLLER while the controller moves. */
const atController = async <T extends { readonly topicErrors: readonly { readonly errorCode: number }[] }>(cluster: Cluster, topics: readonly string[], call: WireCall<T>): Promise<T> => {
  const deadline = cluster.clock.monotonic() + SETTLE_MS
  for (;;) {
    const address = cluster.addressOf((await cluster.metadata(topics)).controllerId)
    if (!address) throw unavailableError('the cluster has no controller')
    const answer = await (await cluster.links.to(address)).call({ ...call, requestTimeout: cluster.settings.requestTimeoutMs })
    if (!answer.topicErrors.some(({ errorCode }) => errorCode === CODE.NOT_CONTROLLER) || cluster.clock.monotonic() >= deadline) return answer
    await cluster.clock.sleep(SETTLE_PAUSE_MS)
  }
}

/** Asks every broker about the topics until `settled` holds for each broker's answer. */
const settle = async (cluster: Cluster, topics: readonly string[], doing: string, settled: (answer: api.MetadataAnswer) => boolean): Promise<void> => {
  const deadline = cluster.clock.monotonic() + SETTLE_MS
  const request = api.metadata({ topics, allowAutoTopicCreation: false })
  for (const node of cluster.brokerIds) {
    for (;;) {
      const address = cluster.addressOf(node)
      if (!address) break
      if (settled(await (await cluster.links.to(address)).call(request))) break
      if (cluster.clock.monotonic() >= deadline) throw unavailableError(`${doing}: broker ${node} does not know of it after ${SETTLE_MS / 1000} s`)
      await cluster.clock.sleep(SETTLE_PAUSE_MS)
    }
  }
}

/** Every broker names a leader for every partition, and each leader answers for its own. */
const usable = async (cluster: Cluster, topic: string): Promise<void> => {
  await settle(cluster, [topic], `create topic "${topic}"`, ({ topicMetadata }) => {
    const [found] = topicMetadata
    return found !== undefined && found.topicErrorCode === CODE.NONE && found.partitionMetadata.length > 0 && found.partitionMetadata.every(({ leader }) => leader >= 0)
  })
  cluster.forget(topic)
  await partitionOffsets(cluster, topic)
}

export const describeTopics = async (cluster: Cluster, configs: TopicConfigs, topics: readonly string[]): Promise<Map<string, TopicDescription>> => {
  const found = new Map<string, TopicDescription>()
  if (topics.length === 0) return found
  const { topicMetadata } = await cluster.metadata(topics)
  const existing: { readonly topic: string, readonly view: TopicView }[] = []
  for (const { topic, topicErrorCode, partitionMetadata } of topicMetadata) {
    if (topicErrorCode === CODE.UNKNOWN_TOPIC_OR_PARTITION) continue
    if (topicErrorCode !== CODE.NONE) throw brokerError(topicErrorCode, `describe topic "${topic}"`, { topic })
    existing.push({ topic, view: viewOf(partitionMetadata) })
  }
  const known = await configs.read(existing.map(({ topic }) => topic))
  for (const { topic, view } of existing) {
    const config = known.get(topic)
    if (config === undefined) continue
    const { compressionType: _ours, ...settings } = config
    found.set(topic, { topic, partitions: view.partitions, replicationFactor: view.replicationFactor, ...settings })
  }
  return found
}

/** Kafka's own (`__consumer_offsets`) are left out. */
export const listTopics = async (cluster: Cluster): Promise<string[]> =>
  (await cluster.metadata([])).topicMetadata.filter(({ isInternal }) => !isInternal).map(({ topic }) => topic).toSorted()

export const deleteTopics = async (cluster: Cluster, configs: TopicConfigs, topics: readonly string[]): Promise<void> => {
  if (topics.length === 0) return
  const { topicErrors } = await atController(cluster, topics, api.deleteTopics({ topics, timeout: cluster.settings.requestTimeoutMs }))
  for (const { topic, errorCode } of topicErrors) if (errorCode !== CODE.NONE && errorCode !== CODE.UNKNOWN_TOPIC_OR_PARTITION) throw brokerError(errorCode, `delete topic "${topic}"`, { topic })
  await settle(cluster, topics, `delete ${topics.length} topics`, ({ topicMetadata }) => topicMetadata.every(({ topicErrorCode }) => topicErrorCode === CODE.UNKNOWN_TOPIC_OR_PARTITION))
  for (const topic of topics) {
    cluster.forget(topic)
    configs.forget(topic)
  }
}
