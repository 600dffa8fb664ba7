// The windowed workload's job: count and sum of each user in tumbling windows of ten seconds, one final result each.
import { count, job, json, sum, topic, topicSink, tumbling } from 'tidemark'

interface Payment {
  readonly user: string
  readonly amount: number
  /** Milliseconds since 1970. */
  readonly ts: number
}

export default job('bench-windowed')
  .source('payments', topic('bench.payments', { value: json<Payment>(), timestamp: (payment) => payment.ts }))
  .keyBy((payment) => payment.user, { copartitioned: true })
  .window(tumbling('10s', { allowedLateness: '1s' }))
  .aggregate('totals', { count: count(), sum: sum((payment) => payment.amount) })
  .sink('totals', topicSink('bench.totals', { value: json() }))
