// Card fraud: five declined payments of one card within a minute raise an alert; alerts are then counted for each country.
// Shows keyed state, event-time timers, two shuffles, branches, a dead-letter policy and exactly-once files.
import { count, fileSink, job, json, max, topic, topicSink, tumbling } from 'tidemark'

interface Payment {
  readonly card: string
  readonly country: string
  readonly amount: number
  readonly status: 'approved' | 'declined'
  /** Milliseconds since 1970. */
  readonly ts: number
}
interface Declined extends Payment {
  readonly status: 'declined'
}
interface Attempts {
  readonly declined: number
  readonly amount: number
  readonly forgetAt: number
}
interface Alert {
  readonly id: string
  readonly card: string
  readonly country: string
  readonly declined: number
  readonly amount: number
}

const DECLINED_MAX = 5
const MINUTE_MS = 60_000

const fraud = job('fraud', { version: '1', parallelism: 4, onError: 'dead-letter', deadLetterTopic: 'payments.rejected' })

const alerts = fraud
  .source('payments', topic('payments', { value: json<Payment>(), timestamp: (payment) => payment.ts, outOfOrderness: '5s', idleAfter: '10s' }))
  .filter((payment): payment is Declined => payment.status === 'declined')
  .keyBy((payment) => payment.card)
  .process<Alert, Attempts>('declined-in-a-row', {
    state: () => ({ declined: 0, amount: 0, forgetAt: 0 }),
    onRecord(ctx, payment) {
      const before = ctx.state.get()
      // The timer fires once the watermark has passed it: a payment of a later minute may come sooner.
      const isFirst = before.declined === 0 || ctx.timestamp >= before.forgetAt
      if (isFirst && before.declined > 0) ctx.timers.delete(before.forgetAt)
      const forgetAt = isFirst ? ctx.timestamp + MINUTE_MS : before.forgetAt
      if (isFirst) ctx.timers.set(forgetAt)
      const declined = (isFirst ? 0 : before.declined) + 1
      const amount = (isFirst ? 0 : before.amount) + payment.amount
      if (declined < DECLINED_MAX) {
        ctx.state.set({ declined, amount, forgetAt })
        return
      }
      ctx.emit({ id: ctx.uuid(), card: ctx.key, country: payment.country, declined, amount })
      ctx.timers.delete(forgetAt)
      ctx.state.delete()
    },
    onTimer(ctx) {
      ctx.state.delete()
    },
  })

alerts.sink('alerts', topicSink('fraud-alerts', { value: json(), key: (alert) => alert.card }))

alerts
  .keyBy((alert) => alert.country)
  .window(tumbling('1h', { allowedLateness: '1m' }))
  .aggregate('alerts-per-country', { alerts: count(), worst: max((alert) => alert.amount) }, { emit: 'final' })
  .sink('report', fileSink('out/fraud-report'))

export default fraud
