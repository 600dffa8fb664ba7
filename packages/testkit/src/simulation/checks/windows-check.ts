// What windows should have said, from the input alone: each record counted once, each final result said once and whole. A record that may come late tells by its
// amount whether it is in a sum; whether it may be is told from where batches begin and end: late is what comes when its window was over before its batch.
import type { Placed } from '../cluster.ts'
import { FLUSH, isCounted, isSetAside, POISON, STRAGGLER_AMOUNT, WINDOW_MS } from '../events.ts'
import type { SimEvent } from '../events.ts'
import type { Variety } from '../variety.ts'
import { WINDOWS } from '../workload.ts'
import { isIn, saidIn, taskOf } from './batches.ts'
import type { Committed, SeenBatch, SourceRange, Totals } from './batches.ts'
import type { BatchRef, Lineage } from './lineage.ts'
import type { Violations } from './violations.ts'

interface Result {
  readonly key: string
  readonly window: { readonly start: number }
  readonly count: number
  readonly sum: number
}

/** What a result says, taken apart. */
interface Said {
  /** Records that are not late. */
  readonly prompt: number
  /** Of those that may be: which. */
  readonly stragglers: readonly number[]
}

interface Word extends Said {
  readonly of: BatchRef
}

/** `either`: batches do not tell. */
type Verdict = 'late' | 'in time' | 'either'

export interface WindowsOptions {
  readonly input: readonly Placed[]
  readonly variety: Variety
  readonly journals: ReadonlyMap<string, Totals>
  readonly lineage: Lineage
  readonly violations: Violations
}

const countOf = (said: Said | undefined): number => (said === undefined ? 0 : said.prompt + said.stragglers.length)
const startOf = (ts: number): number => Math.floor(ts / WINDOW_MS) * WINDOW_MS
const placeOf = ({ user, ts }: SimEvent): string => `${user}@${startOf(ts)}`

/** No result that it is in can be encoded. */
const isUnsayable = ({ fails }: SimEvent): boolean => fails === 'result'

/** Bits of the whole part are those that straggle. */
const takenApart = ({ count, sum }: Result): Said & { readonly rest: number } => {
  const stragglers: number[] = []
  for (let left = Math.floor(sum / STRAGGLER_AMOUNT), number = 1; left >= 1; left = Math.floor(left / 2), number += 1) if (left % 2 === 1) stragglers.push(number)
  return { prompt: count - stragglers.length, stragglers, rest: sum % STRAGGLER_AMOUNT }
}

export class WindowsCheck {
  readonly #options: WindowsOptions
  readonly #isFinal: boolean
  /** By place: what was said, in order. */
  readonly #words = new Map<string, Word[]>()
  /** Of those that straggle: what became of each. */
  readonly #verdicts = new Map<number, { readonly of: BatchRef, readonly verdict: Verdict }[]>()

  constructor(options: WindowsOptions) {
    this.#options = options
    this.#isFinal = options.variety.emit === undefined
  }

  committed(committed: Committed): void {
    for (const result of saidIn<Result>(committed.writes, WINDOWS, this.#options.violations)) this.#result(committed, result)
  }

  #result(committed: Committed, result: Result): void {
    const { run } = committed
    const { key, window: { start }, count, sum } = result
    const broken = (message: string): void => this.#options.violations.add('outputs', `run ${run}: window ${start} of ${key} ${message}`)
    if (key.startsWith(FLUSH)) return this.#isFinal ? broken('is closed, which nothing is behind') : undefined
    if (key.startsWith(POISON)) return broken('is of a record that kills what processes it')
    const place = `${key}@${start}`
    const words = this.#words.get(place) ?? []
    this.#words.set(place, words)
    const before = this.#options.lineage.last(run, words)
    const { rest, ...said } = takenApart(result)
    words.push({ ...said, of: this.#options.lineage.resultOf(committed, key) })
    const counted = countOf(before)
    if (this.#isFinal && before !== undefined) broken('was said twice')
    if (!this.#isFinal && count !== counted + 1) broken(`counts ${count} after ${counted}: ${count <= counted ? 'doubled' : 'lost'}`)
    const events = this.#eventsOf(place)
    if (events.some(isUnsayable)) broken('was said, and can not be encoded')
    const prompt = events.filter(isCounted)
    const expected = prompt.slice(0, Math.max(0, said.prompt)).reduce((total, { amount }) => total + amount, 0)
    if (rest !== expected || said.prompt > prompt.length || said.prompt < 0 || (this.#isFinal && said.prompt !== prompt.length)) broken(`says ${count}/${sum}, the input has ${prompt.length}/${prompt.reduce((total, { amount }) => total + amount, 0)} in time`)
    for (const number of said.stragglers) if (!events.some(({ straggles }) => straggles === number)) broken(`has record ${number} of those that straggle, which is of another`)
  }

  batch({ of: { ref: { run, stage, partition } }, content: { batchId, books }, source, writes }: SeenBatch): void {
    const { input, variety: { lateness }, violations } = this.#options
    const broken = (message: string): void => violations.add('late', `batch ${batchId} of run ${run} ${stage}-${partition} ${message}`)
    if (lateness === undefined) return books.late + (books.lateDrops ?? 0) > 0 ? broken(`counts ${books.late} records as late, and ${books.lateDrops} that a window dropped, when none comes late`) : undefined
    // Where records may come late, the task that reads them has the windows.
    if (source === undefined) return
    const of: BatchRef = { run, task: taskOf(stage, partition), batchId }
    const taken = input.filter((placed) => isIn(placed, source) && !isSetAside(placed.event))
    const verdicts = taken.flatMap((placed): Verdict[] => {
      const { straggles } = placed.event
      if (straggles === undefined) return []
      const verdict = this.#judge(placed, source, lateness)
      this.#verdicts.set(straggles, [...this.#verdicts.get(straggles) ?? [], { of, verdict }])
      return [verdict]
    })
    const [least, most] = [verdicts.filter((verdict) => verdict === 'late').length, verdicts.filter((verdict) => verdict !== 'in time').length]
    if (books.late < least || books.late > most) broken(`counts ${books.late} records as late, by the input there are ${least === most ? least : `${least} to ${most}`}`)
    if (books.lateDrops !== books.late) broken(`counts ${books.late} records as late, and ${books.lateDrops} that a window dropped`)
    const results = saidIn<Result>(writes, WINDOWS, violations, source.partition)
    if (!this.#isFinal && results.length !== taken.length - books.late) broken(`says ${results.length} changes of windows for ${taken.length} records, ${books.late} of them late`)
    for (const result of results) {
      if (result.key.startsWith(FLUSH)) continue
      const said = takenApart(result)
      const place = `${result.key}@${result.window.start}`
      for (const number of said.stragglers) if (this.#verdictOf(run, number) === 'late') broken(`has in window ${place} record ${number} of those that straggle, which came too late`)
      if (!this.#isFinal) continue
      for (const { straggles = 0 } of this.#eventsOf(place)) if (this.#verdictOf(run, straggles) === 'in time' && !said.stragglers.includes(straggles)) broken(`has in window ${place} no record ${straggles} of those that straggle, which came in time`)
    }
  }

  /** What has still to come of this run and those that it goes on from, in words. */
  missing(run: number): string[] {
    const { input, lineage, variety: { lateness } } = this.#options
    const missing = new Set<string>()
    const places = new Map<string, number>()
    for (const { event } of input) if (isCounted(event)) places.set(placeOf(event), (places.get(placeOf(event)) ?? 0) + 1)
    for (const { event } of input) if (isUnsayable(event)) places.delete(placeOf(event))
    for (const [place, records] of places) {
      if (lineage.last(run, this.#words.get(place))?.prompt !== records) missing.add(`window ${place}`)
    }
    if (lateness === undefined) return [...missing]
    const all = input.filter(({ event }) => isCounted(event) || event.straggles !== undefined).length
    const [folded, late] = [this.#folded(run), this.#late(run)]
    if (folded + late !== all) missing.add(`windows have ${folded} records, and ${late} are late, of ${all}`)
    return [...missing]
  }

  /** Its window was over when its batch began; or it was not when it came; or between the two it was over, and a batch may see that at once or later. */
  #judge({ event, offset }: Placed, { partition, from }: SourceRange, lateness: number): Verdict {
    const closesAt = startOf(event.ts) + WINDOW_MS + lateness
    if (this.#watermark(partition, from) >= closesAt) return 'late'
    return this.#watermark(partition, offset) < closesAt ? 'in time' : 'either'
  }

  /** The highest time before an offset: a task reads one partition. What can't be taken says no time. */
  #watermark(partition: number, offset: number): number {
    return this.#options.input.reduce((highest, placed) => (placed.partition === partition && placed.offset < offset && !isSetAside(placed.event) ? Math.max(highest, placed.event.ts) : highest), -Infinity)
  }

  #verdictOf(run: number, straggler: number): Verdict | undefined {
    return this.#options.lineage.last(run, this.#verdicts.get(straggler))?.verdict
  }

  #eventsOf(place: string): SimEvent[] {
    return this.#options.input.flatMap(({ event }) => (placeOf(event) === place && !isSetAside(event) ? [event] : []))
  }

  /** Records in the last words about each window. */
  #folded(run: number): number {
    return [...this.#words.values()].reduce((sum, words) => sum + countOf(this.#options.lineage.last(run, words)), 0)
  }

  #late(run: number): number {
    let late = 0
    for (const journal of this.#options.journals.values()) if (journal.of.ref.run === run) late += journal.total('late')
    return late
  }
}
