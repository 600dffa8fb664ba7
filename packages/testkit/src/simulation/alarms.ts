// A handler with timers: what came of a key in a span of time is said when the watermark has passed it, by a timer; and again a little later, by one that the first has set.
import type { ProcessHandler } from 'tidemark'
import { WINDOW_MS } from './events.ts'
import type { SimEvent } from './events.ts'

/** Between the two, ms. */
export const ECHO_MS = 25.5

interface Span {
  readonly count: number
  readonly sum: number
  /** Its timer throws. */
  readonly broken: boolean
}
/** Those that have not been said twice yet, by their beginnings. */
export type Spans = Record<string, Span>

export interface Alarm {
  readonly key: string
  /** What the timer was set for. */
  readonly at: number
  /** What its context says the time is. */
  readonly times: readonly number[]
  readonly watermark: number | undefined
  readonly count: number
  readonly sum: number
}

export const alarms: ProcessHandler<string, SimEvent, Alarm, Spans> = {
  state: () => ({}),
  onRecord: (ctx, { amount, fails, ts }) => {
    const spans = ctx.state.get()
    const start = Math.floor(ts / WINDOW_MS) * WINDOW_MS
    const { count, sum, broken } = spans[start] ?? { count: 0, sum: 0, broken: false }
    spans[start] = { count: count + 1, sum: sum + amount, broken: broken || fails === 'timer' }
    ctx.state.set(spans)
    ctx.timers.set(start + WINDOW_MS)
  },
  onTimer: (ctx, at) => {
    const isEcho = at % WINDOW_MS !== 0
    const start = at - WINDOW_MS - (isEcho ? ECHO_MS : 0)
    const spans = ctx.state.get()
    const { count, sum, broken } = spans[start] ?? { count: 0, sum: 0, broken: false }
    ctx.emit({ key: ctx.key, at, times: [ctx.timestamp, ctx.now], watermark: ctx.watermark, count, sum })
    if (isEcho) {
      delete spans[start]
      if (Object.keys(spans).length === 0) ctx.state.delete()
      else ctx.state.set(spans)
    } else ctx.timers.set(at + ECHO_MS)
    if (broken) throw new RangeError(`the timer of ${ctx.key} at ${at} throws`)
  },
}
