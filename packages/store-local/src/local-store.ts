// The ObjectStore port on a folder: one file an object, written beside and renamed, so that a reader sees the whole object or none.
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { realRandom, TidemarkError } from '@tidemark/base'
import type { ObjectInfo, ObjectStore, Random } from '@tidemark/base'

export const OBJECT_BYTES_MAX = 64 * 1024 * 1024
const KEY_PART = /^[A-Za-z0-9._=-]+$/
/** Objects being written; never listed. */
const FRESH = '.fresh'

export interface LocalStoreOptions {
  readonly root: string
  readonly random?: Random
}

class LocalStore implements ObjectStore {
  readonly name: string
  readonly #root: string
  readonly #random: Random

  constructor({ root, random = realRandom }: LocalStoreOptions) {
    this.#root = resolve(root)
    this.#random = random
    this.name = `local ${root}`
  }

  async check(): Promise<void> {
    const key = `check/${this.#random.uuid()}`
    const body = Buffer.from(key)
    const [first, second] = [await this.putIfAbsent(key, body), await this.putIfAbsent(key, Buffer.from('other'))]
    const found = await this.get(key)
    await this.delete([key])
    if (first !== 'created' || second !== 'exists' || !found.equals(body)) {
      throw new TidemarkError(`the file system under ${this.#root} does not link or read back as it must`, { code: 'STORE_UNSUPPORTED', blame: 'environment', action: 'exit', hint: 'Put the folder on a local file system.' })
    }
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    await this.#place(key, body, (fresh, path) => rename(fresh, path))
  }

  async putIfAbsent(key: string, body: Uint8Array): Promise<'created' | 'exists'> {
    let outcome: 'created' | 'exists' = 'created'
    await this.#place(key, body, async (fresh, path) => {
      try {
        await link(fresh, path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        outcome = 'exists'
      } finally {
        await rm(fresh, { force: true })
      }
    })
    return outcome
  }

  async get(key: string): Promise<Buffer> {
    return this.#reading(key, (path) => readFile(path))
  }

  async getRange(key: string, offset: number, length: number): Promise<Buffer> {
    return this.#reading(key, async (path) => {
      await using file = await open(path, 'r')
      const buffer = Buffer.alloc(length)
      const { bytesRead } = await file.read(buffer, 0, length, offset)
      return buffer.subarray(0, bytesRead)
    })
  }

  async list(prefix: string): Promise<ObjectInfo[]> {
    const found: ObjectInfo[] = []
    const from = prefix.includes('/') ? join(this.#root, prefix.slice(0, prefix.lastIndexOf('/'))) : this.#root
    const entries = await readdir(from, { recursive: true, withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw unavailable(this.name, error)
    })
    for (const entry of entries) {
      if (!entry.isFile()) continue
      const path = join(entry.parentPath, entry.name)
      const key = relative(this.#root, path).split(sep).join('/')
      if (key.startsWith(`${FRESH}/`) || !key.startsWith(prefix)) continue
      const info = await stat(path).catch(() => undefined)
      if (info !== undefined) found.push({ key, sizeBytes: info.size, modifiedAt: Math.floor(info.mtimeMs) })
    }
    return found.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) await rm(this.#path(key), { force: true })
  }

  async close(): Promise<void> {}

  #path(key: string): string {
    const parts = key.split('/')
    if (key === '' || parts.some((part) => !KEY_PART.test(part) || part === '.' || part === '..') || parts[0] === FRESH) {
      throw new TidemarkError(`${JSON.stringify(key)} is no object key`, { code: 'STORE_KEY_INVALID', blame: 'bug', action: 'fail-job' })
    }
    return join(this.#root, ...parts)
  }

  /** Writes beside, syncs, and lets `place` give the file its name. */
  async #place(key: string, body: Uint8Array, place: (fresh: string, path: string) => Promise<void>): Promise<void> {
    if (body.byteLength > OBJECT_BYTES_MAX) {
      throw new TidemarkError(`object ${key} has ${body.byteLength} bytes, at most ${OBJECT_BYTES_MAX} are taken`, { code: 'STORE_OBJECT_TOO_LARGE', blame: 'bug', action: 'fail-job' })
    }
    const path = this.#path(key)
    const fresh = join(this.#root, FRESH, this.#random.uuid())
    try {
      await mkdir(dirname(fresh), { recursive: true })
      await mkdir(dirname(path), { recursive: true })
      {
        await using file = await open(fresh, 'wx')
        await file.writeFile(body)
        await file.sync()
      }
      await place(fresh, path)
    } catch (error) {
      await rm(fresh, { force: true }).catch(() => {})
      throw unavailable(this.name, error)
    }
  }

  async #reading<T>(key: string, read: (path: string) => Promise<T>): Promise<T> {
    try {
      return await read(this.#path(key))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new TidemarkError(`there is no object ${key} in ${this.name}`, { code: 'STORE_NOT_FOUND', blame: 'environment', action: 'fail-job', cause: error })
      throw unavailable(this.name, error)
    }
  }
}

const unavailable = (name: string, error: unknown): unknown => {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  if (code === undefined || !code.startsWith('E')) return error
  return new TidemarkError(`the store ${name} can't be used: ${code}`, { code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry', cause: error, hint: code === 'ENOSPC' ? 'The disk is full.' : 'Look at the folder and its rights.' })
}

/** The folder is made when it is first written to. */
export const openLocalStore = (options: LocalStoreOptions): ObjectStore => new LocalStore(options)
