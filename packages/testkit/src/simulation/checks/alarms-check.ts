// What the timers of a job should have said, from the input alone: each fires once and in order of time, at its time, with what its key had in the span before it.
import { ECHO_MS } from '../alarms.ts'
import type { Alarm } from '../alarms.ts'
import type { Placed } from '../cluster.ts'
import { FLUSH, POISON, WINDOW_MS } from '../events.ts'
import { ALARMS } from '../workload.ts'
import { saidIn } from './batches.ts'
import type { Committed } from './batches.ts'
import type { BatchRef, Lineage } from './lineage.ts'
import type { Violations } from './violations.ts'

interface Span {
  count: number
  sum: number
  /** Its timer throws: it says nothing. */
  isBroken: boolean
}

export class AlarmsCheck {
  readonly #written: readonly Placed[]
  readonly #lineage: Lineage
  readonly #violations: Violations
  /** By user and beginning, of what was written so far. */
  readonly #spans = new Map<string, Span>()
  #summed = 0
  /** By user: the times said, in order. */
  readonly #said = new Map<string, { readonly of: BatchRef, readonly at: number }[]>()

  constructor(written: readonly Placed[], lineage: Lineage, violations: Violations) {
    this.#written = written
    this.#lineage = lineage
    this.#violations = violations
  }

  committed(committed: Committed): void {
    for (const alarm of saidIn<Alarm>(committed.writes, ALARMS, this.#violations)) this.#alarm(committed, alarm)
  }

  #alarm(committed: Committed, { key, at, times, watermark, count, sum }: Alarm): void {
    const { run } = committed
    const broken = (message: string): void => this.#violations.add('timers', `run ${run}: the timer of ${key} at ${at} ${message}`)
    if (key.startsWith(FLUSH) || key.startsWith(POISON)) return broken('fired, which nothing is behind')
    const said = this.#timesOf(run, key)
    const last = said.at(-1) ?? -Infinity
    if (said.includes(at)) broken('fired twice')
    else if (at < last) broken(`fired behind that at ${last}`)
    const words = this.#said.get(key) ?? []
    this.#said.set(key, words)
    words.push({ of: this.#lineage.resultOf(committed, key), at })
    if (times.some((time) => time !== at)) broken(`was told that it is ${times.join(' and ')}`)
    if (watermark === undefined || watermark < at) broken(`fired at the watermark ${watermark}`)
    this.#sum()
    const span = this.#spans.get(`${key}@${at - WINDOW_MS - (at % WINDOW_MS === 0 ? 0 : ECHO_MS)}`)
    if (span === undefined) return broken('was set by no record')
    if (span.isBroken) broken('said something and throws')
    if (span.count !== count || span.sum !== sum) broken(`says ${count}/${sum}, the input ${span.count}/${span.sum}`)
  }

  missing(run: number): string[] {
    this.#sum()
    return [...this.#spans].flatMap(([name, { isBroken }]) => {
      const [user = '', start] = name.split('@')
      const said = this.#timesOf(run, user)
      const end = Number(start) + WINDOW_MS
      return isBroken ? [] : [end, end + ECHO_MS].filter((at) => !said.includes(at)).map((at) => `the timer of ${user} at ${at}`)
    })
  }

  /** What counts for this run. */
  #timesOf(run: number, user: string): number[] {
    return this.#said.get(user)?.flatMap(({ of, at }) => (this.#lineage.counts(run, of) ? [at] : [])) ?? []
  }

  #sum(): void {
    for (; this.#summed < this.#written.length; this.#summed += 1) {
      const event = this.#written[this.#summed]?.event
      if (event === undefined) return
      const name = `${event.user}@${event.ts - (event.ts % WINDOW_MS)}`
      const span = this.#spans.get(name) ?? { count: 0, sum: 0, isBroken: false }
      this.#spans.set(name, { count: span.count + 1, sum: span.sum + event.amount, isBroken: span.isBroken || event.fails === 'timer' })
    }
  }
}
