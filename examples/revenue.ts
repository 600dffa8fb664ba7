// Revenue per user in tumbling windows of ten seconds: one final result for each user and window.
import { count, job, json, sum, topic, topicSink, tumbling } from 'tidemark'

interface Order {
  readonly user: string
  readonly amount: number
  /** Milliseconds since 1970. */
  readonly ts: number
}

export default job('revenue', { version: '1' })
  .source('orders', topic('orders', { value: json<Order>(), timestamp: (order) => order.ts, outOfOrderness: '2s' }))
  .keyBy((order) => order.user)
  .window(tumbling('10s', { allowedLateness: '1s' }))
  .aggregate('revenue-per-user', { orders: count(), total: sum((order) => order.amount) })
  .sink('totals', topicSink('revenue', { value: json() }))
