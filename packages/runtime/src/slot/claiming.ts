// Claims tasks: one transaction for all that are given, be it one, then each journal is read back to the own claim and decided on (R2, R3, R4, R8).
// Used by a takeover and, after a lost session, by the owner itself (design §3, Commit). No user code runs in here.
import { isTidemarkError, taskKey } from '@tidemark/base'
import type { Append, Appended, LogReader, TransactionalId } from '@tidemark/base'
import { afterClaim, encodeRecord, openRecords, peekRecord } from '@tidemark/checkpoint'
import type { AfterClaim, Deaths, JournalRecord, OpenRecord, Stamp, Turns } from '@tidemark/checkpoint'
import { journalOffsets } from './beginning.ts'
import type { HeldTask } from './held-task.ts'
import type { SlotOptions, SlotPorts } from './ports.ts'
import { SessionLost } from './transactions.ts'
import type { Transactions } from './transactions.ts'

/** How long one wait for the own claim to become stable lasts before open records are looked at (R8), ms. */
const CLAIM_WAIT_MS = 25
const OPEN_FETCH_BYTES_MAX = 4 * 1024 * 1024

/** How the claim of one task ended; all but `own` mean that it is not ours. */
export type ClaimOutcome =
  | { readonly kind: 'own' }
  | { readonly kind: 'give-up', readonly because: string, readonly ended: boolean, /** A release record is owed (R2). */ readonly withdraw: boolean }
  /** The claim lies below the snapshot used or the journal's start: where to begin has to be found anew. */
  | { readonly kind: 'start-over' }
  /** The session that carried the claim is gone. */
  | { readonly kind: 'session-lost' }

/** One transaction with these writes in it; `appended` is called while it is open. Resolves with where each of them stands, rejects with SessionLost. */
export type Carrier = (writes: readonly Append[], appended: () => void) => Promise<readonly Appended[]>

export class Claiming {
  readonly #ports: SlotPorts
  readonly #options: SlotOptions
  readonly #transactions: Transactions

  constructor(ports: SlotPorts, options: SlotOptions, transactions: Transactions) {
    this.#ports = ports
    this.#options = options
    this.#transactions = transactions
  }

  stamp(held: HeldTask, transactionalId: TransactionalId): Stamp {
    return { generation: held.generation, owner: this.#options.owner, transactionalId }
  }

  /** Fences ids that were read in this task's journal. Counts for R3 because it comes after the reading (R4). */
  async fence(held: HeldTask, ids: readonly TransactionalId[]): Promise<void> {
    await Promise.all(ids.map(async (id) => {
      await this.#ports.log.fence(id)
      held.fenced.add(id)
      held.timeline.fencedIds += 1
    }))
    this.#ports.logger.info({ task: held.key, ids }, 'takeover.fenced')
  }

  /** Writes the claims in one transaction under the present id, by itself or with what `carrier` commits. Rejects with SessionLost. The caller holds the lock. */
  async write(helds: readonly HeldTask[], carrier: Carrier = (writes, appended) => this.#transactions.run(writes, appended)): Promise<void> {
    const id = this.#transactions.id
    if (id === undefined) throw new SessionLost(new Error('no session'))
    const nonces = helds.map(() => this.#ports.random.uuid())
    for (const held of helds) {
      held.claimed = true
      held.claims(this.#options.owner)
    }
    const writes = helds.flatMap((held, i) => this.recordAppends(held, { kind: 'claim', task: held.ref, timestamp: this.#ports.clock.now(), nonce: nonces[i] ?? '', ...deathsOf(held), ...this.stamp(held, id) }))
    const appended = await carrier(writes, () => this.#ports.faults.reach('takeover.claim-appended'))
    for (const [i, held] of helds.entries()) held.claim = { nonce: nonces[i] ?? '', offset: appended[i]?.baseOffset ?? -1, transactionalId: id }
  }

  /** One append a part, so that the log's answer tells where each stands. Only commit records have more than one. */
  recordAppends(held: HeldTask, record: JournalRecord): Append[] {
    return encodeRecord(record).map((value) => ({ topic: held.journalTopic, partition: held.ref.partition, records: [{ key: null, value, timestamp: record.timestamp }] }))
  }

  /**
   * After `write`: reads to the own claim and decides; fences and claims again as often as R3 asks. `again` writes one more claim under the lock. `turns`: in which
   * others have theirs while what an owner before has committed meanwhile is decoded. Who holds the lock gives none: the slot's other work waits for it.
   */
  async settle(held: HeldTask, reader: LogReader, again: (held: HeldTask) => Promise<void>, turns?: Turns): Promise<ClaimOutcome> {
    try {
      for (;;) {
        const open = await this.#readToClaim(held, reader, turns)
        if (open !== undefined) return open
        const { cursor, claim } = held
        if (cursor === undefined || claim === undefined) return { kind: 'start-over' }
        if (claim.transactionalId !== this.#transactions.id) return { kind: 'session-lost' }
        const decision: AfterClaim = afterClaim(cursor.view, this.stamp(held, claim.transactionalId), held.fenced, claim, this.#options.rules)
        switch (decision.kind) {
          case 'own':
            held.permit = decision.permit
            return { kind: 'own' }
          case 'withdraw':
            return { kind: 'give-up', because: decision.because, ended: decision.ended, withdraw: true }
          case 'start-over':
            return { kind: 'start-over' }
          case 'fence-and-claim-again':
            this.#ports.logger.info({ task: held.key, ids: decision.ids }, 'takeover.reclaim')
            await this.fence(held, decision.ids)
            await again(held)
        }
      }
    } catch (error) {
      if (error instanceof SessionLost) return { kind: 'session-lost' }
      const gone = journalGone(held, error)
      if (gone !== undefined) return gone
      throw error
    }
  }

  /** Reads committed records up to and with the own claim, and what own batches have jumped over; meanwhile an open transaction that holds the stable offset is dealt with (R8). */
  async #readToClaim(held: HeldTask, reader: LogReader, turns?: Turns): Promise<ClaimOutcome | undefined> {
    const { cursor, claim } = held
    if (cursor === undefined || claim === undefined) return { kind: 'start-over' }
    while (cursor.next <= claim.offset) {
      const before = cursor.next
      await held.take(await cursor.read(reader, claim.offset + 1, CLAIM_WAIT_MS, turns))
      if (cursor.next > claim.offset || cursor.next > before || !this.#options.rules.R8) continue
      if (claim.transactionalId !== this.#transactions.id) return { kind: 'session-lost' }
      const records = await this.#uncommitted(held, reader, claim.offset)
      const decision = openRecords(cursor.view, this.stamp(held, claim.transactionalId), records, this.#options.rules)
      if (decision.kind === 'give-up') return { kind: 'give-up', because: decision.because, ended: decision.ended, withdraw: true }
      if (decision.kind === 'fence') await this.fence(held, decision.ids)
    }
    while (!(await cursor.readJumped(reader, CLAIM_WAIT_MS))) if (claim.transactionalId !== this.#transactions.id) return { kind: 'session-lost' }
    return undefined
  }

  async #uncommitted(held: HeldTask, reader: LogReader, upTo: number): Promise<OpenRecord[]> {
    const records: OpenRecord[] = []
    // Behind own batches that were committed above somebody's open record the cursor says nothing of where that lies.
    const from = held.cursor?.hasJumped === true ? (await journalOffsets(this.#ports.log, held.ref, held.journalTopic)).stable : held.cursor?.next ?? upTo
    for (let next = from; next < upTo;) {
      const [fetched] = await reader.fetch([{ topic: held.journalTopic, partition: held.ref.partition, offset: next, maxBytes: OPEN_FETCH_BYTES_MAX, gapless: true }], { isolation: 'uncommitted', maxWaitMs: 0 })
      if (fetched === undefined || fetched.nextOffset <= next) break
      for (const record of fetched.records) if (record.value !== null && record.offset < upTo) records.push(peekRecord(record.value, record.offset))
      next = fetched.nextOffset
    }
    return records
  }
}

/** For a record of this owner. */
export const deathsOf = ({ deaths }: HeldTask): { readonly deaths?: Deaths } => (deaths === undefined ? {} : { deaths })

/** A journal that is gone, or no longer reaches back to where we were, means that somebody else went on. */
export const journalGone = (held: HeldTask, error: unknown): ClaimOutcome | undefined => {
  const cause = error instanceof SessionLost ? error.cause : error
  // A source's topic that is gone is the job's trouble, not a sign of another owner.
  if (!isTidemarkError(cause) || (cause.place.topic ?? held.journalTopic) !== held.journalTopic) return undefined
  if (cause.code === 'LOG_TOPIC_MISSING' || cause.code === 'LOG_TOPIC_REPLACED') return { kind: 'give-up', because: `the journal ${held.journalTopic} is gone: the run has ended`, ended: true, withdraw: false }
  if (cause.code === 'LOG_OUT_OF_RANGE') {
    return held.phase === 'taking-over'
      ? { kind: 'start-over' }
      : { kind: 'give-up', because: `the journal of ${taskKey(held.ref)} no longer reaches back to the last record applied: another owner went on`, ended: false, withdraw: true }
  }
  return undefined
}
