// The fence: InitProducerId on somebody's id, its answer thrown away. Harmless twice, so lost answers are tried again.
import type { TransactionalId } from '@tidemark/base'
import { isTidemarkError } from '@tidemark/base'
import { initialise } from './coordinator.ts'
import { LOOKUP_MS } from './wire/cluster.ts'
import type { Cluster } from './wire/cluster.ts'

const LOST_PAUSE_MS = 50

export const fence = async (cluster: Cluster, id: TransactionalId, transactionTimeoutMs: number): Promise<void> => {
  const deadline = cluster.clock.monotonic() + LOOKUP_MS
  for (;;) {
    try {
      await initialise(cluster, cluster.links, id, transactionTimeoutMs)
      return
    } catch (error) {
      if (!isTidemarkError(error) || error.code !== 'LOG_UNAVAILABLE' || cluster.clock.monotonic() >= deadline) throw error
      await cluster.clock.sleep(LOST_PAUSE_MS)
    }
  }
}
