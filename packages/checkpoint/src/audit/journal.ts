// One task's journal, record by record: batch numbers, owners, books, totals, positions and named snapshots, each against the record before it.
// It goes on behind a fault, and shares no code with the chain and the assertions that it checks.
import type { TaskRef, TransactionalId } from '@tidemark/base'
import { howMany, sameTask } from '@tidemark/base'
import { subtractBooks } from './sums.ts'
import { compareGenerations, formatGeneration } from '../records/generation.ts'
import type { BatchContent, Books, CommitRecord, Generation, JournalRecord, SnapshotRef, SourcePosition, UpstreamMark } from '../records/records.ts'
import type { AssignedPartition } from '../run.ts'
import type { FaultKind, FindingPlace, Findings } from './findings.ts'

export interface AuditedBatch {
  readonly batchId: number
  /** Of the commit record's first part; and right behind its last. */
  readonly offset: number
  readonly next: number
  readonly generation: Generation
  /** As of the batch before; undefined: the journal does not reach back to it. */
  readonly before: readonly SourcePosition[] | undefined
  readonly positions: readonly SourcePosition[]
  readonly upstreams: readonly UpstreamMark[]
  readonly books: Books
}

/** What the first batch that is read continues: a snapshot's content, or the state that the run began from. */
export interface JournalBase {
  readonly batchId: number
  /** Absent: where the first batch began is not known. */
  readonly positions?: readonly SourcePosition[]
  readonly totals: Books
}

export interface JournalFacts {
  readonly task: TaskRef
  /** As the run began. */
  readonly inputs: readonly AssignedPartition[]
  /** Tasks of its stage: partitions added to a source's topic later are given out over them. */
  readonly tasks: number
  /** Oldest offset that the journal holds, when it is read. */
  readonly start: number
  /** The same, before the cut was made: what is trimmed later, a record behind the cut may allow. Absent: the same. */
  readonly startBefore?: number
  /** What lies below was decided before the ends of outputs were looked at. */
  readonly before?: number
  /** For a journal from its first batch on; absent: the first batch read is believed. */
  readonly base?: JournalBase
  /** Blocks in flight where the run began, by input: records in each. Absent: not known. */
  readonly inFlight?: ReadonlyMap<string, readonly number[]>
}

type Last = Pick<CommitRecord, 'generation' | 'owner' | 'transactionalId'>

const COUNTS = ['offsets', 'noRecord', 'records', 'shuffleRecords', 'blocks', 'folded', 'passedOn', 'filtered', 'late', 'deadLettered', 'skipped', 'emitted', 'lateDrops'] as const satisfies readonly (keyof Books)[]

/** Earlier engines did not count everything. */
const countOf = (books: Books, name: (typeof COUNTS)[number]): number => books[name] ?? 0

const placeOf = (position: Pick<SourcePosition, 'input' | 'topic' | 'partition'>): string => `${position.input} ${position.topic}/${position.partition}`

/** Blocks of the run's origin that a batch took; undefined: it took the last, and how many there were is not known. */
export const inFlightTaken = (before: SourcePosition, after: SourcePosition, facts: Pick<JournalFacts, 'inFlight'>): readonly number[] | undefined => {
  if (before.inFlight === undefined) return []
  const all = facts.inFlight?.get(after.input)
  if (after.inFlight !== undefined) return all?.slice(before.inFlight, after.inFlight) ?? Array.from({ length: after.inFlight - before.inFlight }, () => Number.NaN)
  return facts.inFlight === undefined ? undefined : (all ?? []).slice(before.inFlight)
}

export class JournalAudit {
  readonly facts: JournalFacts
  readonly batches: AuditedBatch[] = []
  readonly #findings: Findings
  #totals: Books | undefined
  #totalsBefore: Books | undefined
  #positions: readonly SourcePosition[] | undefined
  #content: Omit<BatchContent, 'state'> | undefined
  #batchId: number | undefined
  #last: Last | undefined
  readonly #idsGone = new Set<TransactionalId>()
  readonly #claimed = new Set<TransactionalId>()
  /** Commit records that no `ended` record follows (yet), since there was one. */
  #behindEnd: AuditedBatch[] | undefined
  #snapshots: readonly SnapshotRef[] = []
  /** Partitions of sources that were added while the run went on. */
  readonly #grown: AssignedPartition[] = []
  readonly #places = new Map<number, Pick<AuditedBatch, 'offset' | 'next' | 'positions'>>()

  constructor(facts: JournalFacts, findings: Findings) {
    this.facts = facts
    this.#findings = findings
    this.#batchId = facts.base?.batchId
    this.#totals = facts.base?.totals
    this.#totalsBefore = facts.base?.totals
    this.#positions = facts.base?.positions
    if (facts.base?.positions !== undefined) this.#places.set(facts.base.batchId, { offset: facts.start, next: facts.start, positions: facts.base.positions })
  }

  /** Of the newest batch read; undefined: none was. */
  get content(): Omit<BatchContent, 'state'> | undefined {
    return this.#content
  }

  /** Totals of the newest batch, or of what it all began from. */
  get totals(): Books | undefined {
    return this.#totals
  }

  /** Totals of the newest batch below `before`. */
  get totalsBefore(): Books | undefined {
    return this.#totalsBefore
  }

  get positions(): readonly SourcePosition[] | undefined {
    return this.#positions
  }

  get batchId(): number | undefined {
    return this.#batchId
  }

  /** Everything that it reads. */
  get inputs(): readonly AssignedPartition[] {
    return [...this.facts.inputs, ...this.#grown]
  }

  get ended(): boolean {
    return this.#behindEnd !== undefined
  }

  take(record: JournalRecord, offset: number, next: number): void {
    const { task } = this.facts
    if (!sameTask(record.task, task)) return this.#fault('foreign-record', `the record at ${offset} is of ${record.task.job} run ${record.task.run}, ${record.task.stage}-${record.task.partition}`, { offset })
    switch (record.kind) {
      case 'claim':
        this.#claimed.add(record.transactionalId)
        return
      case 'ended':
        this.#behindEnd = []
        return
      case 'release':
        return
      case 'commit':
        this.#commit(record, offset, next)
    }
  }

  /** Behind the last record. */
  finish(): void {
    for (const { batchId, offset } of this.#behindEnd ?? []) this.#fault('after-ended', `batch ${batchId} was committed at ${offset}, behind the end of the run`, { batchId, offset })
    const [, older] = this.#snapshots
    const start = this.facts.startBefore ?? this.facts.start
    if (older !== undefined && start > older.journalNext) {
      this.#fault('tail-trimmed', `the journal begins at ${start}; the tail of the snapshot of checkpoint ${older.checkpoint} begins at ${older.journalNext}`, { offset: start })
    }
  }

  #fault(kind: FaultKind, message: string, place: FindingPlace, counted: { readonly lost?: number, readonly doubled?: number } = {}): void {
    const { stage, partition } = this.facts.task
    this.#findings.add(kind, message, { stage, partition, ...place }, counted)
  }

  #commit(record: CommitRecord, offset: number, next: number): void {
    const { state: _state, ...content } = record.content
    const { batchId, positions, upstreams, books } = content
    const continues = this.#numbers(batchId, offset)
    // Comparing with a batch that is not the one before would only repeat that fault.
    const before = continues && this.#positions !== undefined ? [...this.#positions, ...this.#joining(this.#positions, positions)] : undefined
    const batch: AuditedBatch = { batchId, offset, next, generation: record.generation, before, positions, upstreams, books }
    for (const position of positions) {
      const { input, topic, partition } = position
      if (this.#isAdded(position) && !this.#grown.some((one) => placeOf(one) === placeOf(position))) this.#grown.push({ input, kind: 'topic', topic, partition })
    }
    this.#owners(record, batchId, offset)
    this.#books(batch, continues ? this.#totals : undefined, content.totals)
    this.#moved(batch)
    if (continues && this.#content !== undefined) this.#marks(this.#content, content, offset)
    this.#places.set(batchId, { offset, next, positions })
    this.#named(record, batch)
    this.#behindEnd?.push(batch)
    this.batches.push(batch)
    this.#batchId = batchId
    this.#totals = content.totals
    if (offset < (this.facts.before ?? Infinity)) this.#totalsBefore = content.totals
    else this.#totalsBefore ??= subtractBooks(content.totals, books)
    this.#positions = positions
    this.#content = content
    this.#findings.count('batches')
  }

  /** Whether it follows the batch read last. */
  #numbers(batchId: number, offset: number): boolean {
    const last = this.#batchId ?? (this.facts.start === 0 ? 0 : batchId - 1)
    if (batchId > last + 1) {
      this.#fault('batch-missing', last + 1 === batchId - 1 ? `batch ${last + 1} is missing: ${batchId} follows ${last}` : `batches ${last + 1} to ${batchId - 1} are missing: ${batchId} follows ${last}`, { batchId: last + 1, offset })
    } else if (batchId <= last) this.#fault('batch-doubled', `batch ${batchId} comes again behind batch ${last}`, { batchId, offset })
    return batchId === last + 1 && this.#batchId !== undefined
  }

  #owners(record: CommitRecord, batchId: number, offset: number): void {
    const { generation, owner, transactionalId } = record
    const place = { batchId, offset }
    if (this.facts.start === 0 && !this.#claimed.has(transactionalId)) this.#fault('unclaimed', `batch ${batchId} was committed by ${transactionalId}, which claimed nothing before`, place)
    const last = this.#last
    this.#last = { generation, owner, transactionalId }
    if (last === undefined) return
    const order = compareGenerations(generation, last.generation)
    if (order > 0) return this.#idsGone.clear()
    if (order < 0) return this.#fault('generation-back', `batch ${batchId} has generation ${formatGeneration(generation)}, the one before it ${formatGeneration(last.generation)}`, place)
    if (owner.slotId !== last.owner.slotId) this.#fault('generation-shared', `generation ${formatGeneration(generation)} committed by slot ${last.owner.slotId}, then by slot ${owner.slotId}`, place)
    if (transactionalId !== last.transactionalId) {
      this.#idsGone.add(last.transactionalId)
      if (this.#idsGone.has(transactionalId)) this.#fault('id-back', `${transactionalId} committed batch ${batchId} behind ${last.transactionalId}`, place)
    }
  }

  #books({ batchId, offset, books }: AuditedBatch, before: Books | undefined, totals: Books): void {
    const unbalanced = (message: string, counted = {}): void => this.#fault('books-unbalanced', `batch ${batchId}: ${message}`, { batchId, offset }, counted)
    for (const name of COUNTS) if (!Number.isSafeInteger(countOf(books, name)) || countOf(books, name) < 0) unbalanced(`${name} is ${books[name]}`)
    const fates = books.folded + books.passedOn + books.filtered + books.late + books.deadLettered + books.skipped
    const difference = books.records - fates
    if (difference !== 0) unbalanced(`${howMany(books.records, 'record was', 'records were')} taken, ${howMany(fates, 'is', 'are')} accounted for`, difference > 0 ? { lost: difference } : { doubled: -difference })
    if (books.shuffleRecords > books.records) unbalanced(`${books.shuffleRecords} of ${howMany(books.records, 'record')} came by shuffle`)
    const passed = books.noRecord + books.records - books.shuffleRecords + books.blocks
    if (passed !== books.offsets) unbalanced(`positions moved by ${books.offsets}, ${howMany(passed, 'is', 'are')} accounted for`)
    if (before === undefined) return
    for (const name of COUNTS) {
      const [had, took, has] = [countOf(before, name), countOf(books, name), countOf(totals, name)]
      if (had + took !== has) this.#fault('totals-wrong', `batch ${batchId}: ${had} ${name} before and ${took} in the batch make ${had + took}, the totals say ${has}`, { batchId, offset })
    }
  }

  /** A partition of a source's topic that the run did not begin with, and that is this task's. */
  #isAdded({ input, topic, partition }: SourcePosition): boolean {
    const { inputs, task, tasks } = this.facts
    return partition % tasks === task.partition && inputs.some((one) => one.kind === 'topic' && one.input === input && one.topic === topic) && !inputs.some((one) => one.input === input && one.partition === partition)
  }

  /** What the batch goes on from in partitions that the batch before did not have: their beginning. */
  #joining(before: readonly SourcePosition[], positions: readonly SourcePosition[]): SourcePosition[] {
    return positions.filter((position) => this.#isAdded(position) && !before.some((one) => placeOf(one) === placeOf(position))).map(({ input, topic, partition }) => ({ input, topic, partition, next: 0 }))
  }

  #moved({ batchId, offset, before, positions, books }: AuditedBatch): void {
    const jump = (message: string): void => this.#fault('position-jump', `batch ${batchId}: ${message}`, { batchId, offset })
    const names = positions.map(placeOf)
    const wanted = new Set([...this.facts.inputs, ...before ?? []].map(placeOf))
    if (new Set(names).size !== names.length || [...wanted].some((name) => !names.includes(name)) || positions.some((one) => !wanted.has(placeOf(one)) && !this.#isAdded(one))) return jump(`it has positions of ${names.join(', ') || 'nothing'}; the task reads ${[...wanted].join(', ')}`)
    for (const { last, next, topic, partition } of positions) if (last !== undefined && last.offset >= next) jump(`the last record read of ${topic}/${partition} is at ${last.offset}, the next is ${next}`)
    if (before === undefined) return
    let moved = 0
    for (const after of positions) {
      const from = before.find((one) => placeOf(one) === placeOf(after))
      if (from === undefined) continue
      if (after.next < from.next) jump(`the position of ${after.topic}/${after.partition} went back from ${from.next} to ${after.next}`)
      const taken = inFlightTaken(from, after, this.facts)
      if (taken === undefined) return this.#findings.cannotTell(`blocks in flight that ${this.facts.task.stage}-${this.facts.task.partition} took in batch ${batchId}`, 'the checkpoint that the run began from could not be read')
      moved += after.next - from.next + taken.length
    }
    if (moved !== books.offsets) jump(`positions moved by ${moved}, its books say ${books.offsets}`)
  }

  #marks(before: Omit<BatchContent, 'state'>, after: Omit<BatchContent, 'state'>, offset: number): void {
    const back = (message: string): void => this.#fault('mark-back', `batch ${after.batchId}: ${message}`, { batchId: after.batchId, offset })
    if ((after.watermark ?? -Infinity) < (before.watermark ?? -Infinity)) back(`the watermark went back from ${before.watermark} to ${after.watermark ?? 'none'}`)
    for (const mark of before.upstreams) {
      const now = after.upstreams.find((one) => one.input === mark.input && one.partition === mark.partition)
      // Once the blocks of the run's origin are through, writers count from 1 again.
      const restarted = now?.batchId === 0 || before.positions.some((position) => position.input === mark.input && position.inFlight !== undefined)
      if (now === undefined) back(`nothing is known any more of task ${mark.partition} behind ${mark.input}`)
      else if (now.batchId < mark.batchId && !restarted) back(`the last batch of task ${mark.partition} behind ${mark.input} went back from ${mark.batchId} to ${now.batchId}`)
      else if ((now.watermark ?? -Infinity) < (mark.watermark ?? -Infinity)) back(`the watermark of task ${mark.partition} behind ${mark.input} went back from ${mark.watermark} to ${now.watermark ?? 'none'}`)
    }
  }

  #named({ snapshots }: CommitRecord, { batchId, offset }: AuditedBatch): void {
    const wrong = (message: string): void => this.#fault('snapshot-misplaced', `batch ${batchId} ${message}`, { batchId, offset })
    if (snapshots.length > 2) wrong(`names ${snapshots.length} snapshots`)
    for (const ref of snapshots.filter((one) => !this.#snapshots.some((known) => known.batchId === one.batchId && known.checkpoint === one.checkpoint))) {
      if (ref.batchId >= batchId && ref.batchId > 0) {
        wrong(`names a snapshot of batch ${ref.batchId}, which is not before it`)
        continue
      }
      const place = this.#places.get(ref.batchId)
      if (ref.batchId === 0 || place === undefined) continue
      // Claims may stand between two batches: the tail need not begin with them, the snapshot names their owner.
      const until = this.#places.get(ref.batchId + 1)?.offset ?? offset
      if (ref.journalNext < place.next || ref.journalNext > until) wrong(`names the snapshot of batch ${ref.batchId} with a tail from ${ref.journalNext}; that batch ends at ${place.next}, the next begins at ${until}`)
      const differing = place.positions.find((position) => ref.positions.find((one) => placeOf(one) === placeOf(position))?.next !== position.next)
      if (differing !== undefined) wrong(`names the snapshot of batch ${ref.batchId} with another position of ${differing.topic}/${differing.partition} than that batch, ${differing.next}`)
    }
    this.#snapshots = snapshots
  }
}
