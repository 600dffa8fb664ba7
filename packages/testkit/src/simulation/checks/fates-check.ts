// What became of each record, from the input alone: of every batch that reads a source its books say exactly what of its records throws or kills, and its
// transaction holds the dead letters of these and no others; over all tasks of a stage each was set aside once.
import type { Placed } from '../cluster.ts'
import { isSetAside, passesShuffle } from '../events.ts'
import type { Shape, SimEvent } from '../events.ts'
import type { Variety } from '../variety.ts'
import { isIn } from './batches.ts'
import type { SeenBatch, Totals } from './batches.ts'
import { nameOf, nameOfLetter } from './dead-letter-check.ts'
import type { Violations } from './violations.ts'

export interface FatesOptions {
  readonly shape: Shape
  readonly variety: Variety
  readonly input: readonly Placed[]
  readonly deadLetterTopic: string
  readonly journals: ReadonlyMap<string, Totals>
  readonly violations: Violations
}

const STAGES = ['s0', 's1']

export class FatesCheck {
  readonly #options: FatesOptions
  /** The book in which it counts. */
  readonly #book: 'skipped' | 'deadLettered'
  readonly #otherBook: 'skipped' | 'deadLettered'

  constructor(options: FatesOptions) {
    this.#options = options
    const skips = options.variety.onError === 'skip'
    this.#book = skips ? 'skipped' : 'deadLettered'
    this.#otherBook = skips ? 'deadLettered' : 'skipped'
  }

  batch(batch: SeenBatch): void {
    const { of: { ref }, content: { batchId, books }, source } = batch
    const { input, journals } = this.#options
    const broken = (message: string): void => this.#options.violations.add('fates', `batch ${batchId} of run ${ref.run} ${ref.stage}-${ref.partition} ${message}`)
    const letters = this.#letters(batch)
    if (books[this.#otherBook] > 0) broken(`counts ${books[this.#otherBook]} records as ${this.#otherBook}, which this job has not`)
    if (source === undefined) {
      if (this.#book === 'deadLettered' && letters.length !== books.deadLettered) broken(`counts ${books.deadLettered} dead letters, its transaction has ${letters.length}: ${letters.join(', ')}`)
    } else {
      const taken = input.filter((placed) => isIn(placed, source))
      const wanted = taken.flatMap(({ event }) => (this.#stageOf(event) === ref.stage ? [nameOf(event)] : []))
      if (books.records !== source.to - source.from) broken(`counts ${books.records} records from ${source.from} to ${source.to}`)
      if (books[this.#book] !== wanted.length) broken(`counts ${books[this.#book]} records as ${this.#book}, of what it took these throw: ${wanted.join(', ')}`)
      if (this.#book === 'deadLettered' && letters.toSorted().join() !== wanted.toSorted().join()) broken(`has taken what throws (${wanted.join(', ')}), its transaction has other dead letters (${letters.join(', ')})`)
    }
    if (books[this.#book] === 0) return
    const [sum, most] = [this.#sum([...journals.values()], ref.run, ref.stage), this.#wanted(ref.stage)]
    if (sum > most) broken(`makes it ${sum} records ${this.#book} in ${ref.stage}, the input has ${most}`)
  }

  /** Of a run and those that it goes on from, in words. */
  missing(run: number): string[] {
    const journals = [...this.#options.journals.values()]
    return STAGES.flatMap((stage) => {
      const [sum, most] = [this.#sum(journals, run, stage), this.#wanted(stage)]
      return sum === most ? [] : [`${stage} counts ${sum} of ${most} records as ${this.#book}`]
    })
  }

  /** Of records of this task: what a timer throws is no record's. */
  #letters({ of: { ref: { stage, partition } }, writes }: SeenBatch): string[] {
    return writes.filter(({ topic }) => topic === this.#options.deadLetterTopic).flatMap(({ records }) => records)
      .filter(({ headers = {} }) => String(headers['tidemark-stage']) === stage && String(headers['tidemark-source-partition']) === String(partition))
      .map(({ value }) => nameOfLetter(value))
  }

  #stageOf(event: SimEvent): string | undefined {
    if (!isSetAside(event)) return undefined
    return this.#options.shape !== 'copartitioned' && passesShuffle(event) ? 's1' : 's0'
  }

  #wanted(stage: string): number {
    return this.#options.input.filter(({ event }) => this.#stageOf(event) === stage).length
  }

  #sum(journals: readonly Totals[], run: number, stage: string): number {
    let sum = 0
    for (const journal of journals) if (journal.of.ref.run === run && journal.of.ref.stage === stage) sum += journal.total(this.#book)
    return sum
  }
}
