// Reads one journal partition through the Log port, record by record, and keeps what a reader of it must know: the owners seen, the
// chain of batches, and where to read on. The one place that turns log records into journal records.
import { invariantBroken, isTidemarkError } from '@tidemark/base'
import type { FetchedPartition, LogReader, TaskRef } from '@tidemark/base'
import { foldCommit } from '../ownership/chain.ts'
import type { Chain } from '../ownership/chain.ts'
import { emptyView, passOwn, see } from '../ownership/view.ts'
import type { JournalView } from '../ownership/view.ts'
import { peekRecord, RecordAssembler } from '../records/codec.ts'
import type { FramedRecord } from '../records/codec.ts'
import { compareGenerations, sameOwner } from '../records/generation.ts'
import type { JournalRecord, Stamp } from '../records/records.ts'

/** What one fetch of a journal asks for, bytes: records of that size may wait for their turn to be decoded. */
export const JOURNAL_FETCH_BYTES_MAX = 1024 * 1024

export interface PlacedRecord {
  readonly record: FramedRecord
  /** Offset of its first part. */
  readonly offset: number
  /** Right behind its last part. */
  readonly next: number
  readonly bytes: number
}

interface Stretch {
  readonly from: number
  /** Exclusive. */
  readonly to: number
}

/** Takes all steps, and may let others have their turns between two. */
export type Turns = (steps: Iterable<void>) => unknown

const allAtOnce: Turns = (steps) => {
  for (const _ of steps) continue
}

export class JournalCursor {
  readonly task: TaskRef
  readonly topic: string
  /** The next offset to fetch. */
  next: number
  /** Right behind the last whole record seen: where another reader may begin. */
  recordNext: number
  view: JournalView
  chain: Chain
  /**
   * Where it begins may lie inside a record of several parts that is applied already, when another writer's record came between the parts:
   * what is left of it is passed over. A record that is really missing is seen by the chain.
   */
  #assembler = new RecordAssembler({ midway: true })
  /** Where others' records may lie that were not read, oldest first. */
  #jumped: readonly Stretch[] = []
  /** Who passed own records. */
  #own: Stamp | undefined
  /** The next offset may be the end of the own transaction, on a log where that takes one. */
  #endsBehind = false

  /** `chain` is what `begin` is exact after: that of a snapshot, or of nothing at the journal's start. */
  constructor(task: TaskRef, topic: string, begin: number, chain: Chain, view: JournalView = emptyView()) {
    this.task = task
    this.topic = topic
    this.next = begin
    this.recordNext = begin
    this.chain = chain
    this.view = view
  }

  /**
   * Reads what one fetch gives of what is committed, from `next` until `upTo` (exclusive); folds owners and chain on the way. Whether there
   * is more, `next` tells. An error that says to try again comes before anything is folded, and the same call may follow; behind any other the cursor is of no use.
   * `LOG_OUT_OF_RANGE` when the journal no longer reaches back to `next`: somebody went on (the caller gives up, or starts over).
   * `turns` takes the steps of decoding what was fetched; `next` stands until they are taken.
   */
  async read(reader: LogReader, upTo: number, maxWaitMs = 0, turns: Turns = allAtOnce): Promise<readonly PlacedRecord[]> {
    const fetched = this.next < upTo ? await this.#fetch(this.next, reader, maxWaitMs) : undefined
    if (fetched === undefined) return []
    this.#endsBehind = false
    const placed: PlacedRecord[] = []
    await turns(this.#decoding(fetched, placed))
    this.next = fetched.nextOffset
    return placed
  }

  * #decoding(fetched: FetchedPartition, placed: PlacedRecord[]): Generator<void, void, void> {
    for (const record of fetched.records) {
      if (record.value === null) throw invariantBroken('7', `a journal record without a value at ${this.topic}/${this.task.partition}@${record.offset}`, { ...this.task, offset: record.offset })
      const whole = this.#assembler.pushFramed(record.value, record.offset)
      if (whole === undefined) continue
      this.view = see(this.view, whole.record, whole.offset)
      if (whole.record.kind === 'commit') this.chain = foldCommit(this.chain, whole.record)
      this.recordNext = whole.next
      placed.push(whole)
      yield
    }
  }

  async #fetch(offset: number, reader: LogReader, maxWaitMs: number): Promise<FetchedPartition | undefined> {
    const answers = await reader.fetch(
      [{ topic: this.topic, partition: this.task.partition, offset, maxBytes: JOURNAL_FETCH_BYTES_MAX, gapless: true }],
      { isolation: 'committed', maxWaitMs },
    )
    const fetched = answers[0]
    if (fetched !== undefined && fetched.fromOffset !== offset) {
      throw invariantBroken('7', `asked the journal for offset ${offset}, got ${fetched.fromOffset}`, { ...this.task, topic: this.topic, offset })
    }
    return fetched
  }

  /** Own records have jumped over something: `next` may lie above the stable offset. */
  get hasJumped(): boolean {
    return this.#jumped.length > 0
  }

  /**
   * Reads what own records have jumped over, before an owner decides on its next claim: somebody of a higher generation may have claimed there and not have
   * fenced this id yet, for it was not there when that one read (R2). Only where `next` is committed. False: not answered, the same call may follow. Errors
   * as of `read`.
   */
  async readJumped(reader: LogReader, maxWaitMs: number): Promise<boolean> {
    for (let first = this.#jumped[0]; first !== undefined; first = this.#jumped[0]) {
      let fetched
      try {
        fetched = await this.#fetch(first.from, reader, maxWaitMs)
      } catch (error) {
        if (!isTidemarkError(error) || error.code !== 'LOG_OUT_OF_RANGE') throw error
        // The owner has trimmed it: whoever claimed there finds its claim gone, and begins anew.
        this.#jumped = this.#jumped.slice(1)
        continue
      }
      if (fetched === undefined || fetched.nextOffset <= first.from) return false
      for (const { value, offset } of fetched.records) if (value !== null && this.#jumped.some(({ from, to }) => from <= offset && offset < to)) this.#seeJumped(value, offset)
      const { nextOffset } = fetched
      this.#jumped = this.#jumped.flatMap(({ from, to }) => (to <= nextOffset ? [] : [{ from: Math.max(from, nextOffset), to }]))
    }
    return true
  }

  #seeJumped(value: Buffer, offset: number): void {
    const [own, found] = [this.#own, peekRecord(value, offset)]
    if (own === undefined || sameOwner(found.owner, own.owner)) return
    if (found.kind === 'commit') throw invariantBroken('2', `between two of the own batches slot ${found.owner.slotId} has committed one`, { ...this.task, topic: this.topic, offset })
    // A claim of a lower generation has lost to the own one, as in `passOwn`.
    if (found.kind === 'claim' && compareGenerations(found.generation, own.generation) < 0) return
    const whole = new RecordAssembler().push(value, offset)
    if (whole !== undefined) this.view = see(this.view, whole.record, offset)
  }

  /**
   * The owner's own committed record: it knows the offsets from the log's answer and need not read it back. `parts`: in how many; `ends`: the end of a
   * transaction takes an offset too. What others wrote before it, or between its parts, is jumped over, and remembered for `readJumped`.
   */
  passed(record: JournalRecord, offset: number, next: number, { parts = next - offset, ends = false }: { readonly parts?: number, readonly ends?: boolean } = {}): void {
    if (offset - this.next > (this.#endsBehind ? 1 : 0)) this.#jumped = [...this.#jumped, { from: this.next, to: offset }]
    if (next - offset > parts) this.#jumped = [...this.#jumped, { from: offset, to: next }]
    this.#endsBehind = ends
    this.#own = record
    this.view = passOwn(this.view, record, offset)
    if (record.kind === 'commit') this.chain = foldCommit(this.chain, record)
    this.next = next
    this.recordNext = next
    this.#assembler = new RecordAssembler({ midway: true })
  }
}
