// Repairs of kafkajs 2.2.4, for every client in this process: aborted records reach read_committed readers, and idle connections spin a 1 ms timer.
import { AbortedTransactions, isAbortMarker } from './aborted.ts'
import { innerPrototypes } from './kafkajs.ts'
import type { KafkajsFetchAnswer, RequestQueue } from './kafkajs.ts'

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

let repaired = false

/** Idempotent. Call it before the first kafkajs consumer of a process that reads output of transactions. */
export const repairKafkajs = (): void => {
  if (repaired) return
  repaired = true
  const { broker, requestQueue } = innerPrototypes
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
