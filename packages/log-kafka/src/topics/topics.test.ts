// Topics described, as a broker that refuses to show their settings would answer.
import { expect, test } from '@jest/globals'
import { VirtualClock } from '@tidemark/testkit'
import { CODE } from '../errors.ts'
import { TopicConfigs } from './configs.ts'
import { describeTopics } from './topics.ts'

const entries = (values: Readonly<Record<string, string>>) => Object.entries(values).map(([configName, configValue]) => ({ configName, configValue }))

test('describe: a topic whose settings may not be read → said of it, and of no other', async () => {
  const topic = (name: string) => ({ topicErrorCode: CODE.NONE, topic: name, isInternal: false, partitionMetadata: [{ partitionErrorCode: CODE.NONE, partitionId: 0, leader: 1, replicas: [1] }] })
  const cluster = {
    clock: new VirtualClock(), metadata: async () => ({ brokers: [], controllerId: 1, topicMetadata: [topic('hidden'), topic('open')] }),
    ask: async () => ({ resources: [
      { errorCode: CODE.TOPIC_NOT_AUTHORISED, errorMessage: null, resourceName: 'hidden', configEntries: [] },
      { errorCode: CODE.NONE, errorMessage: null, resourceName: 'open', configEntries: entries({ 'cleanup.policy': 'delete', 'retention.ms': '1000', 'max.message.bytes': '2000', 'compression.type': 'producer' }) },
    ] }),
  } as never
  expect(await describeTopics(cluster, new TopicConfigs(cluster), ['hidden', 'open'])).toEqual(new Map([
    ['hidden', { topic: 'hidden', partitions: 1, replicationFactor: 1, compacted: false, maxMessageBytes: 1_048_588, retentionMs: 604_800_000, settingsHidden: true }],
    ['open', { topic: 'open', partitions: 1, replicationFactor: 1, compacted: false, maxMessageBytes: 2_000, retentionMs: 1_000 }],
  ]))
})
