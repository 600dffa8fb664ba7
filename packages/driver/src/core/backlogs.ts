// Keeps shuffles from growing without end: while a reader is too far behind, the tasks that write what it reads are told to read nothing.
import type { StageId } from '@tidemark/base'
import { taskName } from '@tidemark/checkpoint'
import type { JobEntry, TaskEntry } from './jobs.ts'
import type { Parts } from './ownership.ts'

const MIB = 1024 * 1024
/** A pause is told again so often, ms. */
const TELL_INTERVAL_MS = 1_000
/** And holds for so long: without a driver nobody knows when it should end, so that it does, and the shuffle grows instead, ms. */
const PAUSE_MS = 5_000

/** Above the bound it is paused, and goes on at half of it. */
export const isTooFar = (before: boolean, behindBytes: number, bytesMax: number): boolean => behindBytes > (before ? bytesMax / 2 : bytesMax)

interface Over {
  readonly run: number
  readonly from: StageId
  toldAtMs: number
}

export class Backlogs {
  readonly #with: Omit<Parts, 'generations' | 'checkpoints'>
  /** Shuffles whose writers are paused, by job and shuffle. */
  readonly #over = new Map<string, Over>()
  /** By job, run, shuffle and reader. What is not known of a reader (it has no owner, or a new one) counts as it was last known, and what was written since with it. */
  readonly #behind = new Map<string, number>()
  /** Of writers: their tails when they were last looked at. */
  readonly #tails = new WeakMap<TaskEntry, number>()

  constructor(parts: Omit<Parts, 'generations' | 'checkpoints'>) {
    this.#with = parts
  }

  run(): void {
    const { jobs, out } = this.#with
    const seen = new Set<string>()
    for (const job of jobs.all()) {
      if (job.state !== 'running') continue
      const grown = this.#grown(job)
      for (const { shuffle, from, to, partitions } of job.run.record.shuffles) {
        const key = `${job.id} ${job.run.record.run} ${shuffle}`
        seen.add(key)
        this.#reckon(job, shuffle, to, (grown.get(from) ?? 0) / partitions)
        const reader = this.#farthest(job, shuffle, to)
        const over = this.#over.get(key)
        const tooFar = reader !== undefined && isTooFar(over !== undefined, reader.bytes, job.run.settings.shuffleBacklogBytesMax)
        if (over === undefined && tooFar) {
          this.#over.set(key, { run: job.run.record.run, from, toldAtMs: -Infinity })
          out.happened({ event: 'shuffle.paused', job: job.id, level: 'warn', message: `${taskName(reader.task.ref)} is ${mib(reader.bytes)} behind in shuffle ${shuffle}: stage ${from} pauses`, facts: { shuffle, bytes: reader.bytes, bytesMax: job.run.settings.shuffleBacklogBytesMax } })
        } else if (over !== undefined && !tooFar) {
          this.#over.delete(key)
          out.happened({ event: 'shuffle.resumed', job: job.id, message: `the readers of shuffle ${shuffle} have caught up: stage ${from} goes on`, facts: { shuffle } })
          // Another shuffle of the same stage may still be too far behind: it says so again.
          for (const [other, its] of this.#over) if (its.from === from && other.startsWith(`${job.id} ${over.run} `)) its.toldAtMs = -Infinity
          this.#tell(job, from, 0, '')
        }
      }
      for (const { shuffle, from, to } of job.run.record.shuffles) {
        const over = this.#over.get(`${job.id} ${job.run.record.run} ${shuffle}`)
        if (over === undefined || out.nowMs - over.toldAtMs < TELL_INTERVAL_MS) continue
        over.toldAtMs = out.nowMs
        this.#tell(job, from, PAUSE_MS, `paused: shuffle ${shuffle} is ${mib(this.#farthest(job, shuffle, to)?.bytes ?? 0)} behind`)
      }
    }
    for (const key of this.#over.keys()) if (!seen.has(key)) this.#over.delete(key)
    for (const key of this.#behind.keys()) if (!seen.has(key.slice(0, key.lastIndexOf(' ')))) this.#behind.delete(key)
  }

  /** What each stage's tasks have committed since the last look, bytes. What a snapshot has taken off their tails by then is missed; what a new owner reads again is none of it. */
  #grown(job: JobEntry): ReadonlyMap<StageId, number> {
    const grown = new Map<StageId, number>()
    for (const task of job.tasks.values()) {
      const bytes = task.status?.tail?.bytes
      if (task.status?.phase === 'taking-over') this.#tails.delete(task)
      if (bytes === undefined || task.status?.phase === 'taking-over') continue
      grown.set(task.ref.stage, (grown.get(task.ref.stage) ?? 0) + Math.max(0, bytes - (this.#tails.get(task) ?? bytes)))
      this.#tails.set(task, bytes)
    }
    return grown
  }

  /** `written`: for each partition of it since the last look, if keys are spread evenly. Journals are in it too: rather too much than too little. */
  #reckon(job: JobEntry, shuffle: string, stage: StageId, written: number): void {
    for (const task of job.tasks.values()) {
      if (task.ref.stage !== stage) continue
      const key = keyOf(job, shuffle, task)
      this.#behind.set(key, task.status?.inputs.find(({ input }) => input === shuffle)?.behindBytes ?? (this.#behind.get(key) ?? 0) + written)
    }
  }

  #farthest(job: JobEntry, shuffle: string, stage: StageId): { readonly task: TaskEntry, readonly bytes: number } | undefined {
    let farthest: { readonly task: TaskEntry, readonly bytes: number } | undefined
    for (const task of job.tasks.values()) {
      if (task.ref.stage !== stage) continue
      const bytes = this.#behind.get(keyOf(job, shuffle, task)) ?? 0
      if (farthest === undefined || bytes > farthest.bytes) farthest = { task, bytes }
    }
    return farthest
  }

  #tell(job: JobEntry, stage: StageId, forMs: number, reason: string): void {
    const { epoch, executors, out } = this.#with
    const tasks = [...job.tasks.values()].filter(({ ref, place }) => ref.stage === stage && place !== undefined)
    for (const [executor, own] of Map.groupBy(tasks, ({ place }) => place?.executor)) {
      if (executor !== undefined) out.send(executors.get(executor), { kind: 'pause', epoch, tasks: own.map(({ ref }) => ref), forMs, reason })
    }
  }
}

const keyOf = (job: JobEntry, shuffle: string, { ref }: TaskEntry): string => `${job.id} ${job.run.record.run} ${shuffle} ${ref.partition}`

const mib = (bytes: number): string => `${Math.round(bytes / MIB)} MiB`
