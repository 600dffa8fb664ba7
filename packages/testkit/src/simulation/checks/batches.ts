// Batches as the checks judge them: what a commit record says, beside what its transaction held and which records of the source it took.
import type { TaskRef } from '@tidemark/base'
import { paths, RecordAssembler } from '@tidemark/checkpoint'
import type { BatchContent, Books } from '@tidemark/checkpoint'
import type { Placed } from '../cluster.ts'
import type { CommittedWrite } from '../observed-broker.ts'
import type { Violations } from './violations.ts'

/** Offsets from `from` to right before `to`. */
export interface SourceRange {
  readonly partition: number
  readonly from: number
  readonly to: number
}

export interface SeenBatch {
  readonly of: { readonly ref: TaskRef }
  readonly content: Pick<BatchContent, 'batchId' | 'books'>
  readonly writes: readonly CommittedWrite[]
  /** Undefined: its task reads a shuffle. */
  readonly source: SourceRange | undefined
}

/** A task's books over all batches, those of the run that it goes on from included. */
export interface Totals {
  readonly of: { readonly ref: TaskRef }
  total(book: keyof Books): number
}

export const isIn = ({ partition, offset }: Placed, range: SourceRange): boolean => partition === range.partition && offset >= range.from && offset < range.to

/** A task within its run. */
export const taskOf = (stage: string, partition: number | string): string => `${stage}-${partition}`

/** What became real at once. */
export interface Committed {
  readonly run: number
  readonly writes: readonly CommittedWrite[]
  /** By task: the batch of it that is among this. */
  readonly batches: ReadonlyMap<string, number>
}

/** Of each task, by what its journal gets. */
export const batchesIn = (writes: readonly CommittedWrite[]): ReadonlyMap<string, number> => {
  const batches = new Map<string, number>()
  const assemblers = new Map<string, RecordAssembler>()
  for (const { topic, partition, records, baseOffset } of writes) {
    const internal = paths.parseInternalTopic(topic)
    if (internal?.kind !== 'journal') continue
    const task = taskOf(internal.name, partition)
    const assembler = assemblers.get(task) ?? new RecordAssembler()
    assemblers.set(task, assembler)
    for (const [i, { value }] of records.entries()) {
      const record = value instanceof Buffer ? assembler.pushFramed(value, baseOffset + i)?.record : undefined
      if (record?.kind === 'commit') batches.set(task, record.content.batchId)
    }
  }
  return batches
}

/** What is said in a topic, or in one partition of it. What is no JSON says nothing, and is noted. */
export const saidIn = <T>(writes: readonly CommittedWrite[], topic: string, violations: Violations, partition?: number): T[] => {
  const records = writes.flatMap((write) => (write.topic === topic && (partition === undefined || write.partition === partition) ? write.records : []))
  return records.flatMap(({ value }): T[] => {
    try {
      return [JSON.parse(String(value)) as T]
    } catch {
      violations.add('outputs', `${JSON.stringify(String(value))} in ${topic} is no JSON`)
      return []
    }
  })
}

interface Transaction {
  /** Offsets of its records in one journal. */
  readonly from: number
  readonly to: number
  readonly writes: readonly CommittedWrite[]
}

/** Transactions that were committed, until the journal is read up to them: what others hold open hides them meanwhile. */
export class Transactions {
  readonly #waiting = new Map<string, Transaction[]>()

  committed(writes: readonly CommittedWrite[], { topic, partition, records, baseOffset }: CommittedWrite): void {
    const key = `${topic}/${partition}`
    const waiting = this.#waiting.get(key) ?? []
    waiting.push({ from: baseOffset, to: baseOffset + records.length, writes })
    this.#waiting.set(key, waiting)
  }

  /** What the transaction held that wrote the journal there. */
  of(topic: string, partition: number, offset: number): readonly CommittedWrite[] {
    const key = `${topic}/${partition}`
    const waiting = this.#waiting.get(key)?.filter(({ to }) => to > offset) ?? []
    this.#waiting.set(key, waiting)
    // Another owner's may lie further on and have been committed before.
    return waiting.find(({ from }) => from <= offset)?.writes ?? []
  }
}
