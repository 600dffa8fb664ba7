// The Task: positions, state and outputs of one partition of a stage, as one batch after the other: worked on, frozen, committed or taken back.
import { invariantBroken } from '@tidemark/base'
import type { FetchedPartition, TaskRef, TidemarkError } from '@tidemark/base'
import { addBooks, assertBalanced, emptyBooks, FramedCommit } from '@tidemark/checkpoint'
import type { BatchContent, Books, CommitRecord, Generation, OwedToSink, SourcePosition } from '@tidemark/checkpoint'
import type { Announcement, ShuffleWriter } from '../operators/shuffle-writer.ts'
import type { InputPartition } from './input.ts'
import type { Outbox } from './outbox.ts'
import type { Outputs } from './outputs.ts'
import { Processing } from './processing.ts'
import type { ProcessingParts } from './processing.ts'
import type { BatchBudget, FrozenBatch, OutboxEntry, SnapshotWalk, Subject, Task, TaskInput } from './task.ts'

type Content = Omit<BatchContent, 'state'>

export interface StageTaskParts extends ProcessingParts {
  readonly ref: TaskRef
  readonly outputs: Outputs
  readonly outbox: Outbox
  readonly writers: readonly ShuffleWriter[]
  /** Grows when partitions are added to a source's topic. */
  readonly inputs: InputPartition[]
  /** Partitions of a source's topic that are this task's, given how many there are. */
  readonly partitionsOf: (input: string, partitions: number) => readonly InputPartition[]
  /** At this size of undelivered outbox entries the task takes nothing more. */
  readonly outboxBytesMax: number
}

/** Of blocks whose writer is not owned: in tests. */
const NO_GENERATION: Generation = { epoch: 0, counter: 0 }

const known = (watermark: number): number | undefined => watermark === -Infinity ? undefined : watermark

export class StageTask implements Task {
  readonly ref: TaskRef
  readonly #parts: StageTaskParts
  readonly #processing: Processing
  #committed: Content
  #frozen: Content | undefined
  #failure: TidemarkError | undefined
  /** Wall clock of the last `work`, ms. */
  #now = 0

  constructor(parts: StageTaskParts) {
    this.ref = parts.ref
    this.#parts = parts
    this.#processing = new Processing(parts, () => this.#takeBack())
    this.#committed = { batchId: 0, positions: this.#positions(), upstreams: [], idle: false, books: emptyBooks, totals: emptyBooks, outbox: { entries: 0, bytes: 0 } }
  }

  get batchId(): number {
    return this.#committed.batchId
  }

  get stateKeys(): number {
    return this.#parts.state.keys
  }

  get stateBytes(): number {
    return this.#parts.state.bytes
  }

  get watermark(): number | undefined {
    return this.#committed.watermark
  }

  get failure(): TidemarkError | undefined {
    return this.#failure
  }

  /** Hash of all keyed state, timers and outbox included: equal for equal state. */
  get stateHash(): string {
    return this.#parts.state.hash()
  }

  /** Window results and timers that were set aside since this task was made; they are no record's fate, so not in the books. */
  get emissionsSetAside(): number {
    return this.#parts.faults.emissionsSetAside
  }

  #positions(): SourcePosition[] {
    return this.#parts.inputs.map((input) => input.position)
  }

  // Restore

  loadSnapshot(blocks: readonly Buffer[], content: Content): void {
    for (const _loaded of this.loadingSnapshot(blocks, content)) continue
  }

  * loadingSnapshot(blocks: readonly Buffer[], content: Content): Generator<void, void> {
    if (this.batchId !== 0 || this.#parts.state.keys > 0) throw invariantBroken('1', `a snapshot was to be loaded into a task that is at batch ${this.batchId} and has ${this.#parts.state.keys} keys`, this.ref)
    for (const block of blocks) {
      this.#parts.state.apply(block)
      yield
    }
    this.#goOnFrom(content)
  }

  apply(record: CommitRecord): void {
    for (const _applied of this.applying([new FramedCommit(record, record.content, () => record)])) continue
  }

  * applying(records: readonly FramedCommit[]): Generator<void, void> {
    this.undo()
    let have = this.batchId
    for (const { content: { batchId, state } } of records) {
      if (batchId !== have + 1) throw invariantBroken('2', `batch ${batchId} was to be applied behind batch ${have}`, { ...this.ref, details: { have, got: batchId } })
      this.#parts.state.apply(state)
      have = batchId
      yield
    }
    const last = records.at(-1)
    if (last === undefined) return
    const { state: _applied, ...content } = last.whole.content
    this.#goOnFrom(content)
  }

  #goOnFrom(content: Content): void {
    const { upstreams, outbox, writers } = this.#parts
    for (const position of content.positions) {
      // Its last owner knew of more partitions than there were when this task was made.
      if (this.#has(position.input, position.partition) === undefined) this.widen(position.input, position.partition + 1)
      this.#input(position.input, position.topic, position.partition).seek(position)
    }
    upstreams.seek(content.upstreams)
    this.#setWatermark(content)
    this.#committed = content
    if (content.positions.length < this.#parts.inputs.length) this.#joined(this.#parts.inputs.filter((input) => !content.positions.some((position) => position.input === input.input && position.topic === input.topic && position.partition === input.partition)))
    outbox.settle()
    // What readers of the shuffles were told last is not recorded: they are told again.
    for (const writer of writers) writer.forget()
  }

  #setWatermark(content: Content): void {
    this.#parts.scope.watermark = content.watermark ?? -Infinity
    this.#processing.idle = content.idle
    this.#processing.closingTo = content.closingTo ?? -Infinity
  }

  // Input

  inputs(): readonly TaskInput[] {
    return this.#parts.inputs.map((input) => input.asInput())
  }

  #input(name: string, topic?: string, partition?: number): InputPartition {
    const input = this.#parts.inputs.find((one) => one.input === name && (topic === undefined || one.topic === topic) && (partition === undefined || one.partition === partition))
    if (input === undefined) throw invariantBroken('7', `${name} (${topic ?? '?'}/${partition ?? '?'}) is no input of this task`, this.ref)
    return input
  }

  #has(input: string, partition: number): InputPartition | undefined {
    return this.#parts.inputs.find((one) => one.input === input && (one.kind === 'file' || one.partition === partition))
  }

  widen(input: string, partitions: number): void {
    const fresh = this.#parts.partitionsOf(input, partitions).filter((one) => this.#has(input, one.partition) === undefined)
    this.#parts.inputs.push(...fresh)
    this.#joined(fresh)
  }

  /** Inputs that no committed record names: they begin at the stage's watermark, so that they don't hold it back. */
  #joined(fresh: readonly InputPartition[]): void {
    const { watermark } = this.#committed
    for (const input of fresh) if (input.isSource && watermark !== undefined) input.seek({ ...input.position, watermark })
    this.#committed = { ...this.#committed, positions: [...this.#committed.positions, ...fresh.map((input) => input.position)] }
  }

  offer(input: string, fetched: FetchedPartition): void {
    this.#input(input, fetched.topic, fetched.partition).offer(fetched)
  }

  offerInFlight(input: string, index: number, last: boolean, block: Buffer | undefined): void {
    this.#input(input).inFlight.offer(index, last, block)
  }

  get queuedBytes(): number {
    let bytes = 0
    for (const input of this.#parts.inputs) bytes += input.queue.unreadBytes + input.inFlight.unreadBytes
    return bytes
  }

  fetchFrom(input: string, topic: string, partition: number): number {
    return this.#input(input, topic, partition).queue.end
  }

  // The batch

  work(budget: BatchBudget, now: number): { readonly more: boolean, readonly full: boolean } {
    if (this.#frozen !== undefined) throw invariantBroken('1', 'a task was to work while its batch is frozen', this.ref)
    this.#now = now
    this.#parts.outputs.now = now
    // While the outbox is full nothing is taken; that its entries were delivered is still recorded.
    if (this.#failure !== undefined || this.#committed.outbox.bytes >= this.#parts.outboxBytesMax) return { more: false, full: false }
    const done = this.#processing.work(budget, now)
    this.#failure = done.failure
    return { more: done.more, full: this.#parts.room.full }
  }

  watch(begins: (subject: Subject) => void): void {
    this.#parts.faults.begins = begins
  }

  setAside(subject: Subject, error: unknown): void {
    this.#parts.faults.mark(subject, error)
  }

  #announcement(writer: ShuffleWriter): Announcement {
    const { inputs, upstreams, scope } = this.#parts
    const { idle } = this.#processing
    return { watermark: known(scope.watermark - writer.lagMs), idle, certain: idle && upstreams.allHeard && inputs.every((input) => input.endSeen) }
  }

  get dirty(): boolean {
    const { tally, state, outputs, scope, outbox, inputs, writers } = this.#parts
    return tally.offsets > 0 || state.changed || outputs.bytes > 0 || outbox.owes
      || known(scope.watermark) !== this.#committed.watermark || this.#processing.idle !== this.#committed.idle || inputs.some((input) => input.changed)
      || writers.some((writer) => writer.owes(this.#announcement(writer), this.#now))
  }

  get quiet(): boolean {
    return this.#processing.idle && this.#parts.inputs.every((input) => input.endSeen) && !this.dirty
  }

  /** `generation` stands in the blocks of shuffles. */
  freeze(generation: Generation = NO_GENERATION): FrozenBatch {
    if (this.#frozen !== undefined) throw invariantBroken('1', 'a batch was to be frozen twice', this.ref)
    const { state, outputs, outbox, writers, tally, scope, upstreams } = this.#parts
    const batchId = this.batchId + 1
    state.seal()
    const entries = outbox.freeze(batchId, outputs)
    const books = tally.books(outputs.emitted, scope.lateDrops)
    assertBalanced(books, this.ref, batchId)
    const watermark = known(scope.watermark)
    const closingTo = known(this.#processing.closingTo)
    const content: Content = {
      batchId, positions: this.#positions(), upstreams: upstreams.list(), ...(watermark === undefined ? {} : { watermark }), ...(closingTo === undefined ? {} : { closingTo }), idle: this.#processing.idle,
      books, totals: addBooks(this.#committed.totals, books), outbox: outbox.size,
    }
    this.#assertAdvanced(content, books)
    const header = { stage: this.ref.stage, partition: this.ref.partition, batchId, generation }
    const appends = [...outputs.appends(), ...writers.flatMap((writer) => writer.appends(header, this.#announcement(writer), this.#now))]
    this.#frozen = content
    return { content: { ...content, state: state.images() }, appends, outbox: entries }
  }

  /** The books speak of exactly the offsets by which the positions moved (invariant 8). */
  #assertAdvanced(content: Content, books: Books): void {
    let moved = 0
    for (const [i, position] of content.positions.entries()) {
      const before = this.#committed.positions.find((one) => one.input === position.input && one.topic === position.topic && one.partition === position.partition)
      moved += position.next - (before?.next ?? position.next) + (this.#parts.inputs[i]?.inFlight.taken ?? 0)
    }
    if (moved !== books.offsets) throw invariantBroken('8', `the positions moved by ${moved}, the books of batch ${content.batchId} say ${books.offsets}`, { ...this.ref, details: { moved, ...books } })
  }

  committed(): void {
    if (this.#frozen === undefined) throw invariantBroken('1', 'a batch was committed that was not frozen', this.ref)
    const { state, inputs, upstreams, outputs, outbox, writers, tally, faults, room, scope } = this.#parts
    this.#committed = this.#frozen
    this.#frozen = undefined
    state.commit()
    for (const input of inputs) input.commit()
    upstreams.commit()
    const sent = writers.map((writer) => writer.committed())
    if (sent.includes(true)) {
      upstreams.told()
      for (const input of inputs) input.told()
    }
    outputs.clear()
    outbox.settle()
    tally.clear()
    scope.lateDrops = 0
    faults.committed()
    room.endsHere = false
  }

  undo(): void {
    this.#parts.state.abandonWalk()
    this.#takeBack()
  }

  /** The open batch, or the frozen one, never was. */
  #takeBack(): void {
    const { state, inputs, upstreams, outputs, writers, tally, faults, room, scope } = this.#parts
    this.#frozen = undefined
    state.undo()
    for (const input of inputs) {
      input.undo()
      input.told()
    }
    upstreams.undo()
    for (const writer of writers) writer.clear()
    outputs.clear()
    tally.clear()
    scope.lateDrops = 0
    faults.undone()
    room.endsHere = false
    this.#setWatermark(this.#committed)
  }

  // Outbox, snapshot

  undelivered(): readonly OutboxEntry[] {
    return this.#parts.outbox.undelivered(this.batchId)
  }

  owed(): readonly OwedToSink[] {
    return this.#parts.outbox.bySink
  }

  acknowledge(entry: Pick<OutboxEntry, 'sink' | 'run' | 'batchId'>): void {
    this.#parts.outbox.acknowledge(entry)
  }

  startWalk(): SnapshotWalk {
    return this.#parts.state.startWalk()
  }

  content(): Content {
    return this.#committed
  }
}

/** Hash of a task's keyed state, timers and outbox included: equal for equal state, whatever led to it. */
export const stateHash = (task: Task): string => {
  if (task instanceof StageTask) return task.stateHash
  throw new TypeError('only a task made by createTask has a state to hash')
}
