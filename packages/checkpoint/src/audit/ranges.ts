// What the log holds between the positions of consecutive batches, counted again: for sources records, for shuffles blocks and the records in them.
import { howMany, taskKey } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'
import type { AssignedPartition } from '../run.ts'
import { Findings } from './findings.ts'
import { inFlightTaken } from './journal.ts'
import type { AuditedBatch, JournalAudit } from './journal.ts'

/** Offsets of one partition that one batch passed, and what was found there. */
interface Range {
  readonly from: number
  readonly to: number
  readonly isShuffle: boolean
  /** Of a source's range: records. Of a shuffle's: blocks. */
  found: number
  blockRecords: number
  /** It can't be read any more, or is none of the log's. */
  unknown: boolean
}

interface BatchCount {
  readonly task: TaskRef
  readonly batch: AuditedBatch
  readonly journal: JournalAudit
  readonly ranges: Range[]
}

interface Wanted {
  readonly checksum: number
  readonly count: BatchCount
}

/** Everything that batches say of one partition of the log. */
export class PartitionRanges {
  readonly input: AssignedPartition
  readonly #ranges: Range[]
  readonly #checksums: ReadonlyMap<number, Wanted>
  readonly #into: Findings
  #findings = new Findings()
  #at = 0

  constructor(input: AssignedPartition, ranges: Range[], checksums: ReadonlyMap<number, Wanted>, findings: Findings) {
    this.input = input
    this.#ranges = ranges
    this.#checksums = checksums
    this.#into = findings
  }

  /** Where reading has to begin and end to see all that can be compared; undefined: nothing can. */
  span(start: number): { readonly from: number, readonly to: number } | undefined {
    const offsets = [...this.#ranges.filter(({ from }) => from >= start).flatMap(({ from, to }) => [from, to]), ...[...this.#checksums.keys()].filter((offset) => offset >= start).flatMap((offset) => [offset, offset + 1])]
    return offsets.length === 0 ? undefined : { from: offsets.reduce((least, offset) => Math.min(least, offset)), to: offsets.reduce((most, offset) => Math.max(most, offset)) }
  }

  /** Reading begins, or begins again, at `start`: what lies before it can't be compared. */
  begin(start: number): void {
    this.#at = 0
    this.#findings = new Findings()
    for (const range of this.#ranges) {
      range.found = 0
      range.blockRecords = 0
      range.unknown = range.from < start
    }
  }

  allUnknown(): void {
    for (const range of this.#ranges) range.unknown = true
  }

  /** Everything was read. */
  finish(): void {
    this.#into.take(this.#findings)
    this.#findings = new Findings()
  }

  /** One committed record; offsets ascend. `blockRecords`: of a shuffle's block. */
  take(offset: number, checksum: () => number, blockRecords = 0): void {
    const wanted = this.#checksums.get(offset)
    if (wanted !== undefined) {
      this.#findings.count('checksums')
      const found = checksum()
      if (found !== wanted.checksum) {
        const { topic, partition } = this.input
        this.#findings.add('record-changed', `${topic}/${partition} holds another record at ${offset} than batch ${wanted.count.batch.batchId} read there: checksum ${found}, not ${wanted.checksum}`, { ...placeOf(wanted.count), topic, topicPartition: partition, offset })
      }
    }
    let range = this.#ranges[this.#at]
    while (range !== undefined && offset >= range.to) {
      this.#at += 1
      range = this.#ranges[this.#at]
    }
    if (range === undefined || offset < range.from) return
    range.found += 1
    range.blockRecords += blockRecords
  }
}

const placeOf = ({ task, batch }: BatchCount) => ({ stage: task.stage, partition: task.partition, batchId: batch.batchId })

export class RangesAudit {
  readonly partitions: readonly PartitionRanges[]
  readonly #counts: readonly BatchCount[]
  readonly #findings: Findings

  /** `journals`: read to the cut. */
  constructor(journals: Iterable<JournalAudit>, findings: Findings) {
    this.#findings = findings
    const counts: BatchCount[] = []
    const partitions: PartitionRanges[] = []
    for (const journal of journals) {
      const { inputs, facts: { task } } = journal
      const own = journal.batches.map((batch): BatchCount => ({ task, batch, journal, ranges: [] }))
      counts.push(...own)
      for (const input of inputs) partitions.push(rangesOf(input, own, findings))
    }
    this.#counts = counts
    this.partitions = partitions
  }

  /** Everything was read: the counts against the books. */
  finish(): void {
    for (const one of this.partitions) one.finish()
    for (const count of this.#counts) {
      if (count.batch.before === undefined || count.ranges.some(({ unknown }) => unknown)) continue
      this.#sources(count)
      this.#shuffles(count)
    }
  }

  #sources(count: BatchCount): void {
    const { task, batch: { batchId, books }, journal } = count
    if (journal.facts.inputs.every(({ kind }) => kind !== 'topic')) return
    this.#findings.count('source ranges')
    const said = books.records - books.shuffleRecords
    const found = sum(count.ranges.filter(({ isShuffle }) => !isShuffle).map((range) => range.found))
    if (said !== found) this.#findings.differ('records-miscounted', found, said, `batch ${batchId} of ${taskKey(task)} took ${howMany(said, 'record')} from its topics; between its positions the log holds ${found}`, placeOf(count))
  }

  #shuffles(count: BatchCount): void {
    const { task, batch: { batchId, books, positions, before }, journal } = count
    if (journal.facts.inputs.every(({ kind }) => kind !== 'shuffle')) return
    const origin = positions.flatMap((position) => {
      const from = before?.find((one) => one.input === position.input && one.topic === position.topic && one.partition === position.partition)
      return from === undefined ? [] : inFlightTaken(from, position, journal.facts) ?? [Number.NaN]
    })
    if (origin.some((records) => Number.isNaN(records))) return
    this.#findings.count('shuffle ranges')
    const ranges = count.ranges.filter(({ isShuffle }) => isShuffle)
    const [blocks, records] = [sum(ranges.map((range) => range.found)) + origin.length, sum(ranges.map((range) => range.blockRecords)) + sum(origin)]
    if (books.blocks === blocks && books.shuffleRecords === records) return
    this.#findings.differ('blocks-miscounted', records, books.shuffleRecords, `batch ${batchId} of ${taskKey(task)} took ${howMany(books.blocks, 'block')} with ${howMany(books.shuffleRecords, 'record')}; between its positions there ${blocks === 1 ? 'is' : 'are'} ${blocks} with ${records}`, placeOf(count))
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)

const rangesOf = (input: AssignedPartition, counts: readonly BatchCount[], findings: Findings): PartitionRanges => {
  const ranges: Range[] = []
  const checksums = new Map<number, Wanted>()
  for (const count of counts) {
    const of = (one: { readonly input: string, readonly topic: string, readonly partition: number }): boolean => one.input === input.input && one.topic === input.topic && one.partition === input.partition
    const [from, to] = [count.batch.before?.find(of), count.batch.positions.find(of)]
    if (from !== undefined && to !== undefined && to.next > from.next) {
      const range: Range = { from: from.next, to: to.next, isShuffle: input.kind === 'shuffle', found: 0, blockRecords: 0, unknown: input.kind === 'file' || input.kind === 'generator' }
      ranges.push(range)
      count.ranges.push(range)
    }
    // Of a shuffle too: a block has a checksum like any record.
    if (to?.last !== undefined) checksums.set(to.last.offset, { checksum: to.last.checksum, count })
  }
  return new PartitionRanges(input, ranges.toSorted((a, b) => a.from - b.from), checksums, findings)
}
