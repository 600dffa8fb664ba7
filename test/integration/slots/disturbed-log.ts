// A log whose fetches a test can hold up, fail or leave without an answer; everything else is as it is.
import { realClock } from '@tidemark/base'
import type { FetchedPartition, FetchOptions, FetchRequest, Log, LogReader } from '@tidemark/base'

/** Looked at before each fetch. Rejecting fails it, `nothing` answers nothing when its wait is over, a pending promise holds it up. */
export type Disturbance = (requests: readonly FetchRequest[], options: FetchOptions) => Promise<'nothing' | undefined> | undefined

export interface DisturbedLog {
  readonly log: Log
  disturb: Disturbance | undefined
}

export const disturbedLog = (real: Log): DisturbedLog => {
  const reader = (inner: LogReader): LogReader => ({
    fetch: async (requests, options): Promise<FetchedPartition[]> => {
      if ((await disturbed.disturb?.(requests, options)) !== 'nothing') return inner.fetch(requests, options)
      await realClock.sleep(options.maxWaitMs)
      return []
    },
    close: () => inner.close(),
  })
  const disturbed: DisturbedLog = {
    disturb: undefined,
    log: new Proxy(real, {
      get: (target, name) => {
        if (name === 'reader') return () => reader(target.reader())
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    }),
  }
  return disturbed
}
