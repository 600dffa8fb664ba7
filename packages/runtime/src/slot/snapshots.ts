// Takes snapshots beside processing: slices between batches, completed when no batch is in flight (S1, S9), uploaded while processing
// goes on, named by the next commit record (invariant 3). A failed transaction throws the walk away, and an upload not yet named (S2).
import { asTidemarkError } from '@tidemark/base'
import { paths, SnapshotEncoder, trimPlan } from '@tidemark/checkpoint'
import type { CommitRecord, SnapshotRef } from '@tidemark/checkpoint'
import type { SnapshotWalk } from '../task/task.ts'
import { wholeMs } from '../watermarks/stage-watermark.ts'
import type { HeldTask, UnnamedSnapshot } from './held-task.ts'
import type { SlotOptions, SlotPorts } from './ports.ts'
import { encodeContent } from './snapshot-objects.ts'
import type { SnapshotContent } from './snapshot-objects.ts'
import type { Transactions } from './transactions.ts'

/** Of state in a block: who loads it has its other tasks' turns between two. */
const BLOCK_BYTES = 128 * 1024
/** Visited between two batches. */
const SLICE_BLOCKS = 4
/** A commit can be read some milliseconds after its answer; then something else holds it back. */
const VISIBLE_TRIES_MAX = 20
const VISIBLE_PAUSE_MS = 25

interface Taking {
  readonly held: HeldTask
  readonly checkpoint: number
  readonly walk: SnapshotWalk
  readonly encoder: SnapshotEncoder
  walked: boolean
  /** Every task downstream has its cut: the walk may be completed (C1). */
  mayComplete: boolean
  state: 'walking' | 'uploading' | 'durable'
}

export class Snapshots {
  readonly #ports: SlotPorts
  readonly #options: SlotOptions
  readonly #transactions: Transactions
  readonly #mayCut: (held: HeldTask) => boolean
  readonly #wake: () => void
  readonly #taking = new Map<string, Taking>()

  constructor(ports: SlotPorts, options: SlotOptions, transactions: Transactions, mayCut: (held: HeldTask) => boolean, wake: () => void) {
    this.#ports = ports
    this.#options = options
    this.#transactions = transactions
    this.#mayCut = mayCut
    this.#wake = wake
  }

  /** Only while no batch of this task is in flight. One snapshot at a time: a younger number replaces an older one. */
  begin(held: HeldTask, checkpoint: number): void {
    // A driver that did not know yet that it was replaced may have used it, and the one that replaced it does not know.
    const used = held.snapshots[0]?.checkpoint ?? 0
    if (checkpoint < used) {
      this.#ports.emit({ kind: 'snapshot-failed', task: held.ref, checkpoint, reason: `there is a snapshot of checkpoint ${used} already` })
      return
    }
    this.#drop(held, this.#taking.get(held.key)?.checkpoint === checkpoint ? undefined : `checkpoint ${checkpoint} began`)
    this.#taking.set(held.key, { held, checkpoint, walk: held.task.startWalk(), encoder: new SnapshotEncoder(), walked: false, mayComplete: false, state: 'walking' })
    this.#ports.faults.reach('snapshot.begun')
  }

  complete(held: HeldTask, checkpoint: number): void {
    const taking = this.#taking.get(held.key)
    if (taking?.checkpoint === checkpoint) taking.mayComplete = true
  }

  abandon(checkpoint: number): void {
    for (const taking of this.#taking.values()) if (taking.checkpoint === checkpoint && taking.state === 'walking') this.#drop(taking.held, 'given up')
  }

  /** S2: called for every task of a slot whose transaction failed, and when a task is let go. */
  lost(held: HeldTask, reason: string): void {
    if (this.#options.rules.S2) this.#drop(held, reason)
  }

  /** Something to walk or complete now. */
  wants(held: HeldTask): boolean {
    const taking = this.#taking.get(held.key)
    return taking?.state === 'walking' && (!taking.walked || (taking.mayComplete && this.#mayCut(held)))
  }

  /** One slice, or the completion. Only while no batch of this task is in flight. */
  step(held: HeldTask): void {
    const taking = this.#taking.get(held.key)
    if (taking === undefined || taking.state !== 'walking') return
    if (!taking.walked) {
      for (let blocks = 0; blocks < SLICE_BLOCKS && !taking.walked; blocks += 1) {
        const block = taking.walk.next(BLOCK_BYTES)
        if (block === undefined) taking.walked = true
        else taking.encoder.add(block)
      }
      if (!taking.walked) return
      this.#ports.faults.reach('snapshot.walked')
    }
    if (taking.mayComplete && this.#mayCut(held)) this.#cut(taking)
  }

  #cut(taking: Taking): void {
    const { held } = taking
    const { block, keys } = taking.walk.finish()
    taking.encoder.add(block)
    const content = held.task.content()
    const facts = { upstreams: content.upstreams, ...(content.watermark === undefined ? {} : { watermark: wholeMs(content.watermark) }), outbox: held.task.owed() }
    held.cut()
    if (held.drain.stands && content.outbox.entries > 0) this.#ports.logger.warn({ task: held.key, checkpoint: taking.checkpoint, entries: content.outbox.entries }, 'drain.undelivered')
    taking.state = 'uploading'
    this.#ports.emit({ kind: 'snapshot-cut', task: held.ref, checkpoint: taking.checkpoint, batchId: content.batchId })
    this.#ports.faults.reach('snapshot.cut')
    void this.#upload(taking, content, facts, keys, held.cursor?.recordNext ?? 0)
  }

  async #upload(taking: Taking, content: SnapshotContent, facts: Omit<UnnamedSnapshot, 'ref'>, keys: number, journalNext: number): Promise<void> {
    const { held, checkpoint } = taking
    const transactionalId = this.#transactions.lastId
    try {
      if (transactionalId === undefined) throw new RangeError('no session')
      const stamp = { generation: held.generation, owner: this.#options.owner, transactionalId }
      taking.encoder.add(encodeContent(content))
      const encoded = taking.encoder.finish({ task: held.ref, ...stamp, checkpoint, batchId: content.batchId, keys, timestamp: this.#ports.clock.now(), engineVersion: this.#options.engineVersion, jobVersion: this.#options.run.jobVersion })
      const nonce = this.#ports.random.uuid()
      const objects = encoded.map((object, i) => ({ key: paths.snapshotObject(held.ref, checkpoint, held.generation, nonce, i), sizeBytes: object.body.length, sha256: object.sha256 }))
      for (const [i, object] of objects.entries()) await this.#ports.store.put(object.key, encoded[i]?.body ?? Buffer.alloc(0))
      this.#ports.faults.reach('snapshot.uploaded')
      if (this.#taking.get(held.key) !== taking) return
      taking.state = 'durable'
      held.unnamed = { ref: { ...stamp, checkpoint, batchId: content.batchId, journalNext, positions: content.positions, keys, objects }, ...facts }
      this.#wake()
    } catch (error) {
      if (this.#taking.get(held.key) === taking) this.#drop(held, asTidemarkError(error).message)
      this.#ports.logger.warn({ task: held.key, checkpoint, error: asTidemarkError(error) }, 'snapshot.upload-failed')
    }
  }

  /** A commit record of this task has committed: if it named the fresh snapshot, that counts from now on, and what is older can go (S8). */
  committed(held: HeldTask, record: CommitRecord): void {
    const { unnamed } = held
    if (unnamed === undefined || !record.snapshots.some(({ checkpoint, batchId }) => checkpoint === unnamed.ref.checkpoint && batchId === unnamed.ref.batchId)) return
    held.unnamed = undefined
    held.snapshotTakenAt = this.#ports.clock.now()
    held.tail.named()
    this.#taking.delete(held.key)
    this.#ports.faults.reach('snapshot.named')
    this.#ports.emit({ kind: 'snapshot-named', task: held.ref, checkpoint: unnamed.ref.checkpoint, ...unnamed })
    void this.#trim(held, record)
  }

  /**
   * Only once the record that allows it can be read: while somebody else's transaction is open before it, a new owner begins at an older record, and
   * would miss what is trimmed. What is not trimmed now is with the next snapshot.
   */
  async #trim(held: HeldTask, record: CommitRecord): Promise<void> {
    const plan = trimPlan(record, new Set(held.task.inputs().filter((input) => input.kind === 'shuffle').map((input) => input.input)), this.#options.rules)
    try {
      if ((plan.journalBefore !== undefined || plan.shuffles.length > 0) && !(await this.#isVisible(held, held.cursor?.recordNext ?? 0))) return
      if (plan.journalBefore !== undefined) await this.#ports.log.trim(held.journalTopic, held.ref.partition, plan.journalBefore)
      for (const shuffle of plan.shuffles) await this.#ports.log.trim(shuffle.topic, shuffle.partition, shuffle.before)
      this.#ports.faults.reach('snapshot.trimmed')
    } catch (error) {
      this.#ports.logger.warn({ task: held.key, error: asTidemarkError(error) }, 'snapshot.trim-failed')
    }
  }

  /** The journal can be read up to there, now or soon. */
  async #isVisible(held: HeldTask, upTo: number): Promise<boolean> {
    for (let tries = 0; tries < VISIBLE_TRIES_MAX; tries += 1) {
      const [offsets] = await this.#ports.log.offsets(held.journalTopic, [held.ref.partition])
      if (offsets !== undefined && offsets.stable >= upTo) return true
      await this.#ports.clock.sleep(VISIBLE_PAUSE_MS)
    }
    this.#ports.logger.info({ task: held.key, upTo }, 'snapshot.trim-put-off')
    return false
  }

  /** Without a reason nobody is told: the same number goes on. */
  #drop(held: HeldTask, reason: string | undefined): void {
    const taking = this.#taking.get(held.key)
    held.unnamed = undefined
    if (taking === undefined) return
    if (taking.state === 'walking') taking.walk.abandon()
    this.#taking.delete(held.key)
    if (reason !== undefined) this.#ports.emit({ kind: 'snapshot-failed', task: held.ref, checkpoint: taking.checkpoint, reason })
  }
}

/** For `describe`: the newest snapshot that counts. */
export const newestSnapshot = (held: HeldTask): { checkpoint: number, takenAt: number, bytes: number } | undefined => {
  const newest: SnapshotRef | undefined = held.snapshots[0]
  if (newest === undefined) return undefined
  return { checkpoint: newest.checkpoint, takenAt: held.snapshotTakenAt ?? 0, bytes: newest.objects.reduce((sum, object) => sum + object.sizeBytes, 0) }
}
