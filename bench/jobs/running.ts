// The recovery workload's job: count and sum of each user so far, one result for each input.
import { count, job, json, sum, topic, topicSink } from 'tidemark'

interface Payment {
  readonly user: string
  readonly amount: number
  /** Milliseconds since 1970. */
  readonly ts: number
}

export default job('bench-running')
  .source('payments', topic('bench.payments', { value: json<Payment>(), timestamp: (payment) => payment.ts }))
  .keyBy((payment) => payment.user, { copartitioned: true })
  .aggregate('totals', { count: count(), sum: sum((payment) => payment.amount) }, { emit: 'updates' })
  .sink('totals', topicSink('bench.totals', { value: json() }))
