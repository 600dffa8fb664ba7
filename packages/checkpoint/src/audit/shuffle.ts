// One shuffle, block by block: each writer's batches in order and whole, no block of a batch that its writer's journal does not have, and what
// writers say they sent against what stands in the blocks.
import { howMany } from '@tidemark/base'
import type { StageId } from '@tidemark/base'
import type { Block } from '../records/blocks.ts'
import { compareGenerations } from '../records/generation.ts'
import type { UpstreamMark } from '../records/records.ts'
import type { RunShuffle } from '../run.ts'
import { Findings } from './findings.ts'
import type { FaultKind } from './findings.ts'
import type { AuditedBatch, JournalAudit } from './journal.ts'

type Head = Pick<Block, 'stage' | 'partition' | 'batchId' | 'generation' | 'index' | 'count'>

/** What one partition of the shuffle holds of one writer. */
interface Writer {
  last: Head | undefined
  /** First batch that is there from its first block on; undefined: none was seen. */
  wholeFrom: number | undefined
}

export class ShufflePartitionAudit {
  readonly shuffle: RunShuffle
  readonly partition: number
  readonly reader: JournalAudit
  /** Records of each writer's batch here. */
  readonly sent = new Map<number, Map<number, number>>()
  readonly writers = new Map<number, Writer>()
  start = 0
  /** Records in blocks at or behind the reader's position, of batches in the writers' journals. */
  inFlight = 0
  readonly #journals: readonly JournalAudit[]
  readonly #into: Findings
  #findings = new Findings()
  /** The reader's batches by the position behind them, ascending, with what they say of writers. */
  readonly #steps: readonly { readonly next: number, readonly batch: AuditedBatch }[]
  #step = 0
  readonly #applied = new Map<number, number>()

  /** `writers`: journals of the writing stage by partition, each read to a cut that was fixed after the reader's. */
  constructor(shuffle: RunShuffle, partition: number, reader: JournalAudit, writers: readonly JournalAudit[], findings: Findings) {
    this.shuffle = shuffle
    this.partition = partition
    this.reader = reader
    this.#journals = writers
    this.#into = findings
    this.#steps = reader.batches.map((batch) => ({ next: this.#nextOf(batch.positions) ?? -1, batch }))
  }

  /** Reading begins, or begins again, here: what was seen before is forgotten. */
  begin(start: number): void {
    this.start = start
    this.#findings = new Findings()
    this.sent.clear()
    this.writers.clear()
    this.#applied.clear()
    this.inFlight = 0
    this.#step = 0
    // What these say of is gone from the log.
    while ((this.#steps[this.#step]?.next ?? Infinity) <= start) this.#step += 1
  }

  /** Offsets ascend. */
  take(block: Head, records: number, offset: number): void {
    this.#findings.count('blocks')
    this.#passSteps(offset)
    const journal = block.stage === this.shuffle.from ? this.#journals[block.partition] : undefined
    if (journal === undefined) return this.#fault('block-foreign', `the block at ${offset} was written by ${block.stage}-${block.partition}; ${this.shuffle.shuffle} is written by ${howMany(this.#journals.length, 'task')} of ${this.shuffle.from}`, block, offset)
    const reader = this.#nextOf(this.reader.positions ?? [])
    if (block.batchId > (journal.batchId ?? 0)) {
      // Behind the cut: not to be judged. A reader is never there.
      if (reader !== undefined && offset < reader) this.#fault('block-uncommitted', `the block at ${offset} is of batch ${block.batchId}, and was read; the journal of ${block.stage}-${block.partition} ends with batch ${journal.batchId ?? 0}`, block, offset, { doubled: records })
      return
    }
    this.#follows(block, records, offset)
    const sent = this.sent.get(block.partition) ?? new Map<number, number>()
    this.sent.set(block.partition, sent)
    sent.set(block.batchId, (sent.get(block.batchId) ?? 0) + records)
    if (reader === undefined || offset >= reader) this.inFlight += records
    else this.#applied.set(block.partition, block.batchId)
  }

  damaged(offset: number, why: string): void {
    this.#findings.add('block-damaged', why, { topic: this.shuffle.topic, topicPartition: this.partition, offset })
  }

  /** Everything up to the cut was read. */
  finish(): void {
    this.#passSteps(Infinity)
    for (const [, { last }] of this.writers) if (last !== undefined && last.index !== last.count - 1) this.#incomplete(last, last.index + 1, this.start)
    this.#into.take(this.#findings)
  }

  /** Marks of every batch of the reader whose position lies at or before `offset`. */
  #passSteps(offset: number): void {
    for (let step = this.#steps[this.#step]; step !== undefined && step.next <= offset; step = this.#steps[this.#step]) {
      this.#step += 1
      for (const [writer, applied] of this.#applied) {
        const mark: UpstreamMark | undefined = step.batch.upstreams.find((one) => one.input === this.shuffle.shuffle && one.partition === writer)
        if (mark?.batchId === applied) continue
        const { stage, partition } = this.reader.facts.task
        this.#findings.add('mark-wrong', `batch ${step.batch.batchId} of ${stage}-${partition} says it applied batch ${mark?.batchId ?? 'none'} of ${this.shuffle.from}-${writer}; before its position ${step.next} the last block is of batch ${applied}`, { stage, partition, batchId: step.batch.batchId })
      }
    }
  }

  #follows(block: Head, records: number, offset: number): void {
    const known = this.writers.get(block.partition)
    const last = known?.last
    // Where the log was trimmed a batch may have lost its first blocks.
    const cut = last === undefined && this.start > 0
    this.writers.set(block.partition, { last: block, wholeFrom: known?.wholeFrom ?? (block.index === 0 ? block.batchId : block.batchId + 1) })
    if (last !== undefined && (block.batchId < last.batchId || (block.batchId === last.batchId && block.index <= last.index))) {
      return this.#fault('block-doubled', `block ${block.index + 1} of ${block.count} of batch ${block.batchId} stands at ${offset}, behind block ${last.index + 1} of batch ${last.batchId}`, block, offset, { doubled: records })
    }
    if (last !== undefined && compareGenerations(block.generation, last.generation) < 0) this.#fault('generation-back', `the block of batch ${block.batchId} at ${offset} has a lower generation than that of batch ${last.batchId}`, block, offset)
    const same = last?.batchId === block.batchId
    if (last !== undefined && !same && last.index !== last.count - 1) this.#incomplete(last, last.index + 1, offset)
    const expected = same ? last.index + 1 : 0
    if (block.index !== expected && !cut) this.#incomplete(block, expected, offset)
  }

  #incomplete(block: Head, expected: number, offset: number): void {
    this.#fault('block-missing', `of batch ${block.batchId} of ${block.stage}-${block.partition} block ${expected + 1} of ${block.count} is missing`, block, offset)
  }

  #nextOf(positions: AuditedBatch['positions']): number | undefined {
    return positions.find((one) => one.input === this.shuffle.shuffle && one.partition === this.partition)?.next
  }

  #fault(kind: FaultKind, message: string, block: Head, offset: number, counted = {}): void {
    const known = block.stage === this.shuffle.from
    this.#findings.add(kind, `${this.shuffle.topic}/${this.partition}: ${message}`, {
      ...(known ? { stage: this.shuffle.from, partition: block.partition } : {}), batchId: block.batchId, topic: this.shuffle.topic, topicPartition: this.partition, offset,
    }, counted)
  }
}

/** What a stage sends its records to. */
export interface StageOutputs {
  readonly stage: StageId
  readonly topics: readonly string[]
  /** Sinks that are fed by the outbox: what they were sent is not in the log. */
  readonly outboxSinks: readonly string[]
  readonly shuffles: readonly string[]
}

/** Each batch of a stage that writes nothing but shuffles: as many records in its blocks as its books say; of other stages: not more. */
export const auditEmitted = (outputs: StageOutputs, journals: readonly JournalAudit[], partitions: readonly ShufflePartitionAudit[], findings: Findings): void => {
  const own = partitions.filter(({ shuffle }) => shuffle.from === outputs.stage)
  if (own.length === 0) return
  const onlyShuffles = outputs.topics.length === 0 && outputs.outboxSinks.length === 0
  for (const journal of journals) {
    const { stage, partition: writer } = journal.facts.task
    // From here on no block of this writer can have been trimmed anywhere.
    const from = Math.max(...own.map((one) => one.start === 0 ? 0 : one.writers.get(writer)?.wholeFrom ?? appliedOf(one, writer) + 1))
    for (const { batchId, books, offset } of journal.batches) {
      if (batchId < from) continue
      const sent = own.reduce((sum, one) => sum + (one.sent.get(writer)?.get(batchId) ?? 0), 0)
      findings.count('emitted')
      if (onlyShuffles ? sent === books.emitted : sent <= books.emitted) continue
      findings.differ('emitted-miscounted', books.emitted, sent, `batch ${batchId} of ${stage}-${writer} sent ${howMany(books.emitted, 'record')}; its blocks hold ${sent}`, { stage, partition: writer, batchId, offset })
    }
  }
}

const appliedOf = ({ reader, shuffle }: ShufflePartitionAudit, writer: number): number =>
  reader.content?.upstreams.find((mark) => mark.input === shuffle.shuffle && mark.partition === writer)?.batchId ?? 0
