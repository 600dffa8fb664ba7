// Appends outside any transaction, for a person's input. Tried again only where the broker says that nothing was appended.
import type { Append, Appended } from '@tidemark/base'
import { isTidemarkError } from '@tidemark/base'
import { unavailableError } from './errors.ts'
import { cutRequest, gather, settle } from './outgoing.ts'
import { BatchEncoder } from './records/encode.ts'
import type { TopicConfig, TopicConfigs } from './topics/configs.ts'
import { LOOKUP_MS } from './wire/cluster.ts'
import type { Cluster } from './wire/cluster.ts'
import { produce } from './wire/produce.ts'

const MOVE_PAUSE_MS = 50
/** NOT_LEADER_OR_FOLLOWER and LEADER_NOT_AVAILABLE: the broker looked at nothing. */
const nothingAppended = (error: unknown): boolean => isTidemarkError(error) && (error.details['brokerErrorCode'] === 6 || error.details['brokerErrorCode'] === 5)

/** One entry per write, in order. A rejection may come after a part was appended; it is said which partition failed. */
export const write = async (cluster: Cluster, configs: TopicConfigs, writes: readonly Append[]): Promise<Appended[]> => {
  const encoder = new BatchEncoder()
  const appended: (Appended | undefined)[] = Array.from({ length: writes.length }, () => undefined)
  for (const outgoing of gather(writes)) {
    const { topic, partition } = outgoing
    const config: ReadonlyMap<string, TopicConfig> = new Map([[topic, await configs.of(topic)]])
    const deadline = cluster.clock.monotonic() + LOOKUP_MS
    while (outgoing.sent < outgoing.records.length) {
      const [node] = (await cluster.byLeader([{ topic, partition }])).keys()
      const address = node === undefined ? undefined : cluster.addressOf(node)
      if (!address) throw unavailableError(`the leader of partition ${partition} of "${topic}" has left the cluster`, { topic, partition })
      try {
        const [batch] = cutRequest([outgoing], config, encoder, cluster.clock.now(), () => undefined)
        if (!batch) break
        const [base] = await produce(await cluster.links.to(address), null, [batch], cluster.settings.requestTimeoutMs)
        settle(batch, base!, appended)
      } catch (error) {
        cluster.forget(topic)
        configs.forget(topic)
        if (!nothingAppended(error) || cluster.clock.monotonic() >= deadline) throw error
        await cluster.clock.sleep(MOVE_PAUSE_MS)
      }
    }
  }
  return appended.filter((entry) => entry !== undefined)
}
