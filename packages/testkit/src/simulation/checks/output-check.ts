// What the jobs should have said, from the input alone: each record counted once, each window said once. Judged as each transaction commits,
// so that a record lost or doubled is seen at once; `missing` and `final` judge the end.
import type { CommittedWrite } from '../observed-broker.ts'
import { FLUSH, POISON, RUNNING, WINDOW_MS, WINDOWS } from '../workload.ts'
import type { SimEvent } from '../workload.ts'
import type { Violations } from './violations.ts'

interface Running {
  readonly key: string
  readonly count: number
  readonly sum: number
}
type Windowed = Running & { readonly window: { readonly start: number } }

/** How many records of a user lie before a restored run's positions; undefined: not known from the positions alone. */
export type Base = (user: string) => number | undefined

export class OutputCheck {
  readonly #written: readonly { readonly event: SimEvent }[]
  readonly #violations: Violations
  readonly #sums = new Map<string, number[]>()
  #summed = 0
  /** By sink, run and user: the last count. */
  readonly #last = new Map<string, number>()
  readonly #windows = new Map<string, Windowed>()
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
    for (const { topic, records } of writes) {
      if (topic !== RUNNING && topic !== WINDOWS) continue
      for (const { value } of records) {
        const said = JSON.parse(String(value)) as Windowed
        if (topic === RUNNING) this.running('the topic', run, said)
        else this.#window(run, said)
      }
    }
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

  #window(run: number, said: Windowed): void {
    if (said.key.startsWith(FLUSH)) return
    if (said.key.startsWith(POISON)) return this.#violations.add('outputs', `run ${run}: ${said.key}, which kills what processes it, is in a window`)
    const place = `${run} ${said.key}@${said.window.start}`
    if (this.#windows.has(place)) this.#violations.add('outputs', `run ${run}: window ${said.window.start} of ${said.key} was said twice`)
    this.#windows.set(place, said)
    const expected = this.#windowOf(said.key, said.window.start)
    if (said.count !== expected.count || said.sum !== expected.sum) {
      this.#violations.add('outputs', `run ${run}: window ${said.window.start} of ${said.key} says ${said.count}/${said.sum}, the input ${expected.count}/${expected.sum}`)
    }
  }

  /** What has still to come, in words; empty when the present run has said everything. `marked`: there is a marker sink too. */
  missing(run: number, sinks: readonly string[], windows: boolean): string[] {
    const missing: string[] = []
    const lineage = this.lineage(run)
    this.#sum()
    for (const sink of sinks) {
      for (const [user, sums] of this.#sums) {
        const last = lineage.map((of) => this.#last.get(`${sink} ${of} ${user}`)).find((count) => count !== undefined)
        if (last !== sums.length) missing.push(`${sink}: ${user} is at ${last ?? 0} of ${sums.length}`)
      }
    }
    if (windows) {
      const said = new Set([...this.#windows.keys()].flatMap((place) => (lineage.includes(Number.parseInt(place, 10)) ? place.slice(place.indexOf(' ') + 1) : [])))
      for (const { event: { user, ts } } of this.#written) {
        const place = `${user}@${ts - (ts % WINDOW_MS)}`
        if (!said.has(place)) missing.push(`window ${place}`)
        said.add(place)
      }
    }
    return missing
  }

  #windowOf(key: string, start: number): { readonly count: number, readonly sum: number } {
    let [count, sum] = [0, 0]
    for (const { event } of this.#written) {
      if (event.user !== key || event.ts < start || event.ts >= start + WINDOW_MS) continue
      count += 1
      sum += event.amount
    }
    return { count, sum }
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
