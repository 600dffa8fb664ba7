// Commits one batch: one transaction for all tasks that have something to record. When it resolves the batch is real, everywhere.
import { asTidemarkError, invariantBroken } from '@tidemark/base'
import type { Append, Appended, TransactionalId } from '@tidemark/base'
import { snapshotsToName } from '@tidemark/checkpoint'
import type { CommitRecord } from '@tidemark/checkpoint'
import type { FrozenBatch } from '../task/task.ts'
import { deathsOf } from './claiming.ts'
import type { Claiming } from './claiming.ts'
import type { HeldTask } from './held-task.ts'
import type { SlotOptions, SlotPorts } from './ports.ts'
import { SessionLost } from './transactions.ts'
import type { Transactions } from './transactions.ts'

interface Frozen {
  readonly held: HeldTask
  readonly batch: FrozenBatch
  readonly record: CommitRecord
  /** Indexes of the commit record's first and last part among the appends of the transaction: others' records may stand between them. */
  readonly first: number
  readonly last: number
  /** Of the commit record, and of the shuffle blocks. */
  readonly bytes: number
}

export interface CommittedBatch {
  readonly held: HeldTask
  readonly batch: FrozenBatch
  readonly record: CommitRecord
}

/** What else stands in the transaction of a batch. */
interface Beside {
  readonly writes: readonly Append[]
  /** Called while the transaction is open. */
  readonly appended: () => void
}

const NOTHING: Beside = { writes: [], appended: () => {} }

export class BatchCommit {
  readonly #ports: SlotPorts
  readonly #options: SlotOptions
  readonly #claiming: Claiming
  readonly #transactions: Transactions
  readonly #shuffles: ReadonlySet<string>

  constructor(ports: SlotPorts, options: SlotOptions, claiming: Claiming, transactions: Transactions) {
    this.#ports = ports
    this.#options = options
    this.#claiming = claiming
    this.#transactions = transactions
    this.#shuffles = new Set(options.run.shuffles.map(({ topic }) => topic))
  }

  /**
   * Rejects with SessionLost: nothing is known, the caller undoes and claims again. The tasks that wrote to the topic an error names are
   * marked suspect; all of them, when it is our own error and names none. No user code runs between the first append and the answer.
   * `beside` comes first in the transaction, and so in what the log answers.
   */
  async run(helds: readonly HeldTask[], beside = NOTHING): Promise<{ readonly committed: readonly CommittedBatch[], readonly beside: readonly Appended[] }> {
    const id = this.#transactions.id
    if (id === undefined) throw new SessionLost(new Error('no session'))
    const writes: Append[] = [...beside.writes]
    const frozen = helds.flatMap((held) => this.#freezeOrStop(held, id, writes) ?? [])
    if (writes.length === 0) return { committed: [], beside: [] }
    if (frozen.length > 0) this.#ports.faults.reach('commit.frozen')
    let appended
    try {
      appended = await this.#transactions.run(writes, () => {
        if (frozen.length > 0) this.#ports.faults.reach('commit.appended')
        beside.appended()
      })
    } catch (error) {
      if (error instanceof SessionLost) markSuspects(frozen, error)
      throw error
    }
    if (frozen.length > 0) this.#ports.faults.reach('commit.committed')
    for (const { held, record, first, last, bytes } of frozen) {
      const [offset, lastOffset] = [appended[first]?.baseOffset, appended[last]?.baseOffset]
      if (offset === undefined || lastOffset === undefined) throw invariantBroken('1', `the log did not say where the commit record of ${held.key} stands`, held.ref)
      held.task.committed()
      held.cursor?.passed(record, offset, lastOffset + 1, { parts: last - first + 1, ends: this.#ports.log.hasOpenTransactions })
      held.tail.grew(bytes)
      held.snapshots = record.snapshots
      held.suspect = false
      if (held.timeline.firstCommitMs === undefined) {
        held.timeline.firstCommitMs = held.elapsed()
        this.#ports.faults.reach('takeover.first-batch-committed')
      }
    }
    if (frozen.length > 0) this.#ports.faults.reach('commit.applied')
    return { committed: frozen, beside: appended.slice(0, beside.writes.length) }
  }

  /** Undefined: this task's batch can't be, so it stops; nothing of it is among the writes. */
  #freezeOrStop(held: HeldTask, id: TransactionalId, writes: Append[]): Frozen | undefined {
    const before = writes.length
    try {
      return this.#freeze(held, id, writes)
    } catch (error) {
      writes.length = before
      held.task.undo()
      held.failure = asTidemarkError(error)
      return undefined
    }
  }

  #freeze(held: HeldTask, id: TransactionalId, writes: Append[]): Frozen {
    if (held.permit === undefined || held.claim?.transactionalId !== id) {
      throw invariantBroken('2', `${held.key} has no permit to commit under ${id}; its claim is of ${held.claim?.transactionalId ?? 'nobody'}`, held.ref)
    }
    const batch = held.task.freeze(held.generation)
    held.commits(batch.content.books.offsets)
    if (held.cursor !== undefined && batch.content.batchId !== held.cursor.chain.batchId + 1) {
      throw invariantBroken('2', `${held.key} wants to commit batch ${batch.content.batchId} behind batch ${held.cursor.chain.batchId}`, held.ref)
    }
    const record: CommitRecord = {
      kind: 'commit', task: held.ref, timestamp: this.#ports.clock.now(), engineVersion: this.#options.engineVersion, jobVersion: this.#options.run.jobVersion,
      ...this.#claiming.stamp(held, id), content: batch.content, snapshots: held.unnamed === undefined ? held.snapshots : snapshotsToName(held.snapshots, held.unnamed.ref, held.noGood), ...deathsOf(held),
    }
    writes.push(...batch.appends)
    const first = writes.length
    const own = this.#claiming.recordAppends(held, record)
    writes.push(...own)
    return { held, batch, record, first, last: writes.length - 1, bytes: bytesOf(own) + bytesOf(batch.appends.filter(({ topic }) => this.#shuffles.has(topic))) }
  }
}

const bytesOf = (appends: readonly Append[]): number => appends.reduce((sum, { records }) => sum + records.reduce((size, { value }) => size + (value?.length ?? 0), 0), 0)

/**
 * A log error that one task's output caused must not take its neighbours' batches with it for ever: that task runs alone until it is clean. When
 * the error is our own and names no topic it may be any of them: each runs alone, and whose it is shows.
 */
const markSuspects = (frozen: readonly Frozen[], error: SessionLost): void => {
  const cause = asTidemarkError(error.cause)
  const { topic, partition } = cause.place
  if (cause.action === 'retry' || (topic === undefined && cause.blame !== 'bug')) return
  for (const { held, batch } of frozen) {
    const wrote = topic === undefined || batch.appends.some((append) => append.topic === topic && (partition === undefined || append.partition === partition))
    if (!wrote) continue
    if (held.suspect && frozen.length === 1) held.failure = cause
    held.suspect = true
  }
}
