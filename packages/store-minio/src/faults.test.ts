// The store against servers that fail in ways a real one does not show on demand.
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from '@jest/globals'
import { realClock, silentLogger, TidemarkError } from '@tidemark/base'
import type { Logger, ObjectStore } from '@tidemark/base'
import { startFakeS3 } from './fake-s3.ts'
import type { FakeFaults, FakeS3 } from './fake-s3.ts'
import { openMinioStore } from './minio-store.ts'

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})

const open = (endpoint: string, deadlineMs = 5_000, logger: Logger = silentLogger): ObjectStore => {
  const store = openMinioStore({ endpoint, accessKey: 'key', secretKey: 'secret', bucket: 'bucket', clock: realClock, logger, deadlineMs })
  cleanups.push(() => store.close())
  return store
}
const fake = async (faults: FakeFaults = {}): Promise<{ server: FakeS3, store: ObjectStore }> => {
  const server = await startFakeS3(faults)
  cleanups.push(() => server.close())
  return { server, store: open(server.endpoint) }
}
const listen = async (onSocket: (socket: Socket) => void): Promise<{ port: number, server: Server }> => {
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
  return { port: typeof address === 'object' && address ? address.port : 0, server }
}
const failure = async (promise: Promise<unknown>): Promise<TidemarkError> => {
  const error = await promise.then(() => undefined, (reason: unknown) => reason)
  expect(error).toBeInstanceOf(TidemarkError)
  return error as TidemarkError
}

describe('store-minio: check', () => {
  test('check, a server that does all of it → passes and leaves nothing behind', async () => {
    const { server, store } = await fake()
    await store.check()
    expect(server.objects.size).toBe(0)
  })
  const broken: readonly (readonly [string, FakeFaults, RegExp])[] = [
    ['ignores If-None-Match', { ignoresConditions: true }, /ignores If-None-Match/],
    ['answers with old objects', { readsOld: true }, /no read-after-write/],
    ['ignores ranges', { ignoresRanges: true }, /range/],
    ['lists late', { listsNothing: true }, /does not list/],
    ['does not implement the request', { failures: 1, failStatus: 501 }, /does not implement/],
  ]
  test.each(broken)('check, a server that %s → is refused as unsupported', async (_, faults, message) => {
    const { store } = await fake(faults)
    const error = await failure(store.check())
    expect(error).toMatchObject({ code: 'STORE_UNSUPPORTED', action: 'exit' })
    expect(error.message).toMatch(message)
  })
  test('check, rights are refused → final at the start, to be tried again later', async () => {
    const { store } = await fake({ failures: 2, failStatus: 403 })
    expect(await failure(store.check())).toMatchObject({ code: 'STORE_UNUSABLE', blame: 'user', action: 'exit' })
    expect(await failure(store.get('a'))).toMatchObject({ code: 'STORE_DENIED', action: 'retry' })
  })
})

describe('store-minio: put if absent', () => {
  test('put if absent, our own answer was lost → created, by the bytes', async () => {
    const { server, store } = await fake({ lostAnswers: 1 })
    expect(await store.putIfAbsent('runs/2.json', Buffer.from('mine'))).toBe('created')
    expect(server.requests.filter((request) => request.startsWith('PUT'))).toHaveLength(2)
  })
  test('put if absent, the answer was lost and another one is there → exists', async () => {
    const { server, store } = await fake({ lostAnswers: 1, onConflict: (objects) => objects.set('runs/2.json', Buffer.from('theirs, and longer')) })
    expect(await store.putIfAbsent('runs/2.json', Buffer.from('mine'))).toBe('exists')
    expect(server.objects.get('runs/2.json')?.toString()).toBe('theirs, and longer')
  })
  test('put if absent, 409 as AWS answers racing puts → read back and compared', async () => {
    const { server, store } = await fake({ conflictStatus: 409 })
    server.objects.set('a', Buffer.from('theirs'))
    expect(await store.putIfAbsent('a', Buffer.from('mine!!'))).toBe('exists')
    expect(await store.putIfAbsent('a', Buffer.from('theirs'))).toBe('created')
  })
  test('put if absent, refused but gone when read back → put again', async () => {
    const { server, store } = await fake({ onConflict: (objects) => objects.delete('a') })
    server.objects.set('a', Buffer.from('theirs'))
    expect(await store.putIfAbsent('a', Buffer.from('mine'))).toBe('created')
    expect(server.objects.get('a')?.toString()).toBe('mine')
  })
})

describe('store-minio: failures', () => {
  test.each([408, 429, 499, 500, 502, 503, 504, 520])('put, answered %i twice → tried again and done, every attempt logged', async (status) => {
    const { server } = await fake({ failures: 2, failStatus: status })
    const logged: string[] = []
    const store = open(server.endpoint, 5_000, { ...silentLogger, warn: (_, event) => logged.push(event) })
    await store.put('a', Buffer.from('x'))
    expect(server.objects.get('a')?.toString()).toBe('x')
    expect(logged).toEqual(['store.attempt-failed', 'store.attempt-failed'])
  })
  test('put, answered 503 for ever → unavailable after a bounded number of tries', async () => {
    const { server, store } = await fake({ failures: Infinity })
    expect(await failure(store.put('a', Buffer.from('x')))).toMatchObject({ code: 'STORE_UNAVAILABLE', action: 'retry', details: { status: 503 } })
    expect(server.requests).toHaveLength(5)
  })
  test('dropped answers: many 503s keep no socket, more calls than sockets go through', async () => {
    const { server, store } = await fake({ failures: 60 })
    const answers = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => store.put(`k${i}`, Buffer.from('x'))))
    expect(answers.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0)
    await store.put('last', Buffer.from('x'))
    expect(await server.openSockets()).toBeLessThanOrEqual(16)
  })
  test('get, a body that breaks off → tried again, never a part of it', async () => {
    const { server, store } = await fake({ tornReads: 2 })
    server.objects.set('a', Buffer.from('0123456789'))
    expect((await store.get('a')).toString()).toBe('0123456789')
  })
  /** Longer than a test may take: who waits for it fails. */
  const DEADLINE_FAR_MS = 120_000
  test('closed port → unavailable before the deadline', async () => {
    const { port, server } = await listen(() => {})
    server.close()
    await once(server, 'close')
    const begun = realClock.monotonic()
    expect(await failure(open(`http://127.0.0.1:${port}`, DEADLINE_FAR_MS).get('a'))).toMatchObject({ code: 'STORE_UNAVAILABLE', action: 'retry' })
    console.log(`a closed port: unavailable after ${Math.round(realClock.monotonic() - begun)} ms`)
  })
  test('a server that accepts and never answers → unavailable at the deadline, tried on a second connection', async () => {
    let sockets = 0
    const { port } = await listen(() => { sockets += 1 })
    const store = open(`http://127.0.0.1:${port}`, 3_000)
    const begun = realClock.monotonic()
    expect(await failure(store.putIfAbsent('a', Buffer.from('x')))).toMatchObject({ code: 'STORE_UNAVAILABLE', action: 'retry' })
    console.log(`no answer, with a deadline of 3,000 ms: unavailable after ${Math.round(realClock.monotonic() - begun)} ms`)
    expect(sockets).toBeGreaterThanOrEqual(2)
  })
  test('a server that answers by the drop → unavailable at the deadline', async () => {
    const { port } = await listen((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n')
      const drip = setInterval(() => socket.write('x'), 20)
      socket.on('close', () => clearInterval(drip))
    })
    expect((await failure(open(`http://127.0.0.1:${port}`, 400).get('a'))).message).toMatch(/did not answer within 400 ms/)
  })
  test('close during a call → the call ends with closed, so does the next', async () => {
    const { port } = await listen(() => {})
    const store = open(`http://127.0.0.1:${port}`)
    const pending = failure(store.get('a'))
    await store.close()
    expect((await pending).code).toBe('STORE_CLOSED')
    expect((await failure(store.get('a'))).code).toBe('STORE_CLOSED')
  })
})

describe('store-minio: refused before any request', () => {
  test.each(['', '/a', 'a/../b', './a', '007', '1e3', 'a'.repeat(1025)])('key %j → refused', async (key) => {
    const { server, store } = await fake()
    expect(await failure(store.put(key, Buffer.from('x')))).toMatchObject({ code: 'STORE_KEY_INVALID', blame: 'bug' })
    expect(server.requests).toEqual([])
  })
  test('an object over 64 MiB → too large', async () => {
    const { server, store } = await fake()
    const big = Buffer.alloc(64 * 1024 * 1024 + 1)
    expect((await failure(store.put('a', big))).code).toBe('STORE_OBJECT_TOO_LARGE')
    expect((await failure(store.putIfAbsent('a', big))).code).toBe('STORE_OBJECT_TOO_LARGE')
    expect(server.requests).toEqual([])
  })
  test.each(['127.0.0.1:9000', 'ftp://a', 'http://a/b', 'http://key:word@a', 'http://:word@a', 'http://a/?key=word', 'http://a/#word', ''])('endpoint %j → refused, and not repeated', (endpoint) => {
    expect(() => open(endpoint)).toThrow(expect.objectContaining({ code: 'STORE_CONFIG_INVALID', blame: 'user', message: expect.not.stringContaining('word') }))
  })
})
