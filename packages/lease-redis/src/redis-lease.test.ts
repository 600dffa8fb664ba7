// The lease on a real Redis, which is stopped, killed and emptied.
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals'
import { realClock, silentLogger, TidemarkError } from '@tidemark/base'
import type { Lease } from '@tidemark/base'
import { leaseConformance } from '@tidemark/testkit'
import { describeWith, startRedis } from '../../../test/services/index.ts'
import { openRedisLease } from './redis-lease.ts'

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})

const until = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
  const end = realClock.monotonic() + 60_000
  while (!(await holds())) {
    if (realClock.monotonic() > end) throw new Error(`waited 60 s: ${what}`)
    await realClock.sleep(20)
  }
}
/** Of our own, because it is killed; empty after each restart. */
let server: Awaited<ReturnType<typeof startRedis>> | undefined
const redis = (): NonNullable<typeof server> => {
  if (!server) throw new Error('redis is started in beforeEach')
  return server
}
afterAll(() => server?.close())
const open = (key = 'leader'): Lease => {
  const lease = openRedisLease({ url: redis().url, key, clock: realClock, logger: silentLogger })
  cleanups.push(() => lease.close())
  return lease
}
const code = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => undefined, (error: unknown) => (error instanceof TidemarkError ? error.code : error))

describeWith(['redis'], 'lease-redis on the shared Redis', (service) => {
  leaseConformance('redis', async () => ({ open: (name) => openRedisLease({ url: service('redis').url, key: name, clock: realClock, logger: silentLogger }), close: async () => {} }))
})

describeWith(['redis'], 'lease-redis on a Redis that is killed', () => {
  beforeEach(async () => {
    server ??= await startRedis()
    await server.restart()
  })

  test('lease: redis killed and started again empty → unavailable meanwhile, lost after, epochs go on growing', async () => {
    const lease = open()
    const held = await lease.acquire('a', 60_000, 11)
    expect(held?.epoch).toBe(12)
    await redis().kill()
    expect(await code(Promise.resolve(held?.renew()))).toBe('LEASE_UNAVAILABLE')
    expect(await code(lease.acquire('b', 1_000, 12))).toBe('LEASE_UNAVAILABLE')
    await redis().restart()
    await until('it is reached again', async () => await code(lease.holder()) === undefined)
    expect(await held?.renew()).toBe(false)
    expect((await lease.acquire('b', 60_000, 12))?.epoch).toBe(13)
    expect(await held?.renew()).toBe(false)
  }, 120_000)

  test('lease: redis stopped in the middle → unavailable meanwhile, back by itself, nothing acquired late', async () => {
    const lease = open()
    expect(await lease.holder()).toBeUndefined()
    redis().pause()
    cleanups.push(() => redis().resume())
    const begun = realClock.monotonic()
    expect(await code(lease.acquire('late', 60_000, 0))).toBe('LEASE_UNAVAILABLE')
    console.log(`a Redis that is stopped: unavailable after ${Math.round(realClock.monotonic() - begun)} ms`)
    // Not sent at all: the connection is known to be dead.
    expect(await code(lease.acquire('unsent', 60_000, 0))).toBe('LEASE_UNAVAILABLE')
    redis().resume()
    await until('it is reached again', async () => await code(lease.holder()) === undefined)
    expect([undefined, 'late']).toContain(await lease.holder())
  }, 120_000)

  test('lease: a key that somebody else writes to → damaged, not taken', async () => {
    const lease = open()
    await lease.holder()
    const socket = connect(Number(new URL(redis().url).port), '127.0.0.1')
    socket.write('SET {leader}.epoch nonsense\r\n')
    await once(socket, 'data')
    socket.destroy()
    expect(await code(lease.acquire('a', 1_000, 0))).toBe('LEASE_UNAVAILABLE')
    expect(await lease.holder()).toBeUndefined()
  })
})
