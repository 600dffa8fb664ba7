// Waits until executors have joined: a job that finds all of them is spread over all of them at once.
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import type { Clock } from '@tidemark/base'
import type { JobsClient } from '@tidemark/wire'
import { plural } from '../format/values.ts'

const JOIN_TIMEOUT_MS = 20_000
const LEAD_POLL_MS = 50

/** Of a driver that was just started: it may listen before it leads, and its events are those of this cluster. Resolves early when the signal is aborted. */
export const executorsJoined = async (jobs: JobsClient, count: number, clock: Clock, signal: AbortSignal): Promise<void> => {
  for (const deadline = clock.monotonic() + JOIN_TIMEOUT_MS; !signal.aborted; await clock.sleep(LEAD_POLL_MS)) {
    try {
      return await watchJoining(jobs, count, clock, signal)
    } catch (error) {
      if (!isTidemarkError(error) || error.code !== 'DRIVER_NOT_LEADER' || clock.monotonic() >= deadline) throw error
    }
  }
}

const watchJoining = async (jobs: JobsClient, count: number, clock: Clock, signal: AbortSignal): Promise<void> => {
  const events = jobs.watchEvents({ after: 0, follow: true })[Symbol.asyncIterator]()
  let end: () => void = () => {}
  const over = new Promise<undefined>((resolve) => {
    end = () => resolve(undefined)
  })
  const timer = clock.after(JOIN_TIMEOUT_MS, end)
  signal.addEventListener('abort', end, { once: true })
  try {
    for (let joined = 0; joined < count && !signal.aborted;) {
      const next = await Promise.race([events.next(), over])
      if (next?.done === false) joined += next.value.event === 'executor.joined' ? 1 : 0
      else if (!signal.aborted) throw new TidemarkError(`${joined} of ${plural(count, 'executor')} joined in ${JOIN_TIMEOUT_MS} ms`, { code: 'CLI_PROCESS_SILENT', blame: 'bug', action: 'exit', hint: 'Their logs say why.' })
    }
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', end)
    // Cancels the call; its end is of no interest.
    events.return?.(undefined).catch(() => {})
  }
}
