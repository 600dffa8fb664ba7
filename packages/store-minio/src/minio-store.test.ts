// The store on a real MinIO.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { realClock, realRandom, silentLogger } from '@tidemark/base'
import type { ObjectStore } from '@tidemark/base'
import { describeWith, startMinio } from '../../../test/services/index.ts'
import { openMinioStore } from './minio-store.ts'
import type { MinioStoreOptions } from './minio-store.ts'

describeWith(['minio'], 'store-minio on a real MinIO', (service) => {
  const prefix = `store-minio-${realRandom.uuid()}`
  const opened: ObjectStore[] = []
  const open = (more: Partial<MinioStoreOptions> = {}): ObjectStore => {
    const { endpoint, accessKey, secretKey, bucket } = service('minio')
    const store = openMinioStore({ endpoint, accessKey, secretKey, bucket, clock: realClock, logger: silentLogger, deadlineMs: 20_000, ...more })
    opened.push(store)
    return store
  }
  let store: ObjectStore
  beforeAll(() => { store = open() })
  afterAll(async () => {
    await store.delete((await store.list(prefix)).map(({ key }) => key))
    await Promise.all(opened.map((one) => one.close()))
  })

  test('check → passes', () => store.check())

  test('put if absent: of twenty racing writers with their own bytes → one creates', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => store.putIfAbsent(`${prefix}/race`, Buffer.from(`writer ${i}`))))
    expect(answers.filter((answer) => answer === 'created')).toHaveLength(1)
    expect((await store.get(`${prefix}/race`)).toString()).toBe(`writer ${answers.indexOf('created')}`)
  })

  test('list: more than one page → all, in key order, and only that prefix', async () => {
    const keys = Array.from({ length: 1_050 }, (_, i) => `${prefix}/many/${String((i * 619) % 1_050).padStart(5, '0')}`)
    await Promise.all(keys.map((key, i) => store.put(key, Buffer.alloc(i % 3))))
    await store.put(`${prefix}/manyother`, Buffer.alloc(1))
    const found = await store.list(`${prefix}/many/`)
    expect(found.map(({ key }) => key)).toEqual(keys.toSorted())
    expect(found.find(({ key }) => key === keys[2])).toMatchObject({ sizeBytes: 2, modifiedAt: expect.any(Number) })
    await store.delete([...keys, `${prefix}/many/missing`])
    expect(await store.list(`${prefix}/many/`)).toEqual([])
    expect(await store.list(`${prefix}/manyother`)).toHaveLength(1)
  })

  test('put: 64 MiB in one request, in and out', async () => {
    const body = Buffer.alloc(64 * 1024 * 1024, realRandom.uuid())
    expect(await store.putIfAbsent(`${prefix}/big`, body)).toBe('created')
    expect((await store.get(`${prefix}/big`)).equals(body)).toBe(true)
    expect(await store.putIfAbsent(`${prefix}/big`, body.subarray(1))).toBe('exists')
  })

  test('range: inside, across the end, behind it, empty, of nothing', async () => {
    const key = `${prefix}/range`
    await store.put(key, Buffer.from('0123456789'))
    expect(String(await store.getRange(key, 2, 3))).toBe('234')
    expect(String(await store.getRange(key, 0, 10))).toBe('0123456789')
    expect(String(await store.getRange(key, 8, 100))).toBe('89')
    expect(await store.getRange(key, 10, 5)).toHaveLength(0)
    expect(await store.getRange(key, 3, 0)).toHaveLength(0)
    for (const length of [0, 5]) await expect(store.getRange(`${prefix}/none`, 0, length)).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' })
  })

  test('a view into a larger buffer, a plain Uint8Array → just those bytes', async () => {
    await store.put(`${prefix}/view`, Buffer.from('abcdef').subarray(2, 4))
    expect(String(await store.get(`${prefix}/view`))).toBe('cd')
    await store.put(`${prefix}/view`, new Uint8Array([1, 2, 3, 4]).subarray(1, 3))
    expect([...await store.get(`${prefix}/view`)]).toEqual([2, 3])
  })

  test('a bucket that is not there → missing; made when that is wanted, by several at once', async () => {
    const bucket = `made-${realRandom.uuid()}`
    await expect(open({ bucket }).check()).rejects.toMatchObject({ code: 'STORE_BUCKET_MISSING', blame: 'user', action: 'exit' })
    const stores = Array.from({ length: 4 }, () => open({ bucket, createBucket: true }))
    await Promise.all(stores.map((one) => one.putIfAbsent('a', Buffer.from('x'))))
    expect(await open({ bucket }).list('')).toHaveLength(1)
  })

  test('wrong secret, wrong access key → denied, and final at the start', async () => {
    for (const wrong of [{ secretKey: 'wrong-secret' }, { accessKey: 'nobody' }]) {
      const denied = open(wrong)
      await expect(denied.check()).rejects.toMatchObject({ code: 'STORE_DENIED', blame: 'user', action: 'exit' })
      await expect(denied.list('')).rejects.toMatchObject({ code: 'STORE_DENIED', action: 'retry' })
    }
  })

  test('the server is killed, paused, started again → unavailable in time, then goes on with what it had', async () => {
    const server = await startMinio()
    try {
      const own = open({ endpoint: server.endpoint, accessKey: server.accessKey, secretKey: server.secretKey, bucket: server.bucket, deadlineMs: 1_500 })
      await own.put('a', Buffer.from('kept'))
      const timed = async (): Promise<number> => {
        const begun = realClock.monotonic()
        await expect(own.put('b', Buffer.from('x'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', action: 'retry' })
        return realClock.monotonic() - begun
      }
      server.pause()
      expect(await timed()).toBeLessThan(3_000)
      server.resume()
      await server.kill()
      expect(await timed()).toBeLessThan(3_000)
      await server.restart()
      expect(String(await own.get('a'))).toBe('kept')
    } finally {
      await server.close()
    }
  }, 90_000)
})
