// tidemark events: what happened, and with --follow what happens.
import { withJobs } from '../context.ts'
import type { Context } from '../context.ts'
import { eventLine } from '../format/event.ts'

export interface EventsOptions {
  readonly job?: string
  readonly follow: boolean
}

export const showEvents = async (context: Context, { job, follow }: EventsOptions): Promise<void> => {
  const { terminal, signal } = context
  let after = 0
  await withJobs(context, async (client) => {
    const events = client.watchEvents({ ...job === undefined ? {} : { job }, after, follow })[Symbol.asyncIterator]()
    // The driver is silent for as long as nothing happens: leaving must not wait for its next word.
    const left = new Promise<undefined>((resolve) => {
      if (signal.aborted) resolve(undefined)
      else signal.addEventListener('abort', () => resolve(undefined), { once: true })
    })
    for (;;) {
      const next = await Promise.race([events.next(), left])
      if (next === undefined || next.done === true) return
      after = next.value.sequence
      if (context.json) terminal.json(next.value)
      else terminal.line(eventLine(next.value, terminal.paint))
    }
  })
}
