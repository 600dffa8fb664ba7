// What the timers of a job should have said, from the input alone: each fires once and in order of time, at its time, with what its key had in the span before it.
import { ECHO_MS } from '../alarms.ts'
import type { Alarm } from '../alarms.ts'
import type { Placed } from '../cluster.ts'
import { FLUSH, POISON, WINDOW_MS } from '../events.ts'
import type { CommittedWrite } from '../observed-broker.ts'
import { ALARMS } from '../workload.ts'
import { saidIn } from './batches.ts'
import type { Violations } from './violations.ts'

interface Span {
  count: number
  sum: number
  /** Its timer throws: it says nothing. */
  isBroken: boolean
}

export class AlarmsCheck {
  readonly #written: readonly Placed[]
  readonly #violations: Violations
  /** By user and beginning, of what was written so far. */
  readonly #spans = new Map<string, Span>()
  #summed = 0
  /** By run and user: the times said, in order. */
  readonly #said = new Map<string, number[]>()

  constructor(written: readonly Placed[], violations: Violations) {
    this.#written = written
    this.#violations = violations
  }

  committed(run: number, writes: readonly CommittedWrite[]): void {
    for (const alarm of saidIn<Alarm>(writes, ALARMS, this.#violations)) this.#alarm(run, alarm)
  }

  #alarm(run: number, { key, at, times, watermark, count, sum }: Alarm): void {
    const broken = (message: string): void => this.#violations.add('timers', `run ${run}: the timer of ${key} at ${at} ${message}`)
    if (key.startsWith(FLUSH) || key.startsWith(POISON)) return broken('fired, which nothing is behind')
    const place = `${run} ${key}`
    const said = this.#said.get(place) ?? []
    const last = said.at(-1) ?? -Infinity
    if (said.includes(at)) broken('fired twice')
    else if (at < last) broken(`fired behind that at ${last}`)
    this.#said.set(place, [...said, at])
    if (times.some((time) => time !== at)) broken(`was told that it is ${times.join(' and ')}`)
    if (watermark === undefined || watermark < at) broken(`fired at the watermark ${watermark}`)
    this.#sum()
    const span = this.#spans.get(`${key}@${at - WINDOW_MS - (at % WINDOW_MS === 0 ? 0 : ECHO_MS)}`)
    if (span === undefined) return broken('was set by no record')
    if (span.isBroken) broken('said something and throws')
    if (span.count !== count || span.sum !== sum) broken(`says ${count}/${sum}, the input ${span.count}/${span.sum}`)
  }

  /** `lineage`: the runs whose words count. */
  missing(lineage: readonly number[]): string[] {
    this.#sum()
    return [...this.#spans].flatMap(([name, { isBroken }]) => {
      const [user = '', start] = name.split('@')
      const said = lineage.flatMap((run) => this.#said.get(`${run} ${user}`) ?? [])
      const end = Number(start) + WINDOW_MS
      return isBroken ? [] : [end, end + ECHO_MS].filter((at) => !said.includes(at)).map((at) => `the timer of ${user} at ${at}`)
    })
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
