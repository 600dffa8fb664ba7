// The embedded log among processes: killed writers, writers that compete, readers that follow another process, leaders that die.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { realClock, realRandom } from '@tidemark/base'
import type { Log } from '@tidemark/base'
import { seededRandom } from '@tidemark/testkit'
import { recorded } from '../../../test/services/run-folder.ts'
import { localLease } from './lease.ts'
import { openLocalLog } from './log.ts'

const TOPIC = 'rows'
const PARTITIONS = 3
const folder = mkdtempSync(join(tmpdir(), 'log-local-processes-'))
const children = new Set<ChildProcess>()
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, maxRetries: 20, retryDelay: 50 })
})

/** A process of its own; `acknowledged` are the transactions that it has said are committed, with the milliseconds that each took. */
const start = (path: string, name: string, transactions: number, bytes: number) => {
  const child = recorded(spawn(process.execPath, [join(import.meta.dirname, 'kill-writer.main.ts'), path, TOPIC, name, String(transactions), String(bytes)], { stdio: ['ignore', 'pipe', 'inherit'] }))
  children.add(child)
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { said += text })
  return { child, acknowledged: () => said.split('\n').slice(0, -1).map((line) => Number(line.split(' ')[1])), ended: once(child, 'close') }
}

const keysOf = async (log: Log, partition: number): Promise<string[]> => {
  const [bounds] = await log.offsets(TOPIC, [partition])
  const reader = log.reader()
  const keys: string[] = []
  for (let offset = 0; offset < (bounds?.end ?? 0);) {
    const [fetched] = await reader.fetch([{ topic: TOPIC, partition, offset, maxBytes: 1_000_000 }], { isolation: 'committed', maxWaitMs: 0 })
    if (fetched?.fromOffset !== offset) throw new Error(`nothing at ${offset}`)
    keys.push(...fetched.records.map(({ key }) => String(key)))
    offset = fetched.nextOffset
  }
  await reader.close()
  return keys
}

const opened = async (name: string): Promise<{ readonly path: string, readonly log: Log }> => {
  const path = join(folder, name)
  const log = openLocalLog({ path, clock: realClock })
  await log.createTopics([{ topic: TOPIC, partitions: PARTITIONS }])
  return { path, log }
}

test('writer killed 20 times in the middle: nothing torn over the partitions, no gap, nothing acknowledged lost', async () => {
  const seed = Math.trunc(realRandom.next() * 2 ** 32)
  const random = seededRandom(seed)
  const { path, log } = await opened('kill.db')
  const acknowledged: number[] = []
  for (let life = 0; life < 20; life += 1) {
    const { child, acknowledged: sofar, ended } = start(path, String(life), 1e9, 200_000)
    await once(child.stdout, 'data')
    await realClock.sleep(random.next() * 50)
    child.kill('SIGKILL')
    await ended
    acknowledged.push(sofar().length)
  }
  const first = await keysOf(log, 0)
  for (const partition of [1, 2]) expect({ seed, keys: await keysOf(log, partition) }).toEqual({ seed, keys: first })
  const lives = acknowledged.map((count, life) => ({ life, count, there: first.filter((key) => key.startsWith(`${life}.`)) }))
  expect(first).toHaveLength(lives.reduce((sum, { there }) => sum + there.length, 0))
  for (const { life, count, there } of lives) {
    expect({ seed, life, there }).toEqual({ seed, life, there: there.map((_, n) => `${life}.${n}`) })
    // The last one may have been committed and not yet acknowledged.
    expect([count, count + 1]).toContain(there.length)
  }
  await log.close()
}, 60_000)

test('six writers at once: each transaction once and whole, each writer in its order, none waits for ever', async () => {
  const transactions = 100
  const { path, log } = await opened('six.db')
  const writers = Array.from({ length: 6 }, (_, name) => start(path, String(name), transactions, 50_000))
  for (const { ended } of writers) expect(await ended).toEqual([0, null])
  const first = await keysOf(log, 0)
  expect(first).toHaveLength(6 * transactions)
  for (const partition of [1, 2]) expect(await keysOf(log, partition)).toEqual(first)
  for (let name = 0; name < 6; name += 1) expect(first.filter((key) => key.startsWith(`${name}.`))).toEqual(Array.from({ length: transactions }, (_, n) => `${name}.${n}`))
  console.log(`six writers at once: the slowest transaction took ${Math.max(...writers.flatMap(({ acknowledged }) => acknowledged()))} ms`)
  await log.close()
}, 120_000)

test('a reader follows another process: woken by its commits', async () => {
  const { path, log } = await opened('follow.db')
  const reader = log.reader()
  const writer = start(path, 'w', 50, 10)
  for (let offset = 0; offset < 50;) {
    const [fetched] = await reader.fetch([{ topic: TOPIC, partition: 2, offset, maxBytes: 1 }], { isolation: 'committed', maxWaitMs: 20_000 })
    expect(fetched?.records.map(({ key }) => String(key))[0]).toBe(`w.${offset}`)
    offset = fetched?.nextOffset ?? Infinity
  }
  await writer.ended
  await log.close()
})

test('topics deleted, made anew and trimmed through another connection: seen, nothing stale is read or written', async () => {
  const { path, log } = await opened('two.db')
  const other = openLocalLog({ path, clock: realClock })
  const write = (to: Log, value: string) => to.write([{ topic: TOPIC, partition: 0, records: [{ key: value, value }] }])
  const fetch = (offset: number) => log.reader().fetch([{ topic: TOPIC, partition: 0, offset, maxBytes: 1e6 }], { isolation: 'committed', maxWaitMs: 0 })
  for (const value of ['a', 'b', 'c']) await write(log, value)
  await fetch(0)
  await other.trim(TOPIC, 0, 2)
  await expect(fetch(1)).rejects.toMatchObject({ code: 'LOG_OUT_OF_RANGE', details: { start: 2, end: 3, requested: 1 } })
  await other.deleteTopics([TOPIC])
  await expect(fetch(2)).rejects.toMatchObject({ code: 'LOG_TOPIC_MISSING' })
  await expect(write(log, 'd')).rejects.toMatchObject({ code: 'LOG_TOPIC_MISSING' })
  await other.createTopics([{ topic: TOPIC, partitions: 1 }])
  await expect(fetch(2)).rejects.toMatchObject({ code: 'LOG_OUT_OF_RANGE' })
  expect(await write(log, 'new')).toEqual([{ topic: TOPIC, partition: 0, baseOffset: 0 }])
  expect((await fetch(0)).flatMap(({ records }) => records.map(({ value }) => String(value)))).toEqual(['new'])
  await other.close()
  await log.close()
})

test('lease: its process is killed → free at once, the next epoch is higher; its folder is taken away → lost', async () => {
  const path = join(folder, 'lease', 'leader.db')
  const script = `import { localLease } from ${JSON.stringify(join(import.meta.dirname, 'lease.ts'))}; const held = await localLease(${JSON.stringify(path)}).acquire('child', 1, 6); console.log(held.epoch); setInterval(() => {}, 1000)`
  const child = recorded(spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] }))
  children.add(child)
  expect(Number(String((await once(child.stdout, 'data'))[0]))).toBe(7)
  const lease = localLease(path)
  expect([await lease.acquire('me', 1, 0), await lease.holder()]).toEqual([undefined, 'child'])
  child.kill('SIGKILL')
  await once(child, 'close')
  expect(await lease.holder()).toBeUndefined()
  const held = await lease.acquire('me', 1, 0)
  expect([held?.epoch, await held?.renew()]).toEqual([8, true])
  rmSync(join(folder, 'lease'), { recursive: true })
  expect(await held?.renew()).toBe(false)
})
