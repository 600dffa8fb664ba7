// Start, stable offset and end of partitions, and deleting what lies below an offset.
import { TidemarkError } from '@tidemark/base'
import type { PartitionOffsets } from '@tidemark/base'
import { brokerError, CODE, isStaleLeader, unavailableError } from '../errors.ts'
import * as api from '../wire/api.ts'
import { LOOKUP_MS } from '../wire/cluster.ts'
import type { Cluster } from '../wire/cluster.ts'
import type { Link } from '../wire/link.ts'

const START = -2
const END = -1
const PAUSE_MS = 50

/** Runs `call` at each leader of these partitions, all at once; asks for leaders again while brokers say that they are none. */
const atLeaders = async <T>(cluster: Cluster, topic: string, partitions: readonly number[], call: (link: Link, partitions: readonly number[]) => Promise<T[]>): Promise<T[]> => {
  const deadline = cluster.clock.monotonic() + LOOKUP_MS
  for (;;) {
    const groups = await cluster.byLeader(partitions.map((partition) => ({ topic, partition })))
    try {
      const answers = await Promise.all([...groups].map(async ([node, items]) => {
        const address = cluster.addressOf(node)
        if (!address) throw unavailableError(`broker ${node} has left the cluster`, { topic })
        return call(await cluster.links.to(address), items.map(({ partition }) => partition))
      }))
      return answers.flat()
    } catch (error) {
      const code = error instanceof TidemarkError ? error.details['brokerErrorCode'] : undefined
      cluster.forget(topic)
      if (!(typeof code === 'number' && isStaleLeader(code)) || cluster.clock.monotonic() >= deadline) throw error
      await cluster.clock.sleep(PAUSE_MS)
    }
  }
}

const listOffsets = async (link: Link, topic: string, partitions: readonly number[], timestamp: number, isolationLevel: 0 | 1): Promise<Map<number, number>> => {
  const answer = await link.call(api.listOffsets({ replicaId: -1, isolationLevel, topics: [{ topic, partitions: partitions.map((partition) => ({ partition, timestamp })) }] }))
  const found = new Map<number, number>()
  for (const { partition, errorCode, offset } of answer.responses.flatMap((entry) => entry.partitions)) {
    if (errorCode !== CODE.NONE) throw brokerError(errorCode, `ask for offsets of partition ${partition} of "${topic}"`, { topic, partition })
    found.set(partition, Number(offset))
  }
  return found
}

/** In partition order. All of them when `partitions` is left out. `LOG_TOPIC_MISSING`, `LOG_UNAVAILABLE`. */
export const partitionOffsets = async (cluster: Cluster, topic: string, partitions?: readonly number[]): Promise<PartitionOffsets[]> => {
  if (!partitions) cluster.forget(topic)
  const wanted = partitions ?? Array.from({ length: (await cluster.topic(topic)).partitions }, (_, partition) => partition)
  const found = await atLeaders(cluster, topic, wanted, async (link, ofLeader) => {
    // In this order, in which a broker takes what comes over one connection: start ≤ stable ≤ end holds although the log grows between the three answers.
    const [start, stable, end] = await Promise.all([listOffsets(link, topic, ofLeader, START, 0), listOffsets(link, topic, ofLeader, END, 1), listOffsets(link, topic, ofLeader, END, 0)])
    return ofLeader.map((partition) => ({ partition, start: start.get(partition) ?? -1, stable: stable.get(partition) ?? -1, end: end.get(partition) ?? -1 }))
  })
  return found.toSorted((a, b) => a.partition - b.partition)
}

/** DeleteRecords. Below the start: nothing happens. Above the end: `LOG_OUT_OF_RANGE`. */
export const trim = async (cluster: Cluster, topic: string, partition: number, before: number): Promise<void> => {
  const place = { topic, partition, offset: before }
  const doing = `delete records of partition ${partition} of "${topic}" below ${before}`
  const outOfRange = (why: string): TidemarkError => new TidemarkError(`${doing}: ${why}`, { code: 'LOG_OUT_OF_RANGE', blame: 'environment', action: 'fail-job', ...place })
  if (!Number.isSafeInteger(before) || before < 0) throw outOfRange('no such offset')
  const timeout = cluster.settings.requestTimeoutMs
  await atLeaders(cluster, topic, [partition], async (link) => {
    const answer = await link.call({ ...api.deleteRecords({ topics: [{ topic, partitions: [{ partition, offset: String(before) }] }], timeout }), requestTimeout: timeout })
    const code = answer.topics.flatMap(({ partitions }) => partitions).find((entry) => entry.partition === partition)?.errorCode
    if (code === CODE.OFFSET_OUT_OF_RANGE) throw outOfRange('that is above its end')
    if (code !== CODE.NONE) throw brokerError(code ?? -1, doing, place)
    return []
  })
}
