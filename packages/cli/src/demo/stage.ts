// What the demo plays on: its cluster, log, driver's client, and a terminal with a clock that begins at zero.
import { TidemarkError } from '@tidemark/base'
import type { Clock, Log } from '@tidemark/base'
import { taskName } from '@tidemark/checkpoint'
import type { JobDescription, JobsClient, TaskDescription } from '@tidemark/wire'
import type { LocalCluster } from '../cluster/local-cluster.ts'
import { whenAborted } from '../exit.ts'
import { eventLine } from '../format/event.ts'
import type { Style, Terminal } from '../terminal.ts'

export const JOB = 'demo'
export const RERUN = 'Run it again with --keep: the logs of all processes stay.'
const POLL_MS = 20
/** One line for each task and step: the demo's own tables say it shorter. */
const DETAIL = /^(?:task\.(?:assigned|running|moving)|checkpoint\.(?:begun|removed))$/
const STEP_TIMEOUT_MS = 30_000

export interface StageOptions {
  readonly cluster: LocalCluster
  readonly log: Log
  readonly jobs: JobsClient
  readonly clock: Clock
  readonly terminal: Terminal
  readonly json: boolean
  /** Aborted by the user. */
  readonly signal: AbortSignal
}

export class Stage {
  readonly cluster: LocalCluster
  readonly log: Log
  readonly jobs: JobsClient
  readonly clock: Clock
  readonly terminal: Terminal
  readonly signal: AbortSignal
  readonly #json: boolean
  readonly #began: number

  constructor(options: StageOptions) {
    this.cluster = options.cluster
    this.log = options.log
    this.jobs = options.jobs
    this.clock = options.clock
    this.terminal = options.terminal
    this.signal = options.signal
    this.#json = options.json
    this.#began = options.clock.now()
  }

  /** `+3.20 s` */
  since(at: number): string {
    return `+${((at - this.#began) / 1_000).toFixed(2)} s`.padStart(9)
  }

  /** What happens, for people: beside the answer when that is JSON. */
  say(text: string, style?: Style): void {
    const { paint } = this.terminal
    this.show(`${paint('dim', this.since(this.clock.now()))}  ${style === undefined ? text : paint(style, text)}`)
  }

  show(text: string): void {
    if (this.#json) this.terminal.note(text)
    else this.terminal.line(text)
  }

  /** Prints what the driver reports, until the signal. */
  async follow(signal: AbortSignal): Promise<void> {
    const events = this.jobs.watchEvents({ after: 0, follow: true })[Symbol.asyncIterator]()
    const left = whenAborted(signal)
    for (;;) {
      const next = await Promise.race([events.next(), left])
      if (next === undefined || next.done === true) break
      if (!DETAIL.test(next.value.event)) this.show(eventLine(next.value, this.terminal.paint, this.since(next.value.at)))
    }
    // Cancels the call; its end is of no interest.
    events.return?.(undefined).catch(() => {})
  }

  /** Asks until the job is as wanted. */
  async until(what: string, wanted: (job: JobDescription) => boolean): Promise<JobDescription> {
    const deadline = this.clock.monotonic() + STEP_TIMEOUT_MS
    for (;;) {
      const job = await this.jobs.describe(JOB)
      if (wanted(job)) return job
      const { state, reason } = job.summary
      if (state === 'failed' || this.clock.monotonic() > deadline) {
        throw new TidemarkError(`the job did not come to: ${what}. It is ${state}${reason === undefined ? '' : ` (${reason})`}; ${job.tasks.map((task) => `${taskName(task)} ${task.phase}${task.waitingFor === undefined ? '' : `, ${task.waitingFor}`}`).join('; ')}`, {
          code: 'DEMO_STUCK', blame: 'bug', action: 'exit', hint: RERUN, ...job.error === undefined ? {} : { cause: new Error(`${job.error.code}: ${job.error.message}`) },
        })
      }
      await this.clock.sleep(POLL_MS, this.signal)
    }
  }
}

export const allRun = ({ summary, tasks }: JobDescription): boolean => tasks.length > 0 && summary.tasksRunning === tasks.length && tasks.every(({ phase }) => phase === 'running')

/** Which tasks each executor has, by label. */
export const byOwner = (tasks: readonly TaskDescription[]): Map<string, TaskDescription[]> => Map.groupBy(tasks.filter(({ executor }) => executor !== undefined), ({ executor }) => executor ?? '')
