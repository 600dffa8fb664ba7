// The lease on a real Redis, which is stopped, killed and emptied.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { afterEach, beforeAll, expect, test } from '@jest/globals'
import { realClock, silentLogger, TidemarkError } from '@tidemark/base'
import type { Lease } from '@tidemark/base'
import { openRedisLease } from './redis-lease.ts'

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})

let port = 0
beforeAll(async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  port = typeof address === 'object' && address ? address.port : 0
  server.close()
  await once(server, 'close')
})

const until = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
  const end = performance.now() + 10_000
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited 10 s: ${what}`)
    await realClock.sleep(20)
  }
}
const answers = (): Promise<boolean> => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
  socket.once('data', () => socket.destroy() && resolve(true)).once('error', () => resolve(false))
})
/** Empty at every start. */
const startRedis = async (): Promise<ChildProcess> => {
  const server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], { stdio: 'ignore' })
  cleanups.push(() => kill(server))
  await until('redis answers', answers)
  return server
}
const kill = async (server: ChildProcess): Promise<void> => {
  if (server.exitCode !== null || server.signalCode !== null) return
  server.kill('SIGKILL')
  await once(server, 'exit')
}
const open = (key = 'leader'): Lease => {
  const lease = openRedisLease({ url: `redis://127.0.0.1:${port}`, key, clock: realClock, logger: silentLogger })
  cleanups.push(() => lease.close())
  return lease
}
const code = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => undefined, (error: unknown) => (error instanceof TidemarkError ? error.code : error))

test('lease: one of twenty gets it, the others see who', async () => {
  await startRedis()
  const leases = Array.from({ length: 20 }, () => open())
  const got = await Promise.all(leases.map((lease, i) => lease.acquire(`driver ${i} at host:1`, 10_000, 0)))
  expect(got.filter((held) => held !== undefined)).toHaveLength(1)
  expect(await open().holder()).toBe(`driver ${got.findIndex((held) => held !== undefined)} at host:1`)
  expect(await open('another').holder()).toBeUndefined()
})

test('lease: epochs grow over release and expiry, and above what the caller knows', async () => {
  await startRedis()
  const lease = open()
  const first = await lease.acquire('a', 10_000, 0)
  expect(first?.epoch).toBe(1)
  expect(await lease.acquire('a', 10_000, 0)).toBeUndefined()
  await first?.release()
  const second = await lease.acquire('b', 50, 40)
  expect(second?.epoch).toBe(41)
  await until('it runs out', async () => await lease.holder() === undefined)
  expect(await second?.renew()).toBe(false)
  expect((await lease.acquire('c', 10_000, 7))?.epoch).toBe(42)
})

test('lease: large epochs stay exact', async () => {
  await startRedis()
  const held = await open().acquire('a', 10_000, 2 ** 53 - 3)
  expect(held?.epoch).toBe(2 ** 53 - 2)
})

test('lease: renewed, it outlives its first time; lost, it stays lost and takes nothing from its successor', async () => {
  await startRedis()
  const [mine, theirs] = [open(), open()]
  const held = await mine.acquire('mine', 300, 0)
  const begun = performance.now()
  while (performance.now() - begun < 700) {
    expect(await held?.renew()).toBe(true)
    await realClock.sleep(50)
  }
  expect(await theirs.acquire('theirs', 10_000, 0)).toBeUndefined()
  await until('it runs out', async () => await mine.holder() === undefined)
  const next = await theirs.acquire('theirs', 10_000, 0)
  expect(next?.epoch).toBe(2)
  expect(await held?.renew()).toBe(false)
  await held?.release()
  await held?.release()
  expect(await mine.holder()).toBe('theirs')
  await next?.release()
  expect(await next?.renew()).toBe(false)
  expect(await mine.holder()).toBeUndefined()
})

test('lease: redis killed and started again empty → unavailable meanwhile, lost after, epochs go on growing', async () => {
  const server = await startRedis()
  const lease = open()
  const held = await lease.acquire('a', 60_000, 11)
  expect(held?.epoch).toBe(12)
  await kill(server)
  expect(await code(Promise.resolve(held?.renew()))).toBe('LEASE_UNAVAILABLE')
  expect(await code(lease.acquire('b', 1_000, 12))).toBe('LEASE_UNAVAILABLE')
  await startRedis()
  await until('it is reached again', async () => await code(lease.holder()) === undefined)
  expect(await held?.renew()).toBe(false)
  expect((await lease.acquire('b', 60_000, 12))?.epoch).toBe(13)
  expect(await held?.renew()).toBe(false)
})

test('lease: redis stopped in the middle → unavailable in time, back by itself, nothing acquired late', async () => {
  const server = await startRedis()
  const lease = open()
  expect(await lease.holder()).toBeUndefined()
  server.kill('SIGSTOP')
  cleanups.push(() => { server.kill('SIGCONT') })
  const begun = performance.now()
  expect(await code(lease.acquire('late', 60_000, 0))).toBe('LEASE_UNAVAILABLE')
  expect(performance.now() - begun).toBeLessThan(1_500)
  // Not sent at all: the connection is known to be dead.
  expect(await code(lease.acquire('unsent', 60_000, 0))).toBe('LEASE_UNAVAILABLE')
  server.kill('SIGCONT')
  await until('it is reached again', async () => await code(lease.holder()) === undefined)
  expect([undefined, 'late']).toContain(await lease.holder())
})

test('lease: a key that somebody else writes to → damaged, not taken', async () => {
  await startRedis()
  const lease = open()
  await lease.holder()
  const socket = connect(port, '127.0.0.1')
  socket.write('SET {leader}.epoch nonsense\r\n')
  await once(socket, 'data')
  socket.destroy()
  expect(await code(lease.acquire('a', 1_000, 0))).toBe('LEASE_UNAVAILABLE')
  expect(await lease.holder()).toBeUndefined()
})
