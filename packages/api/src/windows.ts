// Windows over event time.
import type { Duration } from '@tidemark/base'

/** Event times in [start, end), ms since 1970. */
export interface Window {
  readonly start: number
  readonly end: number
}

export interface TumblingOptions {
  /** How long a window takes late records after the watermark has passed its end; its final result waits as long. Default 0. */
  readonly allowedLateness?: Duration
}

/** What `keyed.window` takes. Made by `tumbling`. */
export interface WindowSpec {
  readonly kind: 'tumbling'
  readonly size: Duration
  readonly allowedLateness: Duration
}

/**
 * Windows of one size, side by side, aligned to 1970 UTC: `[n * size, (n + 1) * size)`.
 *
 * @example
 * orders.keyBy((order) => order.user).window(tumbling('10s', { allowedLateness: '1s' }))
 */
export const tumbling = (size: Duration, options: TumblingOptions = {}): WindowSpec => ({ kind: 'tumbling', size, allowedLateness: options.allowedLateness ?? 0 })
