// The suite that every adapter of the ObjectStore port passes. Works under a prefix of its own, so that it may run on a shared store.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { realClock, realRandom } from '@tidemark/base'
import type { ObjectStore } from '@tidemark/base'

const OBJECT_BYTES_MAX = 64 * 1024 * 1024
const WRITERS = 20

export interface StoreUnderTest {
  readonly store: ObjectStore
  close(): Promise<void>
}

export interface ObjectStoreConformanceOptions {
  /** How far the store's clock may be from this machine's. Default one minute. */
  readonly clockSkewMs?: number
}

/** Registers a `describe` block. `makeStore` is called once, and once more for what happens after `close`. */
export const objectStoreConformance = (name: string, makeStore: () => Promise<StoreUnderTest>, { clockSkewMs = 60_000 }: ObjectStoreConformanceOptions = {}): void => describe(`object store port: ${name}`, () => {
  const prefix = `tidemark-conformance-${realRandom.uuid()}`
  let under: StoreUnderTest | undefined
  beforeAll(async () => { under = await makeStore() })
  afterAll(async () => {
    if (!under) return
    await under.store.delete((await under.store.list(`${prefix}/`)).map(({ key }) => key))
    await under.close()
  })
  const store = (): ObjectStore => {
    if (!under) throw new Error('the store under test was not made')
    return under.store
  }
  let made = 0
  const fresh = (): string => `${prefix}/object-${made += 1}`

  test('check: this store keeps the port\'s promises → resolves, and leaves nothing behind', async () => {
    const before = await store().list('')
    await store().check()
    expect((await store().list('')).map(({ key }) => key)).toEqual(before.map(({ key }) => key))
  })

  test('put → read back at once, whole; put again → replaced', async () => {
    const key = fresh()
    const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    await store().put(key, body)
    expect(await store().get(key)).toEqual(body)
    await store().put(key, Buffer.from('shorter'))
    expect(String(await store().get(key))).toBe('shorter')
    await store().put(key, new Uint8Array())
    expect(await store().get(key)).toHaveLength(0)
  })

  test('bodies: a view into a larger buffer, changed after the put → just the bytes of the moment of the put', async () => {
    const key = fresh()
    const bytes = Buffer.from('abcdef')
    await store().put(key, bytes.subarray(2, 4))
    bytes.fill('x')
    expect(String(await store().get(key))).toBe('cd')
    ;(await store().get(key)).fill('y')
    expect(String(await store().get(key))).toBe('cd')
    await store().put(key, new Uint8Array([1, 2, 3, 4]).subarray(1, 3))
    expect([...await store().get(key)]).toEqual([2, 3])
  })

  test('missing → STORE_NOT_FOUND for get and range, no error for delete, and not in the list', async () => {
    const key = fresh()
    await expect(store().get(key)).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' })
    for (const length of [0, 5]) await expect(store().getRange(key, 0, length)).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' })
    await store().delete([key, fresh()])
    await store().delete([])
    expect(await store().list(key)).toEqual([])
  })

  test('delete → gone at once, others stay', async () => {
    const [gone, kept] = [fresh(), fresh()]
    for (const key of [gone, kept]) await store().put(key, Buffer.from(key))
    await store().delete([gone, `${gone}-missing`])
    await expect(store().get(gone)).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' })
    expect(String(await store().get(kept))).toBe(kept)
  })

  test('range: inside, to the end, across it, behind it, empty', async () => {
    const key = fresh()
    await store().put(key, Buffer.from('0123456789'))
    for (const [offset, length, wanted] of [[2, 3, '234'], [0, 10, '0123456789'], [8, 100, '89'], [10, 5, ''], [50, 5, ''], [3, 0, '']] as const) {
      expect([offset, length, String(await store().getRange(key, offset, length))]).toEqual([offset, length, wanted])
    }
    for (const [offset, length] of [[-1, 1], [0, -1], [0.5, 1]] as const) await expect(store().getRange(key, offset, length)).rejects.toThrow()
  })

  test('put if absent: first → created; other bytes → exists, and the first stay; the same bytes (a lost answer) → created', async () => {
    const key = fresh()
    expect(await store().putIfAbsent(key, Buffer.from('first'))).toBe('created')
    expect(await store().putIfAbsent(key, Buffer.from('second'))).toBe('exists')
    expect(await store().putIfAbsent(key, Buffer.from('first'))).toBe('created')
    expect(String(await store().get(key))).toBe('first')
    await store().delete([key])
    expect(await store().putIfAbsent(key, Buffer.from('second'))).toBe('created')
  })

  test(`put if absent: ${WRITERS} at once with bytes of their own → one creates, and its bytes are there`, async () => {
    for (let round = 0; round < 5; round += 1) {
      const key = fresh()
      const answers = await Promise.all(Array.from({ length: WRITERS }, (_, writer) => store().putIfAbsent(key, Buffer.from(`writer ${writer}`))))
      expect(answers.filter((answer) => answer === 'created')).toHaveLength(1)
      expect(String(await store().get(key))).toBe(`writer ${answers.indexOf('created')}`)
    }
  })

  test('atomic: a reader beside a writer that replaces → always one whole object', async () => {
    const key = fresh()
    const bodies = ['a', 'b'].map((letter) => Buffer.alloc(300_000, letter))
    await store().put(key, bodies[0]!)
    const writing = (async () => {
      for (let round = 1; round <= 20; round += 1) await store().put(key, bodies[round % 2]!)
    })()
    let done = false
    void writing.finally(() => { done = true })
    do {
      const body = await store().get(key)
      expect([body.length, body.every((byte) => byte === body[0])]).toEqual([300_000, true])
    } while (!done)
    await writing
  })

  test('list: by prefix, in key order, with size and time; a prefix may end inside a part', async () => {
    const folder = fresh()
    const begun = realClock.now()
    const names = ['a', 'b/c', 'b/d/e', 'b-1', 'b.2', 'B', '10', '9', 'b=3', 'b_4']
    await Promise.all(names.map((key, size) => store().put(`${folder}/${key}`, Buffer.alloc(size))))
    await store().put(`${folder}other`, Buffer.alloc(1))
    const found = await store().list(`${folder}/`)
    expect(found.map(({ key, sizeBytes }) => [key, sizeBytes])).toEqual(names.map((key, size) => [`${folder}/${key}`, size] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    for (const { modifiedAt } of found) expect(Math.abs(modifiedAt - begun)).toBeLessThan(clockSkewMs)
    expect((await store().list(`${folder}/b`)).map(({ key }) => key.slice(folder.length + 1))).toEqual(['b-1', 'b.2', 'b/c', 'b/d/e', 'b=3', 'b_4'])
    expect((await store().list(`${folder}/b/`)).map(({ key }) => key.slice(folder.length + 1))).toEqual(['b/c', 'b/d/e'])
    expect((await store().list(folder)).map(({ key }) => key)).toContain(`${folder}other`)
    expect(await store().list(`${folder}/nothing`)).toEqual([])
  })

  test('list: more than any page holds → all, in order; then deleted in one call → none', async () => {
    const folder = fresh()
    const keys = Array.from({ length: 1_050 }, (_, index) => `${folder}/${String((index * 619) % 1_050).padStart(5, '0')}`)
    for (let from = 0; from < keys.length; from += 50) await Promise.all(keys.slice(from, from + 50).map((key) => store().put(key, Buffer.from('x'))))
    expect((await store().list(`${folder}/`)).map(({ key }) => key)).toEqual(keys.toSorted())
    await store().delete(keys)
    expect(await store().list(`${folder}/`)).toEqual([])
  })

  test('size: 64 MiB pass, one byte more → STORE_OBJECT_TOO_LARGE and nothing is stored', async () => {
    const [fits, beyond] = [fresh(), fresh()]
    const body = Buffer.alloc(OBJECT_BYTES_MAX, 'tide')
    expect(await store().putIfAbsent(fits, body)).toBe('created')
    expect((await store().get(fits)).equals(body)).toBe(true)
    expect(String(await store().getRange(fits, OBJECT_BYTES_MAX - 4, 100))).toBe('tide')
    const larger = Buffer.alloc(OBJECT_BYTES_MAX + 1)
    await expect(store().put(beyond, larger)).rejects.toMatchObject({ code: 'STORE_OBJECT_TOO_LARGE' })
    await expect(store().putIfAbsent(beyond, larger)).rejects.toMatchObject({ code: 'STORE_OBJECT_TOO_LARGE' })
    expect(await store().list(beyond)).toEqual([])
  })

  test('keys: all that the port allows pass; what could leave the store or be no key → STORE_KEY_INVALID, for every call', async () => {
    const folder = fresh()
    for (const good of ['A-z_0=9.json', '.hidden', '...', 'a/b/c/d/e']) {
      await store().put(`${folder}/${good}`, Buffer.from(good))
      expect(String(await store().get(`${folder}/${good}`))).toBe(good)
    }
    for (const wrong of ['', '/', '/a', 'a/', 'a//b', 'a b', 'ä', 'a\\b', 'a\0b', 'a:b', 'x'.repeat(2_000)]) {
      for (const call of [store().put(wrong, Buffer.from('x')), store().putIfAbsent(wrong, Buffer.from('x')), store().get(wrong), store().getRange(wrong, 0, 1), store().delete([wrong])]) await expect(call).rejects.toMatchObject({ code: 'STORE_KEY_INVALID' })
    }
  })

  test('closed → every call is STORE_CLOSED', async () => {
    const another = await makeStore()
    await another.store.close()
    await another.store.close()
    for (const call of [another.store.get('a'), another.store.put('a', Buffer.from('x')), another.store.list(''), another.store.delete(['a'])]) await expect(call).rejects.toMatchObject({ code: 'STORE_CLOSED' })
    await another.close()
  })
})
