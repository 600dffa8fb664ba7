// A producer session: its row in `producers` is the fence, checked inside the transaction that writes. Nothing is ever open.
import type { DatabaseSync } from 'node:sqlite'
import { invariantBroken, TidemarkError } from '@tidemark/base'
import type { Append, Appended, Clock, ProducerSession, TransactionalId } from '@tidemark/base'
import type { Appender, PreparedAppend } from './appender.ts'
import { guarded, transaction } from './database.ts'

/** Adds one to the id's epoch; whoever holds a lower one is fenced. */
export const raiseEpoch = (database: DatabaseSync, id: TransactionalId): number => {
  const row = database.prepare('INSERT INTO producers (transactional_id, epoch) VALUES (?, 1) ON CONFLICT DO UPDATE SET epoch = epoch + 1 RETURNING epoch').get(id)
  return Number(row?.['epoch'])
}

export class LocalSession implements ProducerSession {
  readonly transactionalId: TransactionalId
  readonly #path: string
  readonly #database: DatabaseSync
  readonly #appender: Appender
  readonly #clock: Clock
  readonly #written: () => void
  #epoch: number | undefined
  #pending: PreparedAppend[] = []
  #dead: unknown

  constructor(id: TransactionalId, needs: { readonly path: string, readonly database: DatabaseSync, readonly appender: Appender, readonly clock: Clock, readonly written: () => void }) {
    this.transactionalId = id
    this.#path = needs.path
    this.#database = needs.database
    this.#appender = needs.appender
    this.#clock = needs.clock
    this.#written = needs.written
  }

  async initialise(): Promise<void> {
    if (this.#epoch !== undefined) throw invariantBroken('R5', `${this.transactionalId} was initialised before`, {})
    this.#epoch = this.#alive(() => guarded(this.#path, () => transaction(this.#database, () => raiseEpoch(this.#database, this.transactionalId))))
  }

  async append(writes: readonly Append[]): Promise<void> {
    this.#alive(() => {
      if (this.#epoch === undefined) throw invariantBroken('R5', `${this.transactionalId} was not initialised`, {})
      this.#pending.push(...guarded(this.#path, () => this.#appender.prepare(writes, this.#clock.now())))
    })
  }

  async commit(): Promise<Appended[]> {
    return this.#alive(() => {
      const pending = this.#pending
      this.#pending = []
      const appended = guarded(this.#path, () => transaction(this.#database, () => {
        const row = this.#database.prepare('SELECT epoch FROM producers WHERE transactional_id = ?').get(this.transactionalId)
        if (Number(row?.['epoch']) !== this.#epoch) {
          throw new TidemarkError(`${this.transactionalId} was fenced: its epoch is ${this.#epoch}, the log has ${String(row?.['epoch'])}`, { code: 'LOG_FENCED', blame: 'environment', action: 'restart-task' })
        }
        return this.#appender.append(pending)
      }))
      this.#written()
      return appended
    })
  }

  async close(): Promise<void> {
    this.#dead ??= new TidemarkError(`the session of ${this.transactionalId} is closed`, { code: 'LOG_CLOSED', blame: 'bug', action: 'restart-task' })
    this.#pending = []
  }

  /** After any error the session does nothing any more. */
  #alive<T>(body: () => T): T {
    if (this.#dead !== undefined) throw this.#dead
    try {
      return body()
    } catch (error) {
      this.#dead = error
      throw error
    }
  }
}
