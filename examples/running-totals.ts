// Orders and revenue of each user so far: one output for each input. The topic is keyed by user already, so nothing is shuffled.
import { count, job, json, sum, topic, topicSink } from 'tidemark'

interface Order {
  readonly user: string
  readonly amount: number
  /** Milliseconds since 1970. */
  readonly ts: number
}

export default job('running-totals', { version: '1' })
  .source('orders', topic('orders', { value: json<Order>(), timestamp: (order) => order.ts }))
  .keyBy((order) => order.user, { copartitioned: true })
  .aggregate('per-user', { orders: count(), total: sum((order) => order.amount) }, { emit: 'updates' })
  .map(({ key, orders, total }) => ({ user: key, orders, total }))
  .sink('totals', topicSink('running-totals', { value: json() }))
