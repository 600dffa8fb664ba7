// The demo's job: running totals of each user (nothing to shuffle), and sales of each product in windows of one second (a shuffle).
import { count, job, json, sum, topic, topicSink, tumbling } from 'tidemark'

export interface Order {
  readonly user: string
  readonly product: string
  readonly amount: number
  /** Milliseconds since 1970. */
  readonly ts: number
}

const demo = job('demo', { version: '1', parallelism: 4, checkpointInterval: '2s' })

const orders = demo.source('orders', topic('demo.orders', { value: json<Order>(), timestamp: (order) => order.ts, outOfOrderness: '1s' }))

orders
  .keyBy((order) => order.user, { copartitioned: true })
  .aggregate('total-per-user', { orders: count(), total: sum((order) => order.amount) })
  .sink('totals', topicSink('demo.totals', { value: json() }))

orders
  .keyBy((order) => order.product)
  .window(tumbling('1s'))
  .aggregate('sales-per-product', { orders: count(), total: sum((order) => order.amount) }, { emit: 'final' })
  .sink('sales', topicSink('demo.sales', { value: json() }))

// oxlint-disable-next-line import/no-default-export -- a job file is read by its default.
export default demo
