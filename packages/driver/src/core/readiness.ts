// Slots get ready for a run before they get its tasks: a planned move then pauses its task for a takeover and no longer, and a death finds
// slots whose bundle is loaded and whose session is begun. What no task needs now stands by, for each job in turn.
import type { ExecutorId } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { ExecutorRegistry, RunKey, SlotEntry } from './executors.ts'
import type { JobEntry, JobTable } from './jobs.ts'
import type { Out } from './out.ts'
import { slotKey } from './placement.ts'
import type { SlotRef } from './placement.ts'

const runOf = (job: JobEntry): RunKey => ({ job: job.id, run: job.run.record.run })
const same = (a: RunKey | undefined, b: RunKey): boolean => a?.job === b.job && a.run === b.run

/** Its process has a session of this run: what it is given is taken over at once. */
const isReady = (slot: SlotEntry, run: RunKey): boolean =>
  slot.process !== undefined && !slot.doomed && slot.transactionalId !== undefined && same(paths.parseTransactionalId(slot.transactionalId), run)

export class Readiness {
  readonly #epoch: number
  readonly #executors: ExecutorRegistry
  readonly #jobs: JobTable
  readonly #out: Out

  constructor({ epoch, executors, jobs, out }: { readonly epoch: number, readonly executors: ExecutorRegistry, readonly jobs: JobTable, readonly out: Out }) {
    this.#epoch = epoch
    this.#executors = executors
    this.#jobs = jobs
    this.#out = out
  }

  isReady(ref: SlotRef, job: JobEntry): boolean {
    const slot = this.#slot(ref)
    return slot !== undefined && isReady(slot, runOf(job))
  }

  /** Which of these jobs each slot works for or gets ready for: slot key → job and run, as placement names them. */
  bound(jobs: readonly JobEntry[], usable: readonly SlotRef[], nameOf: (job: JobEntry) => string): Map<string, string> {
    return new Map(usable.flatMap((ref) => {
      const job = jobs.find((one) => same(this.#slot(ref)?.run, runOf(one)))
      return job === undefined ? [] : [[slotKey(ref), nameOf(job)] as const]
    }))
  }

  /** Tells the slots that placement wants, then those that are left over. A process that works, or stands by for a job that runs, is left alone by the latter. */
  prepare(jobs: readonly JobEntry[], targets: ReadonlyMap<string, SlotRef>, usable: readonly SlotRef[]): void {
    const busy = new Set(this.#jobs.placed().map(({ place: { executor, slot } }) => slotKey({ executor, slot })))
    const wanted = new Set<string>()
    for (const job of jobs) {
      for (const key of job.tasks.keys()) {
        const target = targets.get(key)
        if (target === undefined || wanted.has(slotKey(target))) continue
        wanted.add(slotKey(target))
        if (!busy.has(slotKey(target))) this.#tell(target, job)
      }
    }
    const standing = new Map(jobs.map((job) => [job, 0]))
    const fresh: SlotRef[] = []
    for (const ref of usable.filter((one) => !busy.has(slotKey(one)) && !wanted.has(slotKey(one)))) {
      const job = jobs.find((one) => same(this.#slot(ref)?.run, runOf(one)))
      if (job === undefined) fresh.push(ref)
      else standing.set(job, (standing.get(job) ?? 0) + 1)
    }
    for (const ref of fresh) {
      const [next] = [...standing].toSorted(([, a], [, b]) => a - b)
      if (next === undefined) return
      if (this.#tell(ref, next[0])) standing.set(next[0], next[1] + 1)
    }
  }

  #slot({ executor, slot }: SlotRef): SlotEntry | undefined {
    return this.#executors.get(executor as ExecutorId)?.slots[slot]
  }

  #tell(ref: SlotRef, job: JobEntry): boolean {
    const executor = this.#executors.get(ref.executor as ExecutorId)
    const slot = executor?.slots[ref.slot]
    const run = runOf(job)
    if (executor?.connection === undefined || slot?.process === undefined || slot.doomed || same(slot.run, run) || this.#out.nowMs < slot.notBeforeMs) return false
    slot.run = run
    this.#out.send(executor, { kind: 'prepare', epoch: this.#epoch, slot: ref.slot, ...run })
    return true
  }
}
