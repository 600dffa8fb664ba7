// SQLite as this room uses it: which versions and file systems it accepts, and how a database file comes into being.
import { link, mkdir, rm, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { threadId } from 'node:worker_threads'
import type { TidemarkError } from '@tidemark/base'
import { unsupported } from './errors.ts'

/** Before it, two connections that write and checkpoint at one moment can lose committed transactions (sqlite.org/wal.html, "The WAL-reset bug"). */
const SQLITE_MIN = [3, 51, 3] as const

/** Pure, so that old versions can be tried without one. */
export const judgeVersion = (version: string | undefined): TidemarkError | undefined => {
  const parts = (version ?? '').split('.').map(Number)
  const firstOther = SQLITE_MIN.findIndex((wanted, index) => parts[index] !== wanted)
  if (firstOther < 0 || (parts[firstOther] ?? -1) > SQLITE_MIN[firstOther]!) return undefined
  return unsupported(`this Node has SQLite ${version ?? 'of no version'}, the embedded log needs ${SQLITE_MIN.join('.')}: older ones can lose committed transactions`, 'Use Node 24.15 or newer.')
}

/** `statfs` types of network file systems, whose locks can't be relied on: NFS, SMB, CIFS, SMB2 (linux/magic.h). */
const NETWORK_FILE_SYSTEMS = new Map([[0x6969, 'NFS'], [0x517b, 'SMB'], [0xff534d42, 'CIFS'], [0xfe534d42, 'SMB 2']])

export const judgeFileSystem = (type: number, folder: string): TidemarkError | undefined => {
  const name = process.platform === 'linux' ? NETWORK_FILE_SYSTEMS.get(type >>> 0) : undefined
  return name === undefined ? undefined : unsupported(`${folder} is on a network file system (${name})`, 'Put the folder on a local disk: file locks over a network do not keep two processes apart.')
}

let made = 0

/**
 * Makes the file unless it is there. Another process sees the whole database or none: it is made under another name, then linked.
 * `tables` is run once; `format` goes into `user_version` and `applicationId` says whose file it is.
 */
export const createDatabase = async (path: string, { tables, format, applicationId }: { readonly tables: string, readonly format: number, readonly applicationId: number }): Promise<void> => {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true })
  const problem = judgeVersion(process.versions['sqlite']) ?? judgeFileSystem((await statfs(folder)).type, folder)
  if (problem) throw problem
  const scratch = `${path}.${process.pid}-${threadId}-${made += 1}.new`
  try {
    // Closed again before anyone else can open it: the last connection takes the -wal file with it.
    const database = new DatabaseSync(scratch)
    database.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${format}; ${tables}`)
    database.close()
    await link(scratch, path)
  } catch (error) {
    // No `instanceof Error`: what Node throws comes from another realm where a test runner has its own.
    if (!(typeof error === 'object' && error !== null && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    await rm(scratch, { force: true })
  }
}

/** Two integers of the file's header: whose it is, and its format. */
export const identityOf = (database: DatabaseSync): { readonly applicationId: number, readonly format: number } => ({
  applicationId: Number(database.prepare('PRAGMA application_id').get()?.['application_id']),
  format: Number(database.prepare('PRAGMA user_version').get()?.['user_version']),
})
