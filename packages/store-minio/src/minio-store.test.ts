// The store on a real MinIO.
import { afterAll, expect, test } from '@jest/globals'
import { realClock, realRandom, silentLogger } from '@tidemark/base'
import type { ObjectStore } from '@tidemark/base'
import { objectStoreConformance } from '@tidemark/testkit'
import { describeWith, startMinio } from '../../../test/services/index.ts'
import { openMinioStore } from './minio-store.ts'
import type { MinioStoreOptions } from './minio-store.ts'

describeWith(['minio'], 'store-minio on a real MinIO', (service) => {
  const conformanceBucket = `conformance-${realRandom.uuid()}`
  const opened: ObjectStore[] = []
  const open = (more: Partial<MinioStoreOptions> = {}): ObjectStore => {
    const { endpoint, accessKey, secretKey, bucket } = service('minio')
    const store = openMinioStore({ endpoint, accessKey, secretKey, bucket, clock: realClock, logger: silentLogger, deadlineMs: 20_000, ...more })
    opened.push(store)
    return store
  }
  afterAll(() => Promise.all(opened.map((one) => one.close())))

  objectStoreConformance('minio', async () => {
    // A bucket of its own: the suite compares whole listings.
    const store = open({ bucket: conformanceBucket, createBucket: true })
    return { store, close: () => store.close() }
  })

  test('a bucket that is not there → missing; made when that is wanted, by several at once', async () => {
    const bucket = `made-${realRandom.uuid()}`
    await expect(open({ bucket }).check()).rejects.toMatchObject({ code: 'STORE_UNUSABLE', blame: 'user', action: 'exit', cause: expect.objectContaining({ code: 'STORE_BUCKET_MISSING' }) })
    const stores = Array.from({ length: 4 }, () => open({ bucket, createBucket: true }))
    await Promise.all(stores.map((one) => one.putIfAbsent('a', Buffer.from('x'))))
    expect(await open({ bucket }).list('')).toHaveLength(1)
  })

  test('wrong secret, wrong access key → denied, and final at the start', async () => {
    for (const wrong of [{ secretKey: 'wrong-secret' }, { accessKey: 'nobody' }]) {
      const denied = open(wrong)
      await expect(denied.check()).rejects.toMatchObject({ code: 'STORE_UNUSABLE', blame: 'user', action: 'exit' })
      await expect(denied.list('')).rejects.toMatchObject({ code: 'STORE_DENIED', action: 'retry' })
    }
  })

  test('the server is killed, paused, started again → unavailable meanwhile, then goes on with what it had', async () => {
    const server = await startMinio()
    try {
      const own = open({ endpoint: server.endpoint, accessKey: server.accessKey, secretKey: server.secretKey, bucket: server.bucket, deadlineMs: 1_500 })
      await own.put('a', Buffer.from('kept'))
      const unavailable = async (what: string): Promise<void> => {
        const begun = realClock.monotonic()
        await expect(own.put('b', Buffer.from('x'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', action: 'retry' })
        console.log(`${what}, with a deadline of 1500 ms: unavailable after ${Math.round(realClock.monotonic() - begun)} ms`)
      }
      server.pause()
      await unavailable('paused')
      server.resume()
      await server.kill()
      await unavailable('killed')
      await server.restart()
      expect(String(await own.get('a'))).toBe('kept')
    } finally {
      await server.close()
    }
  }, 90_000)
})
