// The file of the embedded log: what it refuses, what damage it finds, what it gives back, and that a long lock is an error to try again.
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, test } from '@jest/globals'
import { realClock, transactionalId } from '@tidemark/base'
import type { Log } from '@tidemark/base'
import { judgeFileSystem, judgeVersion } from './engine.ts'
import { openLocalLog } from './log.ts'

const folder = mkdtempSync(join(tmpdir(), 'log-local-file-'))
afterAll(() => rmSync(folder, { recursive: true }))

const opened = async (name: string, more: { readonly busyTimeoutMs?: number } = {}): Promise<{ readonly path: string, readonly log: Log, readonly raw: DatabaseSync }> => {
  const path = join(folder, name)
  const log = openLocalLog({ path, clock: realClock, ...more })
  await log.createTopics([{ topic: 't', partitions: 1 }])
  return { path, log, raw: new DatabaseSync(path) }
}
const write = (log: Log, ...values: string[]) => log.write([{ topic: 't', partition: 0, records: values.map((value) => ({ key: null, value })) }])
const fetch = (log: Log, offset = 0) => log.reader().fetch([{ topic: 't', partition: 0, offset, maxBytes: 1e6 }], { isolation: 'committed', maxWaitMs: 0 })

test('SQLite: older than the fix of the WAL-reset bug → LOG_UNSUPPORTED, newer and this one → accepted', () => {
  for (const old of ['3.51.2', '3.50.7', '3.44.6', '2.99.99', undefined]) expect(judgeVersion(old)).toMatchObject({ code: 'LOG_UNSUPPORTED', action: 'exit' })
  for (const good of ['3.51.3', '3.52.0', '4.0.0', process.versions['sqlite']]) expect(judgeVersion(good)).toBeUndefined()
})

test('file system: over a network → LOG_UNSUPPORTED', () => {
  if (process.platform === 'linux') expect(judgeFileSystem(0xff534d42 | 0, '/mnt')).toMatchObject({ code: 'LOG_UNSUPPORTED', message: expect.stringContaining('CIFS') })
  expect(judgeFileSystem(0xef53, '/')).toBeUndefined()
})

test('a file that is no log, or of another format → refused, left as it is', async () => {
  const path = join(folder, 'text.db')
  writeFileSync(path, 'not a database, but long enough to look like one '.repeat(100))
  await expect(openLocalLog({ path, clock: realClock }).listTopics()).rejects.toMatchObject({ code: 'LOG_DAMAGED', action: 'exit' })
  const foreign = join(folder, 'foreign.db')
  new DatabaseSync(foreign).exec('CREATE TABLE x (y)')
  await expect(openLocalLog({ path: foreign, clock: realClock }).listTopics()).rejects.toMatchObject({ code: 'LOG_DAMAGED' })
  const { path: newer, raw, log } = await opened('newer.db')
  raw.exec('PRAGMA user_version = 99')
  await log.close()
  await expect(openLocalLog({ path: newer, clock: realClock }).listTopics()).rejects.toMatchObject({ code: 'LOG_UNSUPPORTED', message: expect.stringContaining('99') })
})

test('settings: WAL, incremental vacuum, default checkpoint', async () => {
  const { raw, log } = await opened('settings.db')
  const ask = (name: string): unknown => Object.values(raw.prepare(`PRAGMA ${name}`).get() ?? {})[0]
  expect([ask('journal_mode'), ask('auto_vacuum'), ask('wal_autocheckpoint')]).toEqual(['wal', 2, 1_000])
  await log.close()
})

test('many who open a new file at once → one database, all topics', async () => {
  const path = join(folder, 'race', 'log.db')
  const logs = Array.from({ length: 10 }, () => openLocalLog({ path, clock: realClock }))
  await Promise.all(logs.map((log, index) => log.createTopics([{ topic: `t${index}`, partitions: 1 }])))
  for (const log of logs) expect(await log.listTopics()).toEqual(Array.from({ length: 10 }, (_, index) => `t${index}`))
  for (const log of logs) await log.close()
})

test('damage: a flipped bit → LOG_CODEC with its place; a batch that is gone → invariant 7, never a jump', async () => {
  const { raw, log } = await opened('damage.db')
  for (const value of ['a', 'b', 'c']) await write(log, value)
  const bytes = Buffer.from(raw.prepare('SELECT bytes FROM batches WHERE base = 1').get()?.['bytes'] as Uint8Array)
  bytes[bytes.length - 1]! ^= 1
  raw.prepare('UPDATE batches SET bytes = ? WHERE base = 1').run(bytes)
  await expect(fetch(log)).rejects.toMatchObject({ code: 'LOG_CODEC', place: { topic: 't', partition: 0, offset: 1 } })
  raw.exec('DELETE FROM batches WHERE base = 1')
  await expect(fetch(log)).rejects.toMatchObject({ code: 'INVARIANT_BROKEN', details: { expected: 1, found: 2 } })
  raw.exec('DELETE FROM batches')
  await expect(fetch(log)).rejects.toMatchObject({ code: 'INVARIANT_BROKEN' })
  await log.close()
})

test('offsets: none above 2^53 - 1 is given', async () => {
  const { raw, log } = await opened('end.db')
  raw.exec('UPDATE partitions SET "start" = 9007199254740990, "end" = 9007199254740990')
  expect(await write(log, 'a')).toEqual([{ topic: 't', partition: 0, baseOffset: Number.MAX_SAFE_INTEGER - 1 }])
  await expect(write(log, 'b')).rejects.toMatchObject({ code: 'LOG_OFFSETS_EXHAUSTED' })
  expect((await fetch(log, Number.MAX_SAFE_INTEGER - 1)).map(({ nextOffset }) => nextOffset)).toEqual([Number.MAX_SAFE_INTEGER])
  await log.close()
})

test('locked by another for longer than the busy time-out → LOG_UNAVAILABLE, nothing written; released in time → it goes on', async () => {
  const { raw, log } = await opened('busy.db', { busyTimeoutMs: 150 })
  raw.exec('BEGIN IMMEDIATE')
  await expect(write(log, 'lost')).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', action: 'retry', message: expect.stringContaining('150 ms') })
  expect(await fetch(log)).toEqual([])
  const waiting = write(log, 'kept')
  await realClock.sleep(1)
  raw.exec('ROLLBACK')
  await waiting
  expect((await fetch(log)).flatMap(({ records }) => records.map(({ value }) => String(value)))).toEqual(['kept'])
  await log.close()
})

test('space: what is trimmed and deleted is used again, and a file with much free space shrinks', async () => {
  const { path, raw, log } = await opened('space.db')
  const value = 'x'.repeat(200_000)
  for (let round = 0; round < 4; round += 1) await log.write([{ topic: 't', partition: 0, records: Array.from({ length: 60 }, () => ({ key: null, value })) }])
  raw.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  const full = statSync(path).size
  await log.trim('t', 0, 230)
  for (let round = 0; round < 8; round += 1) await log.trim('t', 0, 231 + round)
  raw.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  expect(statSync(path).size).toBeLessThan(full - 8_000_000)
  await log.deleteTopics(['t'])
  expect(raw.prepare('SELECT (SELECT count(*) FROM batches) + (SELECT count(*) FROM partitions) + (SELECT count(*) FROM garbage) AS left').get()?.['left']).toBe(0)
  await log.close()
})

test('fence: an id that was forgotten is fenced too, and an epoch is never given twice', async () => {
  const { raw, log } = await opened('forgotten.db')
  const session = log.session(transactionalId('old'))
  await session.initialise()
  raw.exec('DELETE FROM producers')
  const again = log.session(transactionalId('old'))
  await again.initialise()
  await session.append([{ topic: 't', partition: 0, records: [{ key: null, value: 'x' }] }])
  await expect(session.commit()).rejects.toMatchObject({ code: 'LOG_FENCED' })
  await log.close()
})
