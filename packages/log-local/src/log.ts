// The Log port on one SQLite file, shared by the processes of an embedded cluster.
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Clock, Log } from '@tidemark/base'
import { insert, prepare } from './appending.ts'
import { Changes } from './changes.ts'
import { Database } from './database.ts'
import { Directory } from './directory.ts'
import { closed } from './errors.ts'
import { LocalReader } from './reader.ts'
import { LocalSession, takeEpoch } from './session.ts'

export interface LocalLogOptions {
  /** The file; made with its folder at the first call. Beside it SQLite keeps `-wal` and `-shm`. */
  readonly path: string
  readonly clock: Clock
  /**
   * NORMAL (default): outlives the crash of any process; a power cut may take the last commits, never a part of one. FULL: outlives that
   * too, at a sync of the disk for each commit (0.9 ms instead of 0.3 at the median, 100 ms and more at times with many writers).
   */
  readonly synchronous?: 'NORMAL' | 'FULL'
  /** How long another process may hold the file's lock before a call fails with `LOG_UNAVAILABLE`. Default 5,000. */
  readonly busyTimeoutMs?: number
}

/** Opens nothing yet: the first call does. */
export const openLocalLog = ({ path, clock, synchronous = 'NORMAL', busyTimeoutMs = 5_000 }: LocalLogOptions): Log => {
  const database = new Database({ path, clock, synchronous, busyTimeoutMs })
  const directory = new Directory(database)
  const changes = new Changes(database)
  const open = new Set<LocalReader | LocalSession>()
  const mustBeOpen = (): void => {
    if (database.isClosed) throw closed(`the log ${path}`)
  }
  return {
    name: `local ${path}`,
    hasOpenTransactions: false,
    check: () => database.read('check the log', () => undefined),
    createTopics: async (specs) => directory.create(specs),
    describeTopics: (topics) => directory.describe(topics),
    listTopics: () => directory.list(),
    deleteTopics: (topics) => directory.delete(topics),
    offsets: (topic, partitions) => directory.offsets(topic, partitions),
    reader: () => {
      mustBeOpen()
      const reader = new LocalReader(database, directory, changes, (closing) => open.delete(closing))
      open.add(reader)
      return reader
    },
    session: (id) => {
      mustBeOpen()
      const session = new LocalSession(database, directory, id, (closing) => open.delete(closing))
      open.add(session)
      return session
    },
    fence: async (id) => {
      await takeEpoch(database, id)
    },
    write: async (writes) => {
      if (writes.length === 0) return []
      const now = Math.trunc(clock.now())
      const prepared = await database.read('write', (sql) => prepare(sql, directory, writes, now))
      const appended = await database.write('write', (sql) => insert(sql, directory, prepared))
      return appended
    },
    trim: (topic, partition, before) => directory.trim(topic, partition, before),
    partitionFor: (key, partitions) => crc32(key) % partitions,
    mirrorPositions: (group, positions) => database.write(`publish positions of "${group}"`, (sql) => {
      for (const { topic, partition, nextOffset } of positions) sql.run('INSERT INTO mirrored VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset', group, topic, partition, nextOffset)
      return []
    }),
    freeBytes: async () => {
      const { bavail, bsize } = await statfs(dirname(path))
      return bavail * bsize
    },
    close: async () => {
      for (const one of open) await one.close()
      await database.close()
    },
  }
}
