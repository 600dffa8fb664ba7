// The jobs' lives: what a submission, a cancellation, a failure or a finished procedure does to a job.
import type { JobId } from '@tidemark/base'
import type { ErrorMessage, JobState } from '@tidemark/wire'
import { newJob, replaceRun } from './jobs.ts'
import type { JobEntry } from './jobs.ts'
import { canMove, isLive, transition } from './lifecycle.ts'
import type { LifecycleMove } from './lifecycle.ts'
import type { Ownership, Parts } from './ownership.ts'
import type { DriverEvent, KnownJob } from './protocol.ts'

type JobDriverEvent = Extract<DriverEvent, { readonly kind: 'job-known' | 'drain' | 'cancel' | 'run-ready' | 'run-cancelled' | 'procedure-failed' }>

/** What runs, or is about to. */
const DRAINABLE: ReadonlySet<JobState> = new Set(['submitted', 'starting', 'restoring', 'running'])

export class JobsControl {
  readonly #with: Parts
  readonly #ownership: Ownership

  constructor(parts: Parts, ownership: Ownership) {
    this.#with = parts
    this.#ownership = ownership
  }

  handle(event: JobDriverEvent): void {
    if (event.kind === 'job-known') return this.#known(event.job)
    const job = this.#with.jobs.get(event.job)
    if (!job) return
    switch (event.kind) {
      case 'drain': return this.#drain(job)
      case 'cancel': return this.#cancel(job)
      case 'run-ready': return this.#ready(job, event.run, event.notes)
      case 'run-cancelled': return this.#cancelled(job, event.run)
      case 'procedure-failed': return this.#procedureFailed(job, event.run, event.error)
    }
  }

  /** Begins procedures that wait, or that failed and are tried again. */
  tick(): void {
    for (const job of this.#with.jobs.all()) this.#proceed(job)
  }

  fail(id: JobId, error: ErrorMessage): void {
    const job = this.#with.jobs.get(id)
    if (!job || !canMove(job.state, 'fail')) return
    this.#move(job, 'fail', error.message)
    job.error = error
    job.drain = false
    job.procedure = undefined
    this.#with.out.push({ kind: 'record-failure', job: id, run: job.run.record.run, error })
    this.#with.out.happened({ event: 'job.failed', job: id, level: 'error', message: `job ${id} has failed: ${error.code}: ${error.message}`, facts: { error } })
    this.#ownership.stopAll(job, 'move')
  }

  /** Its owners met `ended` records that this driver did not write. */
  over(id: JobId, reason: string): void {
    const job = this.#with.jobs.get(id)
    if (!job || !canMove(job.state, 'over')) return
    this.#move(job, 'over', reason)
    job.drain = false
    this.#with.out.happened({ event: 'job.ended', job: id, level: 'warn', message: `run ${job.run.record.run} of ${id} is over: ${reason}` })
    this.#ownership.stopAll(job, 'stop')
  }

  #known(known: KnownJob): void {
    const { jobs, out, settings } = this.#with
    const { job: id, run, from, jobVersion } = known.run.record
    const before = jobs.get(id)
    if (before !== undefined && before.state !== 'cancelled') {
      if (run <= before.run.record.run) return
      this.#move(before, 'restore', undefined)
      this.#ownership.stopAll(before, 'stop')
      replaceRun(before, known, out.nowMs)
      before.procedure = { running: false, notBeforeMs: out.nowMs }
      out.happened({ event: 'job.restoring', job: id, message: `run ${run} of ${id} starts from checkpoint ${from?.checkpoint}`, facts: { run, from } })
      return this.#proceed(before)
    }
    const started = known.state === 'started'
    const job = newJob(known, out.nowMs, started ? out.nowMs + settings.heartbeatTimeoutMs + settings.reconnectPauseMaxMs : out.nowMs)
    jobs.add(job)
    switch (known.state) {
      case 'new':
      case 'started':
        // Whether earlier runs are left to end is found by the procedure; a run from a checkpoint says so from the start.
        this.#move(job, from === null ? 'begin' : 'end-earlier', undefined)
        if (started) this.#move(job, 'ready', undefined)
        this.#drainIfWanted(job)
        job.procedure = { running: false, notBeforeMs: out.nowMs }
        break
      case 'cancelling':
      case 'cancelled':
        this.#move(job, 'cancel', undefined)
        if (known.state === 'cancelled') this.#move(job, 'cancelled', undefined)
        else job.procedure = { running: false, notBeforeMs: out.nowMs }
        break
      case 'failed':
        this.#move(job, 'fail', known.error?.message)
        job.drain = false
    }
    out.happened({ event: known.state === 'new' ? 'job.submitted' : 'job.found', job: id, message: `job ${id}, version ${jobVersion}, run ${run}: ${job.state}`, facts: { run, version: jobVersion, state: job.state } })
    this.#proceed(job)
  }

  #drain(job: JobEntry): void {
    if (job.drain || !DRAINABLE.has(job.state)) return
    job.drain = true
    this.#with.out.happened({ event: 'job.draining', job: job.id, message: `job ${job.id} is being drained: its tasks take no more input, and a last checkpoint is taken` })
    this.#drainIfWanted(job)
  }

  /** One that starts is drained once it runs. */
  #drainIfWanted(job: JobEntry): void {
    if (!job.drain || !canMove(job.state, 'drain')) return
    this.#move(job, 'drain', undefined)
    this.#with.checkpoints.hurry(job)
  }

  /** Its last checkpoint is written, and nothing was processed after it: what is left is to end the run. */
  drained(id: JobId, checkpoint: number): void {
    const job = this.#with.jobs.get(id)
    if (job?.state !== 'draining') return
    job.finalCheckpoint = checkpoint
    this.#with.out.happened({ event: 'job.drained', job: id, message: `job ${id} is drained: checkpoint ${checkpoint} is its last, a run from it goes on exactly there`, facts: { run: job.run.record.run, checkpoint } })
    this.#cancel(job)
  }

  #cancel(job: JobEntry): void {
    if (!canMove(job.state, 'cancel')) return
    const { out } = this.#with
    this.#move(job, 'cancel', undefined)
    out.happened({ event: 'job.cancelling', job: job.id, message: `job ${job.id} is being cancelled` })
    this.#ownership.stopAll(job, 'stop')
    job.procedure = { running: job.procedure?.running ?? false, notBeforeMs: out.nowMs }
    this.#proceed(job)
  }

  #proceed(job: JobEntry): void {
    const { generations, out } = this.#with
    const { procedure, state, id } = job
    if (procedure === undefined || procedure.running || out.nowMs < procedure.notBeforeMs) return
    procedure.running = true
    const { run } = job.run.record
    const generation = generations.next()
    out.push(state === 'cancelling' ? { kind: 'cancel-run', job: id, run, generation, ...(job.finalCheckpoint === undefined ? {} : { finalCheckpoint: job.finalCheckpoint }) } : { kind: 'start-run', job: id, run, generation, started: job.startedBefore })
  }

  #ready(job: JobEntry, run: number, notes: readonly string[]): void {
    if (run !== job.run.record.run || this.#afterCancel(job)) return
    job.procedure = undefined
    if (!canMove(job.state, 'ready')) return
    const first = !isLive(job.state)
    this.#move(job, 'ready', undefined)
    if (first) this.#with.out.happened({ event: 'job.started', job: job.id, message: `run ${run} of ${job.id} starts${notes.length > 0 ? `: ${notes.join('; ')}` : ''}`, facts: { run, notes } })
    this.#drainIfWanted(job)
  }

  /** A start that was under way when the job was cancelled has ended: now its topics can go. */
  #afterCancel(job: JobEntry): boolean {
    if (job.state !== 'cancelling' || job.procedure === undefined) return false
    job.procedure = { running: false, notBeforeMs: this.#with.out.nowMs }
    this.#proceed(job)
    return true
  }

  #cancelled(job: JobEntry, run: number): void {
    if (run !== job.run.record.run || job.state !== 'cancelling') return
    job.procedure = undefined
    this.#move(job, 'cancelled', undefined)
    this.#with.out.happened({ event: 'job.cancelled', job: job.id, message: `job ${job.id} is cancelled: its journals and shuffles are gone, its checkpoints and your topics stay`, facts: { run, ...(job.finalCheckpoint === undefined ? {} : { finalCheckpoint: job.finalCheckpoint }) } })
  }

  /** The environment's failures are tried again; others fail a job that starts. A cancellation is never given up. */
  #procedureFailed(job: JobEntry, run: number, error: ErrorMessage): void {
    const { out, settings } = this.#with
    if (run !== job.run.record.run || job.procedure === undefined) return
    out.happened({ event: 'job.procedure-failed', job: job.id, level: 'warn', message: `${job.state} ${job.id}: ${error.code}: ${error.message}`, facts: { error } })
    if (error.action !== 'retry' && job.state !== 'cancelling') {
      job.procedure = undefined
      this.fail(job.id, error)
      return
    }
    job.reason = `${error.code}: ${error.message}; it is tried again`
    job.procedure = { running: false, notBeforeMs: out.nowMs + settings.procedureRetryMs }
  }

  #move(job: JobEntry, move: LifecycleMove, reason: string | undefined): void {
    job.state = transition(job.id, job.state, move)
    job.reason = reason
  }
}
