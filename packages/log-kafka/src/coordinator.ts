// Calls to a transaction coordinator: initialise an id, fence an id. Answers that say "not now, nothing was done" are tried again; a lost answer is not, unless the call is harmless twice.
import type { TransactionalId } from '@tidemark/base'
import { brokerError, clientError, CODE, mayTryAgain } from './errors.ts'
import type { WireCall } from './kafkajs.ts'
import * as api from './wire/api.ts'
import { LOOKUP_MS } from './wire/cluster.ts'
import type { Cluster } from './wire/cluster.ts'
import type { Address } from './wire/link.ts'
import type { Links } from './wire/links.ts'

/**
 * Between two tries while the coordinator still ends another transaction. Measured: that takes 3-7 ms, and kafkajs' default of 300 ms
 * would make a fence last as long.
 */
const CONCURRENT_PAUSE_MS = 2
/** While a coordinator moves or loads. */
const MOVE_PAUSE_MS = 50

export interface Producer {
  readonly producerId: string
  readonly producerEpoch: number
  readonly coordinator: Address
}

/** A call to the coordinator of `key`, repeated while its code says that nothing was done. `coordinator`: where to begin. */
export const callCoordinator = async <T>(cluster: Cluster, links: Links, key: string, coordinator: Address | undefined, doing: string, call: () => WireCall<T>, codeOf: (answer: T) => number): Promise<{ readonly answer: T, readonly coordinator: Address }> => {
  const deadline = cluster.clock.monotonic() + LOOKUP_MS
  let address = coordinator
  for (;;) {
    address ??= await cluster.coordinator('transaction', key)
    const link = await links.to(address)
    const answer = await link.call(call()).catch((error: unknown) => { throw clientError(error, doing) })
    const code = codeOf(answer)
    if (!mayTryAgain(code)) return { answer, coordinator: address }
    if (cluster.clock.monotonic() >= deadline) throw brokerError(code, doing)
    if (code !== CODE.CONCURRENT_TRANSACTIONS) address = undefined
    await cluster.clock.sleep(code === CODE.CONCURRENT_TRANSACTIONS ? CONCURRENT_PAUSE_MS : MOVE_PAUSE_MS)
  }
}

/** InitProducerId: aborts what an earlier session of this id left open, and waits until that is done. */
export const initialise = async (cluster: Cluster, links: Links, id: TransactionalId, transactionTimeoutMs: number): Promise<Producer> => {
  const doing = `initialise transactional id "${id}"`
  const request = api.initProducerId({ transactionalId: id, transactionTimeout: transactionTimeoutMs })
  const { answer, coordinator } = await callCoordinator(cluster, links, id, undefined, doing, () => request, ({ errorCode }) => errorCode)
  if (answer.errorCode !== CODE.NONE) throw brokerError(answer.errorCode, doing)
  return { producerId: answer.producerId, producerEpoch: answer.producerEpoch, coordinator }
}
