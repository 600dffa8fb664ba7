// The requests that are sent, each at one fixed version that Kafka 3.6 to 4.x all speak. Answers keep their error codes: kafkajs' parsers would throw the first and lose the rest.
import { apiKeys, requests } from '../kafkajs.ts'
import type { WireCall } from '../kafkajs.ts'

const identity = <T>(data: T): T => data

const define = <A extends object, T>(name: string, version: number): ((args: A) => WireCall<T>) => {
  const protocol = requests[name]?.protocol({ version })
  if (!protocol) throw new Error(`kafkajs has no ${name} version ${version}`)
  return (args) => {
    const call = protocol(args) as WireCall<T>
    return { ...call, response: { decode: call.response.decode, parse: identity }, logResponseError: false }
  }
}

interface PerTopic<P> { readonly topic: string, readonly partitions: readonly P[] }
interface PartitionCode { readonly partition: number, readonly errorCode: number }
interface TopicCode { readonly topic: string, readonly errorCode: number, readonly errorMessage?: string | null }

export const apiVersions = define<object, { errorCode: number, apiVersions: { apiKey: number, minVersion: number, maxVersion: number }[] }>('ApiVersions', 2)

export interface MetadataAnswer {
  readonly brokers: readonly { readonly nodeId: number, readonly host: string, readonly port: number }[]
  readonly controllerId: number
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number
    readonly topic: string
    readonly isInternal: boolean
    readonly partitionMetadata: readonly { readonly partitionErrorCode: number, readonly partitionId: number, readonly leader: number, readonly replicas: readonly number[] }[]
  }[]
}
/** No topics: all of them. */
export const metadata = define<{ topics: readonly string[], allowAutoTopicCreation: false }, MetadataAnswer>('Metadata', 6)

/** `groupId`: of the group, or the transactional id. `coordinatorType`: 0 and 1. */
export const findCoordinator = define<{ groupId: string, coordinatorType: 0 | 1 }, { errorCode: number, errorMessage: string | null, coordinator: { nodeId: number, host: string, port: number } }>('GroupCoordinator', 2)
export const initProducerId = define<{ transactionalId: string, transactionTimeout: number }, { errorCode: number, producerId: string, producerEpoch: number }>('InitProducerId', 1)

interface Transaction { readonly transactionalId: string, readonly producerId: string, readonly producerEpoch: number }
export const addPartitionsToTxn = define<Transaction & { topics: readonly PerTopic<number>[] }, { errors: { topic: string, partitionErrors: PartitionCode[] }[] }>('AddPartitionsToTxn', 1)
export const endTxn = define<Transaction & { transactionResult: boolean }, { errorCode: number }>('EndTxn', 1)

/** `timestamp`: -1 the end (with `isolationLevel` 1 the last stable offset), -2 the start. */
export const listOffsets = define<{ isolationLevel: 0 | 1, replicaId: -1, topics: readonly PerTopic<{ partition: number, timestamp: number }>[] }, { responses: PerTopic<PartitionCode & { offset: string }>[] }>('ListOffsets', 3)
export const deleteRecords = define<{ topics: readonly PerTopic<{ partition: number, offset: string }>[], timeout: number }, { topics: PerTopic<PartitionCode & { lowWatermark: bigint }>[] }>('DeleteRecords', 1)

export const createTopics = define<{
  topics: readonly { topic: string, numPartitions: number, replicationFactor: number, configEntries: readonly { name: string, value: string }[] }[]
  validateOnly: false
  timeout: number
}, { topicErrors: TopicCode[] }>('CreateTopics', 3)
export const deleteTopics = define<{ topics: readonly string[], timeout: number }, { topicErrors: TopicCode[] }>('DeleteTopics', 1)

/** Resource types of the protocol. */
export const RESOURCE = { topic: 2, broker: 4 } as const
export const describeConfigs = define<{ resources: readonly { type: number, name: string, configNames: readonly string[] }[], includeSynonyms: false }, {
  resources: { errorCode: number, errorMessage: string | null, resourceName: string, configEntries: { configName: string, configValue: string | null }[] }[]
}>('DescribeConfigs', 2)

/** Generation -1 without a member: a "simple consumer", accepted while the group has no members. */
export const offsetCommit = define<{ groupId: string, groupGenerationId: -1, memberId: '', topics: readonly PerTopic<{ partition: number, offset: string, metadata: string }>[] }, { responses: PerTopic<PartitionCode>[] }>('OffsetCommit', 5)
/** Offset -1: none is committed. */
export const offsetFetch = define<{ groupId: string, topics: readonly PerTopic<{ partition: number }>[] }, { responses: PerTopic<PartitionCode & { offset: string, metadata: string | null }>[] }>('OffsetFetch', 3)

/** Fetch is encoded by kafkajs (v11), its answer decoded here; `requestTimeout` is set by the caller. */
export const fetchRequest = (args: {
  isolationLevel: 0 | 1
  maxWaitTime: number
  minBytes: number
  maxBytes: number
  topics: readonly PerTopic<{ partition: number, fetchOffset: string, maxBytes: number }>[]
}): WireCall<unknown>['request'] => {
  const protocol = requests['Fetch']?.protocol({ version: 11 })
  if (!protocol) throw new Error('kafkajs has no Fetch version 11')
  return protocol({ ...args, rackId: '' }).request
}

const key = (name: string): number => {
  const found = apiKeys[name]
  if (found === undefined) throw new Error(`kafkajs has no API key ${name}`)
  return found
}
export const PRODUCE = { apiKey: key('Produce'), apiName: 'Produce', apiVersion: 7 } as const
export const METADATA_WITH_IDS = { apiKey: key('Metadata'), apiName: 'Metadata', apiVersion: 10 } as const

/** Name, key and version of everything above, compared with what a broker offers when a connection is made. */
export const needed: readonly { readonly name: string, readonly apiKey: number, readonly version: number }[] = [
  ['Produce', 7], ['Fetch', 11], ['ListOffsets', 3], ['Metadata', 6], ['Metadata', 10], ['OffsetCommit', 5], ['GroupCoordinator', 2], ['CreateTopics', 3], ['DeleteTopics', 1], ['DeleteRecords', 1],
  ['InitProducerId', 1], ['AddPartitionsToTxn', 1], ['EndTxn', 1], ['DescribeConfigs', 2],
].map(([name, version]) => ({ name: String(name), apiKey: key(String(name)), version: Number(version) }))
