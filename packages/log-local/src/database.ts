// The SQLite file of an embedded cluster: settings, schema, and transactions that turn SQLite's errors into ours.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { TidemarkError } from '@tidemark/base'

/** Below this, WAL files could lose committed transactions when two connections write and checkpoint at once (sqlite.org/wal.html). */
const SQLITE_LEAST = [3, 51, 3] as const
/** How long a writer waits for another's transaction, ms. */
const BUSY_TIMEOUT_MS = 5_000

export type Synchronous = 'NORMAL' | 'FULL'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL, config TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS partitions (id INTEGER PRIMARY KEY, topic INTEGER NOT NULL REFERENCES topics(id) ON DELETE CASCADE, number INTEGER NOT NULL, start INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL DEFAULT 0, UNIQUE (topic, number));
  CREATE TABLE IF NOT EXISTS batches (partition INTEGER NOT NULL REFERENCES partitions(id) ON DELETE CASCADE, base INTEGER NOT NULL, count INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (partition, base));
  CREATE TABLE IF NOT EXISTS producers (transactional_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS mirrored (name TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (name, topic, partition)) WITHOUT ROWID;
`

export const checkSqlite = (version: string): void => {
  const parts = version.split('.').map(Number)
  for (const [i, least] of SQLITE_LEAST.entries()) {
    const part = parts[i] ?? 0
    if (part > least) return
    if (part < least) {
      throw new TidemarkError(`this Node carries SQLite ${version}; the embedded log needs ${SQLITE_LEAST.join('.')} or newer, older ones can lose committed records`, { code: 'LOG_UNSUPPORTED', blame: 'environment', action: 'exit', hint: 'Use Node 24.15 or newer (npm scripts of this project do).' })
    }
  }
}

export const openDatabase = (path: string, synchronous: Synchronous): DatabaseSync => {
  checkSqlite(process.versions['sqlite'] ?? '0')
  mkdirSync(dirname(path), { recursive: true })
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
  guarded(path, () => {
    // auto_vacuum has to be chosen before the first table is made.
    database.exec('PRAGMA auto_vacuum = INCREMENTAL')
    database.exec('PRAGMA journal_mode = WAL')
    database.exec(`PRAGMA synchronous = ${synchronous}`)
    database.exec('PRAGMA trusted_schema = OFF')
    database.exec('PRAGMA foreign_keys = ON')
    transaction(database, () => database.exec(SCHEMA))
  })
  return database
}

/** `BEGIN IMMEDIATE` … `COMMIT`; whatever `body` throws rolls back. */
export const transaction = <T>(database: DatabaseSync, body: () => T): T => {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = body()
    database.exec('COMMIT')
    return result
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

interface SqliteError extends Error {
  readonly errcode?: number
}
const BUSY = 5
const FULL = 13

/** SQLite's errors as ours: busy and full are the environment's. */
export const guarded = <T>(path: string, body: () => T): T => {
  try {
    return body()
  } catch (error) {
    const code = error instanceof Error ? ((error as SqliteError).errcode ?? -1) % 256 : -1
    if (code === BUSY) throw new TidemarkError(`the embedded log ${path} was locked for ${BUSY_TIMEOUT_MS} ms`, { code: 'LOG_UNAVAILABLE', blame: 'environment', action: 'retry', cause: error, hint: 'A process that was stopped may hold its lock.' })
    if (code === FULL) throw new TidemarkError(`the disk under the embedded log ${path} is full`, { code: 'LOG_UNAVAILABLE', blame: 'environment', action: 'retry', cause: error, hint: 'Make room; nothing is lost, processing goes on by itself.' })
    throw error
  }
}
