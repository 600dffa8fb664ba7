// Watches one journal: one committer, dense batches, books that balance, the newest batch recoverable, snapshots exact. Its comparisons are its
// own; of the protocol's code it uses the decoders, and a task of its own that takes what the journal says, to compare snapshots with.
import { createHash } from 'node:crypto'
import type { TaskRef } from '@tidemark/base'
import { decodeSnapshot, RecordAssembler } from '@tidemark/checkpoint'
import type { Books, CommitRecord, JournalRecord, Manifest, RunRecord, SnapshotRef } from '@tidemark/checkpoint'
import { stateHash } from '@tidemark/runtime'
import type { Task } from '@tidemark/runtime'
import { Packr } from 'msgpackr'
import type { MemoryObjects } from '../../memory/object-store.ts'
import type { ObservedBroker } from '../observed-broker.ts'
import type { Violations } from './violations.ts'

/** What a journal belongs to, and what a task of it begins with. */
export interface JournalOf {
  readonly ref: TaskRef
  readonly topic: string
  readonly run: RunRecord
  readonly origin: Manifest | undefined
  readonly makeTask: () => Task
}

/** `before`: the positions before it, by input, topic and partition. */
export type OnBatch = (of: JournalOf, record: CommitRecord, offset: number, before: ReadonlyMap<string, number>) => void
export const positionKey = ({ input, topic, partition }: { readonly input: string, readonly topic: string, readonly partition: number }): string => `${input} ${topic}/${partition}`

interface Owner {
  readonly slotId: string
  readonly epoch: number
  readonly counter: number
  readonly offset: number
}

type Content = Parameters<Task['loadSnapshot']>[1]
const packr = new Packr({ useRecords: false })
const ALL_BYTES = 1 << 30

const isAtLeast = (a: Owner, b: Owner): boolean => a.epoch > b.epoch || (a.epoch === b.epoch && a.counter >= b.counter)
const name = ({ epoch, counter, slotId }: Owner): string => `${epoch}.${counter} of slot ${slotId.slice(0, 8)}`
const fieldsOf = (books: object): [string, number][] => Object.entries(books) as [string, number][]

export class JournalCheck {
  readonly of: JournalOf
  readonly #broker: ObservedBroker
  readonly #objects: MemoryObjects
  readonly #violations: Violations
  /** Objects that a fault has damaged on purpose. */
  readonly #damaged: ReadonlySet<string>
  readonly #onBatch: OnBatch
  readonly #assembler = new RecordAssembler({ midway: false })
  readonly #shadow: Task
  readonly #hashes = new Map<number, string>()
  /** Where each batch's record begins and ends. */
  readonly #placeOf = new Map<number, { readonly from: number, readonly to: number }>()
  /** Outbox entries behind each batch. */
  readonly #undelivered = new Map<number, number>()
  readonly #checkedSnapshots = new Set<string>()
  readonly #claims: Owner[] = []
  /** When the release of each slot became visible whose last record here is one. */
  readonly #released = new Map<string, number>()
  readonly #gone = new Set<string>()
  #cursor = 0
  #last: CommitRecord | undefined
  #lastOwner: Owner | undefined
  #totals: Record<string, number> = {}
  #positions = new Map<string, number>()
  /** In-flight blocks of a restored run that were taken; each counts like an offset. */
  #inFlight = 0
  #deleted = false
  endedAt: number | undefined

  constructor(of: JournalOf, broker: ObservedBroker, objects: MemoryObjects, violations: Violations, damaged: ReadonlySet<string>, onBatch: OnBatch) {
    this.of = of
    this.#broker = broker
    this.#objects = objects
    this.#violations = violations
    this.#damaged = damaged
    this.#onBatch = onBatch
    this.#shadow = of.makeTask()
    this.#beginAtOrigin()
    this.#hashes.set(0, stateHash(this.#shadow))
  }

  get newest(): CommitRecord | undefined {
    return this.#last
  }

  /** How far the task has read this topic; a restored one begins at its checkpoint. */
  nextOf(topic: string): number | undefined {
    return [...this.#positions].find(([key]) => key.includes(` ${topic}/`))?.[1]
  }

  /** Offset right behind what was read: nothing of the journal is committed at or above it. */
  get readTo(): number {
    return this.#cursor
  }

  /** Over all batches, and those of the run that it goes on from. */
  total(book: keyof Books): number {
    return this.#totals[book] ?? 0
  }

  undeliveredAt(batchId: number): number | undefined {
    return this.#undelivered.get(batchId)
  }

  deleted(): void {
    this.#deleted = true
  }

  /** Reads what has become visible. */
  read(): void {
    if (this.#deleted) return
    const { topic, ref: { partition } } = this.of
    for (;;) {
      const fetched = this.#broker.read({ topic, partition, offset: this.#cursor, maxBytes: ALL_BYTES }, 'committed')
      if (fetched === undefined) return
      for (const { value, offset } of fetched.records) {
        const whole = value === null ? undefined : this.#assembler.push(value, offset)
        if (whole !== undefined) this.#see(whole.record, whole.offset, whole.next)
      }
      this.#cursor = fetched.nextOffset
      this.recoverable('what is visible now')
    }
  }

  /** Every way to the newest batch that its record names leads there, now. */
  recoverable(why: string): void {
    if (this.#deleted || this.#last === undefined) return
    const { topic, ref: { partition } } = this.of
    const { start, stable, end } = this.#broker.partition(topic, partition)
    // What its owner has committed, and has been answered, may still be hidden behind somebody's open transaction; a takeover waits for it too.
    if (stable < end) return
    const named = this.#last.snapshots.filter((ref) => ref.batchId > 0)
    for (const ref of named) {
      if (start > ref.journalNext) this.#broken('recoverable', `after ${why} the journal begins at ${start}, the snapshot of checkpoint ${ref.checkpoint} needs it from ${ref.journalNext}`)
      this.#objectsThere(ref, why)
    }
    if (named.length < 2 && start > 0) this.#broken('recoverable', `after ${why} the journal begins at ${start} with ${named.length} snapshots named`)
  }

  /** Whoever has taken the task over has the state that its journal had at that batch before, be it by a snapshot, by the tail, or by both. */
  recovered(task: Task, who: string): void {
    this.read()
    const hash = this.#hashes.get(task.batchId)
    if (hash === undefined) this.#broken('recovered', `${who} goes on at batch ${task.batchId}, which is not committed`)
    else if (stateHash(task) !== hash) this.#broken('recovered', `${who} has another state after batch ${task.batchId} than the journal had there`)
  }

  /** When this slot's release became visible, if that is its last word here. */
  releasedAt(slotId: string): number | undefined {
    return this.#released.get(slotId)
  }

  #broken(check: string, message: string): void {
    const { ref: { run, stage, partition } } = this.of
    this.#violations.add(check, `run ${run} ${stage}-${partition}: ${message}`)
  }

  #see(record: JournalRecord, offset: number, next: number): void {
    const owner: Owner = { slotId: record.owner.slotId, epoch: record.generation.epoch, counter: record.generation.counter, offset }
    if (record.kind === 'claim') this.#claims.push(owner)
    if (record.kind === 'release') this.#released.set(owner.slotId, this.#broker.clock.monotonic())
    else this.#released.delete(owner.slotId)
    if (record.kind === 'ended') this.endedAt = offset
    if (record.kind !== 'commit') return
    this.#oneCommitter(record, owner)
    this.#dense(record)
    const before = this.#positions
    this.#booksBalance(record)
    this.#onBatch(this.of, record, offset, before)
    this.#last = record
    this.#lastOwner = owner
    this.#placeOf.set(record.content.batchId, { from: offset, to: next })
    this.#undelivered.set(record.content.batchId, record.content.outbox.entries)
    try {
      this.#shadow.apply(record)
      this.#hashes.set(record.content.batchId, stateHash(this.#shadow))
    } catch (error) {
      this.#broken('replay', `batch ${record.content.batchId} can't be applied: ${String(error)}`)
    }
    for (const ref of record.snapshots) this.#exact(ref)
  }

  #oneCommitter(record: CommitRecord, owner: Owner): void {
    const { transactionalId: id, content: { batchId } } = record
    const before = this.#lastOwner
    const own = this.#claims.findLast((claim) => claim.slotId === owner.slotId && claim.offset < owner.offset)
    if (own === undefined) this.#broken('one committer', `batch ${batchId} of ${name(owner)} without a claim`)
    // A claim of somebody else, of at least this generation, that stood in the journal before our own was written: R2 would have given up.
    const robbed = own === undefined ? undefined : this.#claims.find((claim) => claim.slotId !== owner.slotId && claim.offset < own.offset && isAtLeast(claim, owner))
    if (robbed !== undefined) this.#broken('theft', `batch ${batchId} of ${name(owner)}, which claimed at ${own?.offset} behind the claim of ${name(robbed)} at ${robbed.offset}`)
    const rival = own === undefined ? undefined : this.#claims.findLast((claim) => claim.slotId !== owner.slotId && claim.offset > own.offset && claim.offset < owner.offset && isAtLeast(claim, owner))
    // Not where the rival's batches are of an earlier time when it owned the task: it claims again when it finds ours.
    if (rival !== undefined && before !== undefined && before.slotId === rival.slotId && isAtLeast(before, rival)) this.#broken('one committer', `batch ${batchId} of ${name(owner)} behind batches of ${name(rival)}`)
    if (before !== undefined && !isAtLeast(owner, before)) this.#broken('one committer', `batch ${batchId} of ${name(owner)} follows one of ${name(before)}`)
    if (before !== undefined && before.slotId !== owner.slotId && isAtLeast(before, owner)) this.#broken('one committer', `generation ${owner.epoch}.${owner.counter} has two owners at batch ${batchId}`)
    if (before === undefined || before.counter !== owner.counter || before.epoch !== owner.epoch) this.#gone.clear()
    else if (this.#last !== undefined && this.#last.transactionalId !== id) this.#gone.add(this.#last.transactionalId)
    if (this.#gone.has(id)) this.#broken('one committer', `id ${id} came back at batch ${batchId}`)
  }

  #dense({ content: { batchId } }: CommitRecord): void {
    const before = this.#last?.content.batchId ?? 0
    if (batchId !== before + 1) this.#broken('dense', `batch ${batchId} follows ${before}`)
  }

  #booksBalance({ content: { batchId, books, totals, positions } }: CommitRecord): void {
    const fates = books.folded + books.passedOn + books.filtered + books.late + books.deadLettered + books.skipped
    if (books.records !== fates) this.#broken('books', `batch ${batchId} took ${books.records} records, ${fates} are accounted for`)
    const next = new Map(positions.map((one) => [positionKey(one), one.next]))
    let advanced = 0
    for (const [key, at] of next) advanced += at - (this.#positions.get(key) ?? 0)
    const { ref, origin } = this.of
    const stored = origin?.inFlight.find((one) => one.stage === ref.stage && one.partition === ref.partition)?.blocks ?? 0
    const inFlight = positions.find((position) => position.inFlight !== undefined)?.inFlight ?? stored
    advanced += inFlight - this.#inFlight
    this.#inFlight = inFlight
    if (advanced !== books.offsets) this.#broken('books', `batch ${batchId} says that it passed ${books.offsets} offsets, its positions advanced by ${advanced}`)
    for (const [field, value] of fieldsOf(books)) {
      const sum = (this.#totals[field] ?? 0) + value
      this.#totals[field] = sum
      const said = fieldsOf(totals).find(([other]) => other === field)?.[1]
      if (said !== sum) this.#broken('books', `at batch ${batchId} the total of ${field} is ${said}, the batches sum up to ${sum}`)
    }
    this.#positions = next
  }

  /** The state that a snapshot holds is that of the batch that it names. */
  #exact(ref: SnapshotRef): void {
    const key = ref.objects.map((object) => object.key).join(' ')
    if (ref.batchId === 0 || this.#checkedSnapshots.has(key)) return
    this.#checkedSnapshots.add(key)
    if (ref.objects.some((object) => this.#damaged.has(object.key))) return
    const [of, after] = [this.#placeOf.get(ref.batchId), this.#placeOf.get(ref.batchId + 1)]
    if (of === undefined || ref.journalNext < of.to || (after !== undefined && ref.journalNext > after.from)) this.#broken('exact', `the snapshot of checkpoint ${ref.checkpoint} wants the tail of batch ${ref.batchId} from ${ref.journalNext}; that batch ends at ${of?.to}, the next begins at ${after?.from}`)
    if (!this.#objectsThere(ref, 'it was named')) return
    try {
      const task = this.of.makeTask()
      load(task, ref, this.#objects)
      if (stateHash(task) !== this.#hashes.get(ref.batchId)) this.#broken('exact', `the snapshot of checkpoint ${ref.checkpoint} is not the state after batch ${ref.batchId}`)
    } catch (error) {
      this.#broken('exact', `the snapshot of checkpoint ${ref.checkpoint} can't be loaded: ${String(error)}`)
    }
  }

  #objectsThere(ref: SnapshotRef, why: string): boolean {
    for (const object of ref.objects) {
      const body = this.#objects.get(object.key)?.body
      if (body === undefined || (!this.#damaged.has(object.key) && sha256Of(body) !== object.sha256)) {
        this.#broken('needed object', `after ${why} ${object.key}, which the newest batch names, is ${body === undefined ? 'gone' : 'not what was written'}`)
        return false
      }
    }
    return true
  }

  #beginAtOrigin(): void {
    const { origin, ref } = this.of
    const part = origin?.parts.find((one) => one.stage === ref.stage && one.partition === ref.partition)
    if (part === undefined) return
    const inputs = this.of.run.stages.find(({ stage }) => stage === ref.stage)?.inputs ?? []
    const positions = part.ref.positions.map((position) => {
      const input = inputs.find((one) => one.input === position.input)
      if (input?.kind !== 'shuffle') return position
      const { inFlight: _inFlight, last: _last, ...rest } = position
      return { ...rest, topic: input.topic, next: 0, inFlight: 0 }
    })
    for (const one of positions) this.#positions.set(positionKey(one), one.next)
    const content = this.#loaded(part.ref, (found) => ({ ...found, batchId: 0, positions, upstreams: found.upstreams.map((mark) => mark.nextBlock === undefined ? { ...mark, batchId: 0 } : mark) }))
    for (const [field, value] of fieldsOf(content?.totals ?? {})) this.#totals[field] = value
  }

  #loaded(ref: SnapshotRef, change: (content: Content) => Content): Content | undefined {
    try {
      return load(this.#shadow, ref, this.#objects, change)
    } catch (error) {
      this.#broken('origin', `what the run began from can't be loaded: ${String(error)}`)
      return undefined
    }
  }
}

const shas = new WeakMap<Buffer, string>()
export const sha256Of = (body: Buffer): string => {
  const known = shas.get(body)
  if (known !== undefined) return known
  const sha256 = createHash('sha256').update(body).digest('hex')
  shas.set(body, sha256)
  return sha256
}

const load = (task: Task, ref: SnapshotRef, objects: MemoryObjects, change: (content: Content) => Content = (content) => content): Content => {
  const bodies = ref.objects.map((object) => objects.get(object.key)?.body ?? Buffer.alloc(0))
  const { blocks } = decodeSnapshot(bodies, ref.objects)
  const content = change(packr.unpack(blocks.at(-1) ?? Buffer.alloc(0)) as Content)
  task.loadSnapshot(blocks.slice(0, -1), content)
  return content
}
