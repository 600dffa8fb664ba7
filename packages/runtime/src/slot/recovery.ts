// The order after a lost session (design §3, Commit): undo, fence the own old id, a new id, claim all running tasks again in one transaction, read each
// journal back, decide. The driver is not asked, no object store is needed. Everything here runs under the slot's lock.
import { asTidemarkError, isTidemarkError } from '@tidemark/base'
import type { TidemarkError } from '@tidemark/base'
import { journalGone } from './claiming.ts'
import type { Carrier, Claiming, ClaimOutcome } from './claiming.ts'
import type { HeldTask } from './held-task.ts'
import { Lock } from './lock.ts'
import type { SlotPorts } from './ports.ts'
import type { Readers } from './readers.ts'
import { SessionLost } from './transactions.ts'
import type { Transactions } from './transactions.ts'

export interface RecoverySlot {
  readonly running: () => HeldTask[]
  /** S2 */
  readonly snapshotLost: (held: HeldTask) => void
  readonly redeliver: (held: HeldTask) => void
  readonly forget: (held: HeldTask) => void
  readonly fail: (held: HeldTask, error: TidemarkError) => Promise<void>
  /** Said while the log is waited for: the slot is not stuck. */
  readonly waiting: () => void
}

/** Pauses between tries to read a journal, ms. */
const RETRY_FIRST_MS = 20
const RETRY_MAX_MS = 1_000

type Settled = ClaimOutcome | { readonly kind: 'failed', readonly error: TidemarkError }

export class Recovery {
  readonly #ports: SlotPorts
  readonly #claiming: Claiming
  readonly #transactions: Transactions
  readonly #readers: Readers
  readonly #slot: RecoverySlot
  #refused = false

  constructor(ports: SlotPorts, claiming: Claiming, transactions: Transactions, readers: Readers, slot: RecoverySlot) {
    this.#ports = ports
    this.#claiming = claiming
    this.#transactions = transactions
    this.#readers = readers
    this.#slot = slot
  }

  /** Rejects when the log refuses it in a way that stops a job. */
  async session(): Promise<void> {
    const id = await this.#transactions.renew()
    this.#ports.emit({ kind: 'session', transactionalId: id })
  }

  /** The log gave no new session when it was last asked, and will not: only a claim asks again. */
  get refused(): boolean {
    return this.#refused
  }

  /**
   * Takes every open batch back and makes the slot able to commit again, or lets tasks go that another owner has. A log that refuses that is
   * told as the answer: the running tasks have failed of it.
   */
  async reclaim(): Promise<TidemarkError | undefined> {
    for (const held of this.#slot.running()) {
      held.task.undo()
      held.permit = undefined
      this.#slot.snapshotLost(held)
    }
    for (;;) {
      const refusal = await this.#renew()
      this.#refused = refusal !== undefined
      if (refusal !== undefined) {
        for (const held of this.#slot.running()) await this.#slot.fail(held, refusal)
        return refusal
      }
      if (await this.#claimRunning()) return undefined
    }
  }

  async #renew(): Promise<TidemarkError | undefined> {
    try {
      await this.session()
      return undefined
    } catch (error) {
      const known = asTidemarkError(error)
      if (known.action !== 'fail-job') throw error
      return known
    }
  }

  /** False: the new session was lost too. */
  async #claimRunning(): Promise<boolean> {
    const helds = this.#slot.running()
    if (helds.length === 0) return true
    for (const [held, outcome] of await this.#write(helds)) if (outcome.kind === 'give-up') await this.letGo(held, outcome)
    if (this.#transactions.lost) return false
    const writing = new Lock()
    const outcomes = await Promise.all(this.#slot.running().map(async (held) => ({ held, outcome: await this.#settle(held, (one) => writing.run(() => this.#claiming.write([one]))) })))
    if (outcomes.some(({ outcome }) => outcome.kind === 'session-lost')) return false
    for (const { held, outcome } of outcomes) {
      if (outcome.kind === 'own') this.#slot.redeliver(held)
      else if (outcome.kind === 'failed') await this.#slot.fail(held, outcome.error)
      else await this.letGo(held, outcome.kind === 'give-up' ? outcome : { kind: 'give-up', because: 'the journal no longer holds the own claim: another owner went on', ended: false, withdraw: true })
    }
    return !this.#transactions.lost
  }

  /** Waits for a log that can't be read now; what else goes wrong with one journal stops its task, and no other. */
  async #settle(held: HeldTask, again: (held: HeldTask) => Promise<void>): Promise<Settled> {
    for (let pauseMs = RETRY_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS)) {
      try {
        return await this.#readers.borrow((reader) => this.#claiming.settle(held, reader, again))
      } catch (error) {
        const known = asTidemarkError(error)
        if (known.action === 'exit') throw known
        if (known.action !== 'retry') return { kind: 'failed', error: known }
        this.#ports.logger.warn({ task: held.key, error: known }, 'reclaim.log-not-reached')
        this.#slot.waiting()
        await this.#ports.clock.sleep(pauseMs)
      }
    }
  }

  /**
   * Claims for tasks that are being taken over, on a session that works, in a transaction of `carrier`. Once that was lost they stand in one of their own:
   * what the log does not take of others must not keep them from being claimed. Rejects when the log refuses one.
   */
  async claim(helds: readonly HeldTask[], carrier: Carrier): Promise<ReadonlyMap<HeldTask, ClaimOutcome>> {
    const gone = new Map<HeldTask, ClaimOutcome>()
    for (let carried: Carrier | undefined = carrier; ; carried = undefined) {
      const refusal = this.#transactions.lost ? await this.reclaim() : undefined
      if (refusal !== undefined) throw refusal
      const left = helds.filter((held) => !gone.has(held))
      if (left.length === 0) return gone
      for (const [held, outcome] of await this.#write(left, carried)) gone.set(held, outcome)
      if (!this.#transactions.lost) return gone
    }
  }

  /** One claim transaction. When a journal is gone the session is lost with it: tells which, the caller tries again without them. */
  async #write(helds: readonly HeldTask[], carrier?: Carrier): Promise<Map<HeldTask, ClaimOutcome>> {
    const gone = new Map<HeldTask, ClaimOutcome>()
    try {
      await this.#claiming.write(helds, carrier)
    } catch (error) {
      if (!(error instanceof SessionLost)) throw error
      if (isTidemarkError(error.cause) && error.cause.code === 'LOG_TOPIC_MISSING') {
        // Not told which: the next claim asks again.
        const there = await this.#ports.log.describeTopics([...new Set(helds.map((held) => held.journalTopic))]).catch(() => undefined)
        for (const held of helds) {
          const outcome = there?.has(held.journalTopic) === false ? journalGone(held, error) : undefined
          if (outcome !== undefined) gone.set(held, outcome)
        }
      }
    }
    return gone
  }

  /** R2: a loser that has claimed leaves a release record, else its slot would be fenced for nothing later. */
  async letGo(held: HeldTask, outcome: ClaimOutcome & { kind: 'give-up' }): Promise<void> {
    this.#ports.logger.warn({ task: held.key, because: outcome.because, ended: outcome.ended }, 'task.given-up')
    held.task.undo()
    if (outcome.withdraw) await this.release(held)
    this.#slot.forget(held)
    this.#ports.emit({ kind: 'given-up', task: held.ref, generation: held.generation, reason: outcome.because, ended: outcome.ended })
  }

  /** Best effort: a release that does not get through only costs a needless fence later. */
  async release(held: HeldTask): Promise<void> {
    const id = this.#transactions.id
    if (id === undefined) return
    held.enter('releasing')
    try {
      await this.#transactions.run(this.#claiming.recordAppends(held, { kind: 'release', task: held.ref, timestamp: this.#ports.clock.now(), ...this.#claiming.stamp(held, id) }), () => {})
    } catch (error) {
      if (!(error instanceof SessionLost)) throw error
    }
  }
}
