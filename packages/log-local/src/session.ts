// A producer session. Records wait in memory until `commit`; the row of the id in `producers` is the fence, looked at in the transaction that writes them.
import type { Append, Appended, ProducerSession, TransactionalId } from '@tidemark/base'
import { insert, prepare } from './appending.ts'
import type { Prepared } from './appending.ts'
import type { Database } from './database.ts'
import type { Directory } from './directory.ts'
import { closed, fenced, sessionMisused } from './errors.ts'

/** An id that has not been used for so long is forgotten; a session that still held it is then fenced, as on Kafka. */
const ID_KEPT_MS = 7 * 24 * 3_600_000
/** How exactly an id's last use is known. */
const USED_EVERY_MS = 3_600_000

/** A new epoch for the id, higher than any that was ever given for any id: who holds another is fenced. */
export const takeEpoch = (database: Database, id: TransactionalId): Promise<number> => database.write(`initialise transactional id "${id}"`, (sql) => {
  const now = Math.trunc(database.clock.now())
  const epoch = Number(sql.get("UPDATE counters SET value = value + 1 WHERE name = 'producer epoch' RETURNING value")?.['value'])
  sql.run('INSERT INTO producers VALUES (?, ?, ?) ON CONFLICT (transactional_id) DO UPDATE SET epoch = excluded.epoch, used_at = excluded.used_at', id, epoch, now)
  sql.run('DELETE FROM producers WHERE used_at < ?', now - ID_KEPT_MS)
  return epoch
})

export class LocalSession implements ProducerSession {
  readonly transactionalId: TransactionalId
  readonly #database: Database
  readonly #directory: Directory
  readonly #onClose: (session: LocalSession) => void
  #epoch: number | undefined
  #pending: Prepared[] = []
  #dead: unknown
  #busy = false

  constructor(database: Database, directory: Directory, id: TransactionalId, onClose: (session: LocalSession) => void) {
    this.transactionalId = id
    this.#database = database
    this.#directory = directory
    this.#onClose = onClose
  }

  initialise(): Promise<void> {
    return this.#only(async () => {
      if (this.#epoch !== undefined) throw sessionMisused(`transactional id "${this.transactionalId}" is initialised already`)
      this.#epoch = await takeEpoch(this.#database, this.transactionalId)
    })
  }

  append(writes: readonly Append[]): Promise<void> {
    return this.#only(async () => {
      this.#initialised()
      if (writes.length === 0) return
      const now = Math.trunc(this.#database.clock.now())
      this.#pending.push(...await this.#database.read(`append for "${this.transactionalId}"`, (sql) => prepare(sql, this.#directory, writes, now)))
    })
  }

  commit(): Promise<Appended[]> {
    return this.#only(async () => {
      const epoch = this.#initialised()
      if (this.#pending.length === 0) return []
      const appended = await this.#database.write(`commit a transaction of "${this.transactionalId}"`, (sql) => {
        const row = sql.get('SELECT epoch, used_at FROM producers WHERE transactional_id = ?', this.transactionalId)
        if (row?.['epoch'] !== epoch) throw fenced(this.transactionalId)
        const now = Math.trunc(this.#database.clock.now())
        if (now - Number(row['used_at']) > USED_EVERY_MS) sql.run('UPDATE producers SET used_at = ? WHERE transactional_id = ?', now, this.transactionalId)
        return insert(sql, this.#directory, this.#pending)
      })
      this.#pending = []
      return appended
    })
  }

  async close(): Promise<void> {
    this.#dead ??= closed(`session "${this.transactionalId}"`)
    this.#pending = []
    this.#onClose(this)
  }

  #initialised(): number {
    if (this.#epoch === undefined) throw sessionMisused(`session "${this.transactionalId}" is not initialised`)
    return this.#epoch
  }

  /** One call at a time; after a rejection none. */
  async #only<T>(call: () => Promise<T>): Promise<T> {
    if (this.#dead !== undefined) throw closed(`session "${this.transactionalId}"`, this.#dead)
    if (this.#busy) throw sessionMisused(`session "${this.transactionalId}" is used by two callers at once`)
    this.#busy = true
    try {
      return await call()
    } catch (error) {
      this.#dead = error
      throw error
    } finally {
      this.#busy = false
    }
  }
}
