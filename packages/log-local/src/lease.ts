// The Lease port on a small SQLite file: a write transaction that stays open is the lock. The kernel lets go of it with the process, so it has no time of its own.
import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import type { HeldLease, Lease } from '@tidemark/base'
import { createDatabase, identityOf } from './engine.ts'
import { isBusy, leaseUnavailable, unsupported } from './errors.ts'

/** `TDML` */
const APPLICATION_ID = 0x54_44_4d_4c
const FORMAT = 1
const TABLES = "CREATE TABLE lease (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, holder TEXT NOT NULL) STRICT; INSERT INTO lease VALUES (1, 0, '')"
/** Whoever only asks who holds it has the lock for microseconds; longer than this it is a holder. */
const PROBE_MS = 10

const inodeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino

const epochIn = (database: DatabaseSync, path: string): number => {
  const epoch = database.prepare('SELECT epoch FROM lease').get()?.['epoch']
  if (typeof epoch === 'number') return epoch
  throw new TidemarkError(`${path} holds no epoch`, { code: 'LEASE_DAMAGED', blame: 'environment', action: 'exit', hint: 'Move the file away; the epochs recorded in the object store go on from where they were.' })
}

class LocalHeldLease implements HeldLease {
  readonly epoch: number
  readonly #path: string
  readonly #inode: number | undefined
  #database: DatabaseSync | undefined

  constructor(database: DatabaseSync, path: string, epoch: number) {
    this.#database = database
    this.#path = path
    this.#inode = inodeOf(path)
    this.epoch = epoch
  }

  /** Lost only when the file was taken from under it: who opens that path now finds another lock. */
  async renew(): Promise<boolean> {
    if (this.#database?.isTransaction === true && this.#inode !== undefined && inodeOf(this.#path) === this.#inode) return true
    await this.release()
    return false
  }

  async release(): Promise<void> {
    this.#database?.close()
    this.#database = undefined
  }
}

class LocalLease implements Lease {
  readonly name: string
  readonly #path: string
  readonly #held = new Set<HeldLease>()
  #closed = false

  constructor(path: string) {
    this.name = `local ${path}`
    this.#path = path
  }

  acquire(holder: string, _ttlMs: number, epochAtLeast: number): Promise<HeldLease | undefined> {
    if (!Number.isSafeInteger(epochAtLeast) || epochAtLeast < 0) throw new RangeError(`epoch at least ${epochAtLeast}`)
    return this.#with('acquire the lease', (database) => {
      if (!lock(database)) return undefined
      const epoch = Math.max(epochIn(database, this.#path), epochAtLeast) + 1
      database.prepare('UPDATE lease SET epoch = ?, holder = ?').run(epoch, holder)
      database.exec('COMMIT')
      // Between the two transactions somebody else may have come: then the epoch is another's, or the lock is.
      if (!lock(database) || epochIn(database, this.#path) !== epoch) return undefined
      const held = new LocalHeldLease(database, this.#path, epoch)
      this.#held.add(held)
      return held
    })
  }

  holder(): Promise<string | undefined> {
    return this.#with('read who leads', (database) => {
      if (lock(database)) return undefined
      // Readers are not kept out by an open write transaction; they see what was committed before it.
      return String(database.prepare('SELECT holder FROM lease').get()?.['holder'])
    })
  }

  /** Releases what it holds, as the end of the process would. */
  async close(): Promise<void> {
    this.#closed = true
    for (const held of this.#held) await held.release()
  }

  /** A connection for each call; it is kept only by what holds the lease. */
  async #with<T>(doing: string, body: (database: DatabaseSync) => T): Promise<T> {
    if (this.#closed) throw new TidemarkError(`${doing}: ${this.name} is closed`, { code: 'LEASE_CLOSED', blame: 'bug', action: 'exit' })
    let database: DatabaseSync | undefined
    let answer: T | undefined
    try {
      if (inodeOf(this.#path) === undefined) await createDatabase(this.#path, { tables: TABLES, format: FORMAT, applicationId: APPLICATION_ID })
      database = new DatabaseSync(this.#path, { timeout: PROBE_MS })
      const { applicationId, format } = identityOf(database)
      if (applicationId !== APPLICATION_ID || format !== FORMAT) throw unsupported(`${this.#path} is no lease of this version of Tidemark`, 'Use another folder.')
      // An epoch that was given is not given again, not even after a power cut.
      database.exec('PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF')
      answer = body(database)
      return answer
    } catch (error) {
      throw isTidemarkError(error) ? error : leaseUnavailable(doing, this.#path, error)
    } finally {
      if (!(answer instanceof LocalHeldLease)) database?.close()
    }
  }
}

/** Begins a write transaction, unless another connection is in one. */
const lock = (database: DatabaseSync): boolean => {
  try {
    database.exec('BEGIN IMMEDIATE')
    return true
  } catch (error) {
    if (isBusy(error)) return false
    throw error
  }
}

/**
 * The file is made with its folder when it is not there. Held until `release`, `close` or the end of the process, however it ends;
 * `ttlMs` means nothing here: a holder that hangs keeps it.
 */
export const localLease = (path: string): Lease => new LocalLease(path)
