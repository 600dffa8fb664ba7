// The demo's status: one line that a terminal replaces, or a line a second without one.
import { number, numberOr, plural } from '../format/values.ts'
import type { Feeder } from './orders.ts'
import { JOB } from './stage.ts'
import type { Stage } from './stage.ts'
import type { Watcher } from './watcher.ts'

const LIVE_MS = 200
const PLAIN_MS = 1_000

export const showStatus = async (stage: Stage, watcher: Watcher, feeder: Feeder, signal: AbortSignal): Promise<void> => {
  const { terminal, clock, jobs } = stage
  let [before, beforeAt] = [0, clock.monotonic()]
  while (!signal.aborted) {
    await clock.sleep(terminal.live ? LIVE_MS : PLAIN_MS, signal)
    const job = await jobs.describe(JOB).catch(() => undefined)
    if (job === undefined || signal.aborted) continue
    const [events, now] = [feeder.written.length, clock.monotonic()]
    const rate = Math.round((events - before) / (now - beforeAt) * 1_000)
    ;[before, beforeAt] = [events, now]
    const alive = job.executors.filter(({ state }) => state === 'alive' || state === 'draining').length
    const text = `${plural(alive, 'executor')} · ${job.summary.tasksRunning}/${job.summary.tasks} tasks · ${number(events)} in (${number(rate)}/s) · ${number(watcher.counted)} results · lag ${numberOr(job.summary.lag)}`
    if (terminal.live) terminal.status(text)
    else stage.say(text)
  }
}
