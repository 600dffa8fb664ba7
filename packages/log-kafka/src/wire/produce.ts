// One produce request with whole batches, and its answer checked: exactly one entry per partition asked, no error, a base offset.
import { invariantBroken } from '@tidemark/base'
import { brokerError, CODE } from '../errors.ts'
import { Encoder, requests } from '../kafkajs.ts'
import type { WireCall, WireEncoder } from '../kafkajs.ts'
import { PRODUCE } from './api.ts'
import type { Link } from './link.ts'

export interface ProduceBatch {
  readonly topic: string
  readonly partition: number
  readonly bytes: Buffer
}

interface ProduceAnswer {
  readonly topics: readonly { readonly topicName: string, readonly partitions: readonly { readonly partition: number, readonly errorCode: number, readonly baseOffset: string }[] }[]
}

const decodeAnswer = (): ((raw: Buffer) => Promise<ProduceAnswer>) => {
  const protocol = requests['Produce']?.protocol({ version: PRODUCE.apiVersion })
  if (!protocol) throw new Error(`kafkajs has no Produce version ${PRODUCE.apiVersion}`)
  return (protocol({ topicData: [] }) as WireCall<ProduceAnswer>).response.decode
}
const decode = decodeAnswer()

/** `acks` -1: all in-sync replicas. At most one batch per partition; the protocol allows no more. */
const encode = (transactionalId: string | null, batches: readonly ProduceBatch[], timeoutMs: number): WireEncoder => {
  const byTopic = Map.groupBy(batches, ({ topic }) => topic)
  const size = batches.reduce((sum, { bytes, topic }) => sum + bytes.length + topic.length * 4 + 16, 1024)
  const encoder = new Encoder(size)
  encoder.writeString(transactionalId).writeInt16(-1).writeInt32(timeoutMs).writeInt32(byTopic.size)
  for (const [topic, ofTopic] of byTopic) {
    encoder.writeString(topic).writeInt32(ofTopic.length)
    for (const { partition, bytes } of ofTopic) encoder.writeInt32(partition).writeInt32(bytes.length).writeBuffer(bytes)
  }
  return encoder
}

/** Base offsets in the order of `batches`. Any rejection: some batches may be in the log, some not. */
export const produce = async (link: Link, transactionalId: string | null, batches: readonly ProduceBatch[], timeoutMs: number): Promise<number[]> => {
  const answer = await link.call<ProduceAnswer>({ request: { ...PRODUCE, encode: async () => encode(transactionalId, batches, timeoutMs) }, response: { decode, parse: (data) => data }, requestTimeout: timeoutMs, logResponseError: false })
  const entries = answer.topics.flatMap(({ topicName, partitions }) => partitions.map((entry) => ({ topic: topicName, ...entry })))
  const bases = batches.map(({ topic, partition }) => {
    const found = entries.filter((entry) => entry.topic === topic && entry.partition === partition)
    const [entry] = found
    if (found.length !== 1 || !entry) throw invariantBroken('append answered', `the broker answered ${found.length} times for one append`, { topic, partition })
    if (entry.errorCode !== CODE.NONE) throw brokerError(entry.errorCode, `append to partition ${partition} of "${topic}"`, { topic, partition })
    const base = Number(entry.baseOffset)
    if (!Number.isSafeInteger(base) || base < 0) throw invariantBroken('append answered', `the broker answered base offset ${entry.baseOffset}`, { topic, partition })
    return base
  })
  if (entries.length !== batches.length) throw invariantBroken('append answered', `the broker answered for ${entries.length} partitions where ${batches.length} were appended to`, {})
  return bases
}
