// Who leads an embedded cluster: an exclusive lock on a small SQLite file, which the kernel lets go of with the process.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { HeldLease, Lease } from '@tidemark/base'

class LocalHeldLease implements HeldLease {
  readonly epoch: number
  readonly #database: DatabaseSync

  constructor(database: DatabaseSync, epoch: number) {
    this.#database = database
    this.epoch = epoch
  }

  async renew(): Promise<boolean> {
    return this.#database.isOpen
  }

  async release(): Promise<void> {
    if (this.#database.isOpen) this.#database.close()
  }
}

class LocalLease implements Lease {
  readonly name: string
  readonly #path: string
  #held: LocalHeldLease | undefined

  constructor(path: string) {
    this.name = `local ${path}`
    this.#path = path
  }

  async acquire(holder: string, _ttlMs: number, epochAtLeast: number): Promise<HeldLease | undefined> {
    mkdirSync(dirname(this.#path), { recursive: true })
    const database = new DatabaseSync(this.#path, { timeout: 0 })
    try {
      // The epoch is written first and committed; the lock is taken by a transaction that stays open. Two that race both find it taken, or one does.
      database.exec('PRAGMA journal_mode = DELETE')
      database.exec('PRAGMA locking_mode = EXCLUSIVE')
      database.exec('BEGIN EXCLUSIVE')
      database.exec('CREATE TABLE IF NOT EXISTS lease (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, holder TEXT NOT NULL)')
      const before = Number(database.prepare('SELECT epoch FROM lease').get()?.['epoch'] ?? 0)
      const epoch = Math.max(before, epochAtLeast) + 1
      database.prepare('INSERT INTO lease (one, epoch, holder) VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET epoch = excluded.epoch, holder = excluded.holder').run(epoch, holder)
      // With locking_mode EXCLUSIVE the file lock outlives the transaction, until the connection is closed.
      database.exec('COMMIT')
      this.#held = new LocalHeldLease(database, epoch)
      return this.#held
    } catch (error) {
      database.close()
      if (error instanceof Error && ((error as Error & { errcode?: number }).errcode ?? 0) % 256 === 5) return undefined
      throw error
    }
  }

  /** Unreadable while it is held: the lock keeps readers out too. */
  async holder(): Promise<string | undefined> {
    return undefined
  }

  async close(): Promise<void> {
    await this.#held?.release()
  }
}

export const localLease = (path: string): Lease => new LocalLease(path)
