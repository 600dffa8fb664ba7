// What a person does to Kafka with its own tools, by another client than ours: partitions added, a topic compacted, rights taken away, a group's offsets set.
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'

interface Admin {
  connect(): Promise<void>
  disconnect(): Promise<void>
  createPartitions(options: { readonly topicPartitions: readonly { readonly topic: string, readonly count: number }[] }): Promise<unknown>
  fetchTopicMetadata(options: { readonly topics: readonly string[] }): Promise<{ readonly topics: readonly { readonly partitions: readonly { readonly leader: number }[] }[] }>
  setOffsets(options: { readonly groupId: string, readonly topic: string, readonly partitions: readonly { readonly partition: number, readonly offset: string }[] }): Promise<unknown>
  fetchOffsets(options: { readonly groupId: string, readonly topics: readonly string[] }): Promise<readonly { readonly partitions: readonly { readonly partition: number, readonly offset: string }[] }[]>
  alterConfigs(options: { readonly validateOnly: boolean, readonly resources: readonly { readonly type: number, readonly name: string, readonly configEntries: readonly { readonly name: string, readonly value: string }[] }[] }): Promise<unknown>
  describeConfigs(options: { readonly includeSynonyms: boolean, readonly resources: readonly { readonly type: number, readonly name: string, readonly configNames: readonly string[] }[] }): Promise<{ readonly resources: readonly { readonly configEntries: readonly { readonly configValue: string }[] }[] }>
  createAcls(options: { readonly acl: readonly object[] }): Promise<unknown>
}
interface Kafkajs {
  readonly Kafka: new (options: { readonly clientId: string, readonly brokers: readonly string[], readonly logLevel: number }) => { admin(): Admin }
  readonly logLevel: { readonly NOTHING: number }
}

const withAdmin = async (brokers: string, act: (admin: Admin) => Promise<unknown>): Promise<void> => {
  const { Kafka, logLevel } = createRequire(import.meta.url)('kafkajs') as Kafkajs
  const admin = new Kafka({ clientId: 'test-admin', brokers: brokers.split(','), logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    await act(admin)
  } finally {
    await admin.disconnect()
  }
}

/** The topic has `count` partitions afterwards. Resolves when the broker tells everybody of them: that comes a little after its answer. */
export const addPartitions = (brokers: string, topic: string, count: number): Promise<void> => withAdmin(brokers, async (admin) => {
  await admin.createPartitions({ topicPartitions: [{ topic, count }] })
  for (let known = 0; known < count;) known = (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions.filter(({ leader }) => leader >= 0).length ?? 0
})

/** All its other settings become the broker's own. Resolves when the broker says so itself: that comes a little after its answer. */
export const compactTopic = (brokers: string, topic: string): Promise<void> => withAdmin(brokers, async (admin) => {
  const resource = { type: 2, name: topic }
  await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] }] })
  for (let policy: string | undefined; policy !== 'compact';) policy = (await admin.describeConfigs({ includeSynonyms: false, resources: [{ ...resource, configNames: ['cleanup.policy'] }] })).resources[0]?.configEntries[0]?.configValue
})

/** Kafka's numbers: resource topic 2, pattern literal 3; operation all 2, write 4; permission deny 2, allow 3. */
const rule = (topic: string, operation: number, permissionType: number): object => ({ resourceType: 2, resourceName: topic, resourcePatternType: 3, principal: 'User:ANONYMOUS', host: '*', operation, permissionType })

/** Nobody may write to the topic, all else is allowed. The broker needs an authorizer. */
export const denyWriting = (brokers: string, topic: string): Promise<void> => withAdmin(brokers, (admin) => admin.createAcls({ acl: [rule(topic, 2, 3), rule(topic, 4, 2)] }))

const TRIES_MAX = 100
const PAUSE_MS = 100

/** A broker that has just begun to keep groups loads them first, and says so. */
const onceLoaded = async <T>(act: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await act()
    } catch (error) {
      const passes = typeof error === 'object' && error !== null && 'retriable' in error && error.retriable === true
      if (!passes || tries >= TRIES_MAX) throw error
      await sleep(PAUSE_MS)
    }
  }
}

/** As `kafka-consumer-groups --reset-offsets` does; the group must have no members. */
export const setGroupOffsets = (brokers: string, groupId: string, topic: string, partitions: readonly { readonly partition: number, readonly offset: number }[]): Promise<void> =>
  withAdmin(brokers, (admin) => onceLoaded(() => admin.setOffsets({ groupId, topic, partitions: partitions.map(({ partition, offset }) => ({ partition, offset: String(offset) })) })))

/** By partition; -1: none is committed. */
export const groupOffsets = async (brokers: string, groupId: string, topic: string): Promise<readonly number[]> => {
  const found: number[] = []
  await withAdmin(brokers, async (admin) => {
    for (const { partition, offset } of (await onceLoaded(() => admin.fetchOffsets({ groupId, topics: [topic] })))[0]?.partitions ?? []) found[partition] = Number(offset)
  })
  return found
}
