// What the jobs should have said of each user, from the input alone: each record counted once. Judged as each transaction commits, so that a record lost or
// doubled is seen at once; `missing` judges the end.
import { FLUSH, POISON } from '../events.ts'
import type { SimEvent } from '../events.ts'
import { RUNNING } from '../workload.ts'
import { saidIn } from './batches.ts'
import type { Committed } from './batches.ts'
import type { BatchRef, Lineage } from './lineage.ts'
import type { Violations } from './violations.ts'

interface Running {
  readonly key: string
  readonly count: number
  readonly sum: number
}

export class OutputCheck {
  readonly #written: readonly { readonly event: SimEvent }[]
  readonly #lineage: Lineage
  readonly #violations: Violations
  readonly #sums = new Map<string, number[]>()
  #summed = 0
  /** By sink and user: the counts said, in order. */
  readonly #said = new Map<string, { readonly of: BatchRef, readonly count: number }[]>()

  constructor(written: readonly { readonly event: SimEvent }[], lineage: Lineage, violations: Violations) {
    this.#written = written
    this.#lineage = lineage
    this.#violations = violations
  }

  committed(committed: Committed): void {
    for (const said of saidIn<Running>(committed.writes, RUNNING, this.#violations)) this.#running('the topic', committed.run, said, () => this.#lineage.resultOf(committed, said.key))
  }

  /** The marker sink has got it, which tells whose it is. */
  applied(of: BatchRef, said: Running): void {
    this.#running('the marker sink', of.run, said, () => of)
  }

  #running(sink: string, run: number, { key, count, sum }: Running, of: () => BatchRef): void {
    if (key.startsWith(FLUSH)) return
    if (key.startsWith(POISON)) return this.#violations.add('outputs', `${sink}, run ${run}: ${key} came through, which kills what processes it`)
    const words = this.#said.get(`${sink} ${key}`) ?? []
    this.#said.set(`${sink} ${key}`, words)
    const before = this.#lineage.last(run, words)?.count ?? 0
    if (count !== before + 1) this.#violations.add('outputs', `${sink}, run ${run}: ${key} counts ${count} after ${before}: ${count <= before ? 'doubled' : 'lost'}`)
    const expected = this.#sumsOf(key)[count - 1]
    if (sum !== expected) this.#violations.add('outputs', `${sink}, run ${run}: ${key} sums up to ${sum} at count ${count}, the input to ${expected ?? 'nothing: it is shorter'}`)
    words.push({ of: of(), count })
  }

  /** What has still to come, in words; empty when the run, and those that it goes on from, have said everything. */
  missing(run: number, sinks: readonly string[]): string[] {
    const missing: string[] = []
    this.#sum()
    for (const sink of sinks) {
      for (const [user, sums] of this.#sums) {
        const last = this.#lineage.last(run, this.#said.get(`${sink} ${user}`))?.count
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
