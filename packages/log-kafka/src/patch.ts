// Repairs of kafkajs 2.2.4, for every client of one copy of it: aborted records reach read_committed readers, and idle connections spin a 1 ms timer.
import { createRequire } from 'node:module'
import { TidemarkError } from '@tidemark/base'
import { AbortedTransactions, isAbortMarker } from './aborted.ts'
import type { KafkajsFetchAnswer, RequestQueue } from './kafkajs.ts'
import { checkKafkajsVersion } from './version.ts'

/**
 * Marks aborted records as control records, which kafkajs hides while it still counts their offsets, and empties the list that its own
 * filter misreads: it takes one entry per record, in the broker's order, and takes a key of four zero bytes for the abort marker.
 */
export const hideAborted = (answer: KafkajsFetchAnswer): void => {
  for (const { partitions } of answer.responses) {
    for (const partition of partitions) {
      if (!partition.abortedTransactions?.length) continue
      const aborted = new AbortedTransactions(partition.abortedTransactions.map((entry) => ({ producerId: entry.producerId, firstOffset: Number(entry.firstOffset) })))
      for (const message of partition.messages) {
        const { producerId, inTransaction } = message.batchContext
        const hidden = aborted.hides(producerId, Number(message.offset))
        if (message.isControlRecord) {
          if (isAbortMarker(message.key)) aborted.ended(producerId)
        } else if (inTransaction && hidden) message.isControlRecord = true
      }
      partition.abortedTransactions = []
    }
  }
}

/** What is repaired, of the copy of kafkajs that a module at `from` would import. `LOG_CLIENT_MISSING`, `LOG_CLIENT_VERSION`. */
export const innerPrototypes = (from: string | URL): { readonly broker: { fetch(request: unknown): Promise<KafkajsFetchAnswer> }, readonly requestQueue: RequestQueue } => {
  const require = createRequire(from)
  try {
    require.resolve('kafkajs/package.json')
  } catch (cause) {
    throw new TidemarkError(`kafkajs is not found from ${String(from)}`, {
      code: 'LOG_CLIENT_MISSING', blame: 'user', action: 'exit', cause, hint: 'Give the place of a file that imports kafkajs from node_modules: import.meta.url, or __filename. A copy inside a bundle can\'t be repaired: leave kafkajs out of the bundle.',
    })
  }
  checkKafkajsVersion((require('kafkajs/package.json') as { version: string }).version)
  return {
    broker: (require('kafkajs/src/broker') as { prototype: { fetch(request: unknown): Promise<KafkajsFetchAnswer> } }).prototype,
    requestQueue: (require('kafkajs/src/network/requestQueue') as { prototype: RequestQueue }).prototype,
  }
}

const repaired = new WeakSet<object>()

/**
 * Repairs the copy of kafkajs that a module at `from` would import (`import.meta.url`, or `__filename`), for all of its clients in this
 * process. Call it before the first consumer that reads output of transactions. Twice is as good as once.
 */
export const repairKafkajs = (from: string | URL): void => {
  const { broker, requestQueue } = innerPrototypes(from)
  if (repaired.has(broker)) return
  repaired.add(broker)
  const fetch = broker.fetch
  broker.fetch = async function (request) {
    const answer = await fetch.call(this, request)
    hideAborted(answer)
    return answer
  }
  // tulios/kafkajs#1704: the check re-arms itself for ever, also with nothing pending, and with a negative delay.
  const schedule = requestQueue.scheduleCheckPendingRequests
  requestQueue.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) schedule.call(this)
  }
}
