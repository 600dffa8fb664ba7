// The one connection of a log to its file: opened at first use, its reads and writes short transactions, other processes' locks waited for.
import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { Clock } from '@tidemark/base'
import { busyFor, closed, damaged, isBusy, outcomeUnknown, sqliteError, unsupported } from './errors.ts'
import { createDatabase, identityOf } from './engine.ts'
import { APPLICATION_ID, FORMAT, TABLES } from './schema.ts'

/** How long SQLite itself waits for a lock, with this thread standing still; the rest is waited beside it. */
const BLOCKED_MS_MAX = 50
const RETRY_PAUSE_MS = 5

export type Row = Readonly<Record<string, SQLOutputValue>>

/** Inside a transaction. Statements are prepared once per text. */
export interface Sql {
  get(text: string, ...values: SQLInputValue[]): Row | undefined
  all(text: string, ...values: SQLInputValue[]): Row[]
  /** Leave the loop and the rest is not read. */
  each(text: string, ...values: SQLInputValue[]): Iterable<Row>
  /** Answers with the number of rows that it changed. */
  run(text: string, ...values: SQLInputValue[]): number
}

export interface DatabaseOptions {
  readonly path: string
  readonly clock: Clock
  readonly synchronous: 'NORMAL' | 'FULL'
  /** How long another process may hold the lock before a call fails with `LOG_UNAVAILABLE`. */
  readonly busyTimeoutMs: number
}

export class Database {
  readonly path: string
  readonly clock: Clock
  readonly #options: DatabaseOptions
  readonly #onWritten = new Set<() => void>()
  #opening: Promise<Connection> | undefined
  #connection: Connection | undefined
  #closed = false

  constructor(options: DatabaseOptions) {
    this.#options = options
    this.path = options.path
    this.clock = options.clock
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Calls `notice` after each commit of this connection. */
  onWritten(notice: () => void): void {
    this.#onWritten.add(notice)
  }

  /** Grows whenever *another* connection has committed. Only once the file is open. */
  otherVersion(): number {
    return Number(this.#connection?.prepare('PRAGMA data_version').get()?.['data_version'] ?? -1)
  }

  /** One consistent view. `body` may run again when the lock was not to be had. */
  read<T>(doing: string, body: (sql: Sql) => T): Promise<T> {
    return this.#transaction(doing, 'BEGIN', body)
  }

  /** Everything that `body` writes, or nothing. Only the first call of all may wait before it begins. */
  write<T>(doing: string, body: (sql: Sql) => T): Promise<T> {
    return this.#transaction(doing, 'BEGIN IMMEDIATE', body)
  }

  async open(): Promise<void> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined
      throw sqliteError(error, 'open the embedded log', this.path)
    })
    this.#connection = await this.#opening
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const connection = await this.#opening?.catch(() => undefined)
    connection?.close()
  }

  async #open(): Promise<Connection> {
    await createDatabase(this.path, { tables: TABLES, format: FORMAT, applicationId: APPLICATION_ID })
    const database = new DatabaseSync(this.path, { timeout: BLOCKED_MS_MAX })
    try {
      const { applicationId, format } = identityOf(database)
      if (applicationId !== APPLICATION_ID) throw damaged(`${this.path} is no log of Tidemark`)
      if (format !== FORMAT) throw unsupported(`${this.path} has format ${format}, this version reads ${FORMAT}`, 'Use the version of Tidemark that wrote it, or another folder.')
      database.exec(`PRAGMA synchronous = ${this.#options.synchronous}; PRAGMA trusted_schema = OFF`)
      return new Connection(database)
    } catch (error) {
      database.close()
      throw error
    }
  }

  async #transaction<T>(doing: string, begin: 'BEGIN' | 'BEGIN IMMEDIATE', body: (sql: Sql) => T): Promise<T> {
    const deadline = this.clock.monotonic() + this.#options.busyTimeoutMs
    for (;;) {
      if (this.#closed) throw closed(`the log ${this.path}`)
      if (!this.#connection) await this.open()
      try {
        const answer = this.#once(doing, begin, body)
        if (begin === 'BEGIN IMMEDIATE') for (const notice of this.#onWritten) notice()
        // SQLite answers at once: without this, a loop of calls would let nothing else happen in its process.
        await new Promise((resolve) => { setImmediate(resolve) })
        return answer
      } catch (error) {
        if (!isBusy(error)) throw sqliteError(error, doing, this.path)
        if (this.clock.monotonic() >= deadline) throw busyFor(doing, this.#options.busyTimeoutMs, error)
      }
      await this.clock.sleep(RETRY_PAUSE_MS)
    }
  }

  /** Without a pause inside: nothing else of this process comes between. */
  #once<T>(doing: string, begin: string, body: (sql: Sql) => T): T {
    const connection = this.#connection
    if (this.#closed || !connection) throw closed(`the log ${this.path}`)
    connection.run(begin)
    let answer: T
    try {
      answer = body(connection)
    } catch (error) {
      connection.rollback()
      throw error
    }
    try {
      connection.run('COMMIT')
    } catch (error) {
      connection.rollback()
      throw begin === 'BEGIN' || isBusy(error) ? error : outcomeUnknown(doing, error)
    }
    return answer
  }
}

class Connection implements Sql {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  prepare(text: string): StatementSync {
    let statement = this.#statements.get(text)
    if (!statement) {
      statement = this.#database.prepare(text)
      this.#statements.set(text, statement)
    }
    return statement
  }

  get(text: string, ...values: SQLInputValue[]): Row | undefined {
    return this.prepare(text).get(...values)
  }

  all(text: string, ...values: SQLInputValue[]): Row[] {
    return this.prepare(text).all(...values)
  }

  each(text: string, ...values: SQLInputValue[]): Iterable<Row> {
    return this.prepare(text).iterate(...values)
  }

  run(text: string, ...values: SQLInputValue[]): number {
    return Number(this.prepare(text).run(...values).changes)
  }

  /** Some errors of SQLite have rolled back already. */
  rollback(): void {
    if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
  }

  close(): void {
    this.#statements.clear()
    this.#database.close()
  }
}
