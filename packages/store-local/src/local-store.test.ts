// The store on a folder passes its port's suite, and shows no half object although its writers are killed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { realClock, realRandom } from '@tidemark/base'
import { objectStoreConformance, seededRandom } from '@tidemark/testkit'
import { recorded } from '../../../test/services/run-folder.ts'
import { openLocalStore } from './local-store.ts'

objectStoreConformance('folder', async () => {
  const root = mkdtempSync(join(tmpdir(), 'store-local-'))
  const store = openLocalStore({ root })
  return { store, close: async () => {
    await store.close()
    rmSync(root, { recursive: true })
  } }
})

describe('store-local', () => {
  const roots: string[] = []
  const folder = (): string => {
    const root = mkdtempSync(join(tmpdir(), 'store-local-'))
    roots.push(root)
    return root
  }
  afterAll(() => {
    for (const root of roots) rmSync(root, { recursive: true })
  })

  test('keys: nothing outside the folder can be named, nor what is being written', async () => {
    const root = folder()
    writeFileSync(join(root, '..', 'store-local-outside'), 'secret')
    const store = openLocalStore({ root: join(root, 'inner') })
    for (const key of ['../store-local-outside', '..', '.', 'a/../../x', 'a/./b', '.fresh/x', '.fresh']) {
      await expect(store.get(key)).rejects.toMatchObject({ code: 'STORE_KEY_INVALID' })
      await expect(store.put(key, Buffer.from('x'))).rejects.toMatchObject({ code: 'STORE_KEY_INVALID' })
    }
    expect(await store.list('../')).toEqual([])
    rmSync(join(root, '..', 'store-local-outside'))
  })

  test('a folder is no object, and below an object there is none → STORE_NOT_FOUND, and no error for delete', async () => {
    const store = openLocalStore({ root: folder() })
    await store.put('a/b', Buffer.from('x'))
    for (const key of ['a', 'a/b/c']) {
      await expect(store.get(key)).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' })
      await store.delete([key])
    }
    expect((await store.list('')).map(({ key }) => key)).toEqual(['a/b'])
  })

  test('a root that is a file → STORE_UNAVAILABLE says so, retry', async () => {
    const root = join(folder(), 'file')
    writeFileSync(root, 'x')
    await expect(openLocalStore({ root }).put('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry' })
  })

  test('left behind by a writer that died → never listed; removed by the first put a day later, and not while its writer may live', async () => {
    const root = folder()
    mkdirSync(join(root, '.fresh'))
    for (const [name, hours] of [['half', 25], ['young', 23]] as const) {
      const then = realClock.now() / 1_000 - hours * 3_600
      writeFileSync(join(root, '.fresh', name), name)
      utimesSync(join(root, '.fresh', name), then, then)
    }
    const store = openLocalStore({ root })
    expect(await store.list('')).toEqual([])
    expect(readdirSync(join(root, '.fresh')).toSorted()).toEqual(['half', 'young'])
    await Promise.all([store.put('a', Buffer.from('a')), store.putIfAbsent('b', Buffer.from('b'))])
    expect(readdirSync(join(root, '.fresh'))).toEqual(['young'])
    expect((await store.list('')).map(({ key }) => key)).toEqual(['a', 'b'])
  })

  test('writers killed 12 times in the middle → every object there is whole, every acknowledged one is there', async () => {
    const seed = Math.trunc(realRandom.next() * 2 ** 32)
    const random = seededRandom(seed)
    const root = folder()
    const bytes = 2_000_000
    const acknowledged: string[] = []
    for (let life = 0; life < 12; life += 1) {
      const child = recorded(spawn(process.execPath, [join(import.meta.dirname, 'kill-writer.main.ts'), root, String(life), String(bytes)], { stdio: ['ignore', 'pipe', 'inherit'] }))
      let said = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => { said += text })
      await once(child.stdout, 'data')
      await realClock.sleep(random.next() * 40)
      child.kill('SIGKILL')
      await once(child, 'close')
      for (const n of said.split('\n').slice(0, -1)) acknowledged.push(`kill/${life}-${n.padStart(6, '0')}`)
    }
    const store = openLocalStore({ root })
    const listed = await store.list('kill/')
    expect({ seed, missing: acknowledged.filter((key) => !listed.some((info) => info.key === key)) }).toEqual({ seed, missing: [] })
    for (const { key, sizeBytes } of listed) {
      const body = await store.get(key)
      expect({ seed, key, sizeBytes, whole: body.length === bytes && body.every((byte) => byte === body[0]) }).toEqual({ seed, key, sizeBytes: bytes, whole: true })
    }
  })
})
