// The lease while Redis can't be asked; needs no Redis.
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { once } from 'node:events'
import { afterEach, expect, test } from '@jest/globals'
import { realClock, silentLogger, TidemarkError } from '@tidemark/base'
import type { Lease, Logger } from '@tidemark/base'
import { openRedisLease } from './redis-lease.ts'

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})
const open = (url: string, logger: Logger = silentLogger): Lease => {
  const lease = openRedisLease({ url, key: 'leader', clock: realClock, logger, commandTimeoutMs: 200 })
  cleanups.push(() => lease.close())
  return lease
}
const failure = async (promise: Promise<unknown>): Promise<TidemarkError> => {
  const error = await promise.then(() => undefined, (reason: unknown) => reason)
  expect(error).toBeInstanceOf(TidemarkError)
  return error as TidemarkError
}
const listen = async (onSocket: (socket: Socket) => void): Promise<{ url: string, server: Server }> => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    onSocket(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return { url: `redis://:secret@127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`, server }
}

test('lease, closed port → unavailable instead of a wait, said once, no event unhandled', async () => {
  const { url, server } = await listen(() => {})
  server.close()
  await once(server, 'close')
  const logged: string[] = []
  const lease = open(url, { ...silentLogger, warn: (_, event) => logged.push(event) })
  const begun = realClock.monotonic()
  for (const call of [() => lease.acquire('a', 1_000, 0), () => lease.holder()]) {
    const error = await failure(call())
    expect(error).toMatchObject({ code: 'LEASE_UNAVAILABLE', action: 'retry', blame: 'environment' })
    expect(error.message).toMatch(/ECONNREFUSED/)
  }
  console.log(`two calls to a closed port: ${Math.round(realClock.monotonic() - begun)} ms`)
  expect(logged).toEqual(['lease.redis-lost'])
})

test('lease, a server that accepts and never answers → unavailable, and the connection is made anew', async () => {
  let connections = 0
  let more: (() => void) | undefined
  const { url } = await listen(() => {
    connections += 1
    if (connections === 2) more?.()
  })
  const lease = open(url)
  const second = new Promise<void>((resolve) => { more = resolve })
  expect((await failure(lease.acquire('a', 1_000, 0))).code).toBe('LEASE_UNAVAILABLE')
  await second
})

test('lease, a name that has no address → unavailable', async () => {
  expect((await failure(open('redis://redis.invalid:6379').acquire('a', 1_000, 0))).code).toBe('LEASE_UNAVAILABLE')
})

test('lease, a server that wants a password → the user is told, and no password is shown', async () => {
  const { url } = await listen((socket) => socket.on('data', (data) => socket.write('-WRONGPASS invalid username-password pair\r\n'.repeat(data.toString().split('*').length - 1))))
  const error = await failure(open(url).acquire('a', 1_000, 0))
  expect(error).toMatchObject({ code: 'LEASE_UNAVAILABLE', hint: expect.stringMatching(/password/) })
  expect(JSON.stringify(error)).not.toMatch(/secret/)
})

test('lease, closed → calls end as closed', async () => {
  const { url } = await listen(() => {})
  const lease = open(url)
  const pending = failure(lease.holder())
  await lease.close()
  await lease.close()
  expect((await pending).code).toBe('LEASE_UNAVAILABLE')
  expect((await failure(lease.acquire('a', 1_000, 0))).code).toBe('LEASE_CLOSED')
})

test.each(['', 'localhost', 'http://localhost', '/tmp/redis.sock', 'redis://'])('URL %j → refused, not repeated', (url) => {
  expect(() => open(url)).toThrow(expect.objectContaining({ code: 'LEASE_CONFIG_INVALID', blame: 'user' }))
})

test.each([[0, 0], [1.5, 0], [1_000, -1], [1_000, 2 ** 53], [Infinity, 0]])('lease of %s ms above epoch %s → refused', async (ttlMs, epochAtLeast) => {
  const { url } = await listen(() => {})
  await expect(open(url).acquire('a', ttlMs, epochAtLeast)).rejects.toThrow(RangeError)
})
