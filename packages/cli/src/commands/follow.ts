// A job as it goes: a picture that is redrawn in a terminal; without one a line when something has changed; with --json every answer.
import { asTidemarkError } from '@tidemark/base'
import type { JobDescription } from '@tidemark/wire'
import { withDrivers } from '../context.ts'
import type { Context } from '../context.ts'
import { exitCodeOf, EXIT, whenAborted } from '../exit.ts'
import { describeLines } from '../format/job.ts'
import { timeOfDay } from '../format/values.ts'
import { askAbout } from '../meant.ts'
import { restoringOf, restoringText, summaryText } from '../live/progress.ts'

const LIVE_MS = 250
const PLAIN_MS = 1_000
/** What changes all the time is said so often without a terminal. */
const PLAIN_STILL_MS = 10_000

/** What a line is printed for without a terminal. */
const changeOf = ({ summary, tasks, checkpoints: [newest] }: JobDescription): string =>
  JSON.stringify([summary.run, summary.state, summary.reason, summary.tasksRunning, newest?.checkpoint, tasks.map(({ phase, executorId }) => [phase, executorId])])

/**
 * Until it is interrupted, or `done`. A driver that does not answer is waited for once the first has: a leader that changes is nothing
 * unusual. Resolves with the last that was seen. `asJson`: what a line of --json is.
 */
export const followJob = async (context: Context, job: string, done: (description: JobDescription) => boolean, asJson: (description: JobDescription) => object = (description) => description): Promise<JobDescription | undefined> => {
  const { terminal, clock, json, signal } = context
  // It rejects when the user leaves, and that is looked for anyway.
  const pause = (ms: number): Promise<void> => clock.sleep(ms, signal).catch(() => undefined)
  const left = whenAborted(signal)
  let last: JobDescription | undefined
  let said = { change: '', at: -Infinity }
  await withDrivers(context, async (drivers) => {
    while (!signal.aborted) {
      try {
        // One that hangs must not keep who wants to leave.
        const answer = await Promise.race([askAbout(drivers, job, (client) => client.describe(job)), left])
        if (answer === undefined) break
        last = answer
      } catch (error) {
        if (last === undefined || exitCodeOf(error) !== EXIT.unreachable) throw error
        terminal.note(`${timeOfDay(clock.now())}  no driver answers: ${asTidemarkError(error).message}; it is asked again`)
        await pause(PLAIN_MS)
        continue
      }
      const [now, change] = [clock.monotonic(), changeOf(last)]
      const isNew = change !== said.change || now - said.at >= PLAIN_STILL_MS
      if (json) terminal.json(asJson(last))
      else if (terminal.live) terminal.frame(picture(last, context))
      else if (isNew) terminal.line(`${timeOfDay(clock.now())}  ${summaryText(last, clock.now())}`)
      if (isNew) said = { change, at: now }
      if (done(last)) break
      await pause(terminal.live && !json ? LIVE_MS : PLAIN_MS)
    }
  })
  terminal.keepFrame()
  return last
}

const picture = (description: JobDescription, { clock, terminal: { paint } }: Context): string[] => {
  const restoring = restoringOf(description)
  return [...restoring === undefined ? [] : [paint('yellow', restoringText(restoring, clock.now())), ''], ...describeLines(description, clock.now(), paint)]
}
