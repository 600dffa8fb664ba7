// tidemark events: what happened, and with --follow what happens.
import { withDrivers, withJobs } from '../context.ts'
import type { Context, Drivers } from '../context.ts'
import { whenAborted } from '../exit.ts'
import { eventLine } from '../format/event.ts'
import { summaryText } from '../live/progress.ts'
import { withJob } from '../meant.ts'

export interface EventsOptions {
  readonly job?: string
  readonly follow: boolean
}

/** Of a job that is not there, nothing is told; with `follow` it may yet come. */
export const showEvents = async (context: Context, { job, follow }: EventsOptions): Promise<void> => {
  const { terminal, signal } = context
  const below = follow && job !== undefined && terminal.live && !context.json ? showBelow(context, job) : undefined
  if (job !== undefined && !follow) await withJob(context, job, (client) => client.describe(job))
  let after = 0
  await withJobs(context, async (client) => {
    const events = client.watchEvents({ ...job === undefined ? {} : { job }, after, follow })[Symbol.asyncIterator]()
    // The driver is silent for as long as nothing happens: leaving must not wait for its next word.
    const left = whenAborted(signal)
    for (;;) {
      const next = await Promise.race([events.next(), left])
      if (next === undefined || next.done === true) return
      after = next.value.sequence
      if (context.json) terminal.json(next.value)
      else terminal.line(eventLine(next.value, terminal.paint))
    }
  }).finally(() => {
    if (below === undefined) return
    below.abort()
    terminal.status('')
  })
}

const BELOW_MS = 500

/** How the job is, below its events; until it is aborted. What can't be had is not shown: the events say what is wrong. */
const showBelow = (context: Context, job: string): AbortController => {
  const { terminal, clock, signal } = context
  const over = new AbortController()
  const either = AbortSignal.any([signal, over.signal])
  const show = async (drivers: Drivers): Promise<void> => {
    for (; !either.aborted; await clock.sleep(BELOW_MS, either)) {
      const description = await drivers.ask((client) => client.describe(job)).catch(() => undefined)
      if (!either.aborted) terminal.status(description === undefined ? '' : summaryText(description, clock.now()))
    }
  }
  // An interrupted sleep ends it, as an interrupted question does.
  void withDrivers(context, show).catch(() => undefined)
  return over
}
