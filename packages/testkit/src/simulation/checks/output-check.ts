// What the jobs should have said of each user, from the input alone: each record counted once. Judged as each transaction commits, so that a record lost or
// doubled is seen at once; `missing` judges the end.
import { FLUSH, POISON } from '../events.ts'
import type { SimEvent } from '../events.ts'
import type { CommittedWrite } from '../observed-broker.ts'
import { RUNNING } from '../workload.ts'
import { saidIn } from './batches.ts'
import type { Violations } from './violations.ts'

interface Running {
  readonly key: string
  readonly count: number
  readonly sum: number
}

/** How many records of a user lie before a restored run's positions; undefined: not known from the positions alone. */
export type Base = (user: string) => number | undefined

export class OutputCheck {
  readonly #written: readonly { readonly event: SimEvent }[]
  readonly #violations: Violations
  readonly #sums = new Map<string, number[]>()
  #summed = 0
  /** By sink, run and user: the last count. */
  readonly #last = new Map<string, number>()
  readonly #base = new Map<number, Base>()
  /** Of each run, the one whose checkpoint it began from. */
  readonly #origins = new Map<number, number>()

  constructor(written: readonly { readonly event: SimEvent }[], violations: Violations) {
    this.#written = written
    this.#violations = violations
  }

  /** `from`: the run whose checkpoint it begins from; undefined: it begins empty. */
  runBegins(run: number, base: Base, from: number | undefined): void {
    this.#base.set(run, base)
    if (from !== undefined) this.#origins.set(run, from)
  }

  /** A run, the one that it began from, and so on to one that began empty: what these said together is what there has to be. */
  lineage(run: number): readonly number[] {
    const from = this.#origins.get(run)
    return from === undefined ? [run] : [run, ...this.lineage(from)]
  }

  committed(run: number, writes: readonly CommittedWrite[]): void {
    for (const said of saidIn<Running>(writes, RUNNING, this.#violations)) this.running('the topic', run, said)
  }

  running(sink: string, run: number, { key, count, sum }: Running): void {
    if (key.startsWith(FLUSH)) return
    if (key.startsWith(POISON)) return this.#violations.add('outputs', `${sink}, run ${run}: ${key} came through, which kills what processes it`)
    const place = `${sink} ${run} ${key}`
    const before = this.#last.get(place) ?? this.#base.get(run)?.(key)
    if (before !== undefined && count !== before + 1) this.#violations.add('outputs', `${sink}, run ${run}: ${key} counts ${count} after ${before}: ${count <= before ? 'doubled' : 'lost'}`)
    const expected = this.#sumsOf(key)[count - 1]
    if (sum !== expected) this.#violations.add('outputs', `${sink}, run ${run}: ${key} sums up to ${sum} at count ${count}, the input to ${expected ?? 'nothing: it is shorter'}`)
    this.#last.set(place, count)
  }

  /** What has still to come, in words; empty when the present run has said everything. */
  missing(run: number, sinks: readonly string[]): string[] {
    const missing: string[] = []
    const lineage = this.lineage(run)
    this.#sum()
    for (const sink of sinks) {
      for (const [user, sums] of this.#sums) {
        const last = lineage.map((of) => this.#last.get(`${sink} ${of} ${user}`)).find((count) => count !== undefined)
        if (last !== sums.length) missing.push(`${sink}: ${user} is at ${last ?? 0} of ${sums.length}`)
      }
    }
    return missing
  }

  #sumsOf(user: string): readonly number[] {
    this.#sum()
    return this.#sums.get(user) ?? []
  }

  /** Running sums of each user, for what was written since. */
  #sum(): void {
    for (; this.#summed < this.#written.length; this.#summed += 1) {
      const event = this.#written[this.#summed]?.event
      if (event === undefined) return
      const sums = this.#sums.get(event.user) ?? []
      this.#sums.set(event.user, sums)
      sums.push((sums.at(-1) ?? 0) + event.amount)
    }
  }
}
