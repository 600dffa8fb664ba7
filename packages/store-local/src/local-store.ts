// The ObjectStore port on a folder: one file an object, written beside and renamed, so that a reader sees the whole object or none.
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { isTidemarkError, realClock, realRandom, TidemarkError } from '@tidemark/base'
import type { ObjectInfo, ObjectStore, Random } from '@tidemark/base'

const OBJECT_BYTES_MAX = 64 * 1024 * 1024
const KEY_PART = /^[A-Za-z0-9._=-]+$/
const KEY_BYTES_MAX = 1_024
/** Objects being written; never listed. */
const FRESH = '.fresh'
/** No put takes so long: its writer died within it. */
const FRESH_AGE_MAX_MS = 24 * 60 * 60 * 1_000

export interface LocalStoreOptions {
  readonly root: string
  readonly random?: Random
  /** Whether an object survives a power cut from the moment its put has resolved; without, only the crash of a process. Default true. */
  readonly sync?: boolean
}

class LocalStore implements ObjectStore {
  readonly name: string
  readonly #root: string
  readonly #random: Random
  readonly #sync: boolean
  #closed = false
  #swept: Promise<void> | undefined

  constructor({ root, random = realRandom, sync = true }: LocalStoreOptions) {
    this.#sync = sync
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
    await this.#place(key, body, ({ fresh, path }) => rename(fresh, path))
  }

  async putIfAbsent(key: string, body: Uint8Array): Promise<'created' | 'exists'> {
    let outcome: 'created' | 'exists' = 'created'
    await this.#place(key, body, async ({ fresh, path, bytes }) => {
      try {
        await link(fresh, path)
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error
        // The port: our own put whose answer was lost counts as created.
        outcome = (await readFile(path)).equals(bytes) ? 'created' : 'exists'
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
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) throw new RangeError(`getRange ${key}: offset ${offset}, length ${length}`)
    return this.#reading(key, async (path) => {
      await using file = await open(path, 'r')
      const { size } = await file.stat()
      const buffer = Buffer.alloc(Math.max(0, Math.min(length, size - offset)))
      let filled = 0
      while (filled < buffer.length) {
        const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, offset + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return buffer.subarray(0, filled)
    })
  }

  async list(prefix: string): Promise<ObjectInfo[]> {
    this.#open()
    const found: ObjectInfo[] = []
    const from = prefix.includes('/') ? join(this.#root, prefix.slice(0, prefix.lastIndexOf('/'))) : this.#root
    const entries = await readdir(from, { recursive: true, withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (NOTHING_THERE.has(error.code ?? '')) return []
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
    for (const path of keys.map((key) => this.#path(key))) {
      try {
        await rm(path, { force: true })
      } catch (error) {
        if (NOTHING_THERE.has(codeOf(error) ?? '')) continue
        throw unavailable(this.name, error)
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #open(): void {
    if (this.#closed) throw new TidemarkError(`${this.name} is closed`, { code: 'STORE_CLOSED', blame: 'bug', action: 'exit' })
  }

  #path(key: string): string {
    this.#open()
    const parts = key.split('/')
    if (key === '' || key.length > KEY_BYTES_MAX || parts.some((part) => !KEY_PART.test(part) || part === '.' || part === '..') || parts[0] === FRESH) {
      throw new TidemarkError(`${JSON.stringify(key)} is no object key`, { code: 'STORE_KEY_INVALID', blame: 'bug', action: 'fail-job' })
    }
    return join(this.#root, ...parts)
  }

  /** Writes beside, syncs, and lets `place` give the file its name. */
  async #place(key: string, body: Uint8Array, place: (put: { readonly fresh: string, readonly path: string, readonly bytes: Buffer }) => Promise<void>): Promise<void> {
    const path = this.#path(key)
    if (body.byteLength > OBJECT_BYTES_MAX) {
      throw new TidemarkError(`object ${key} has ${body.byteLength} bytes, at most ${OBJECT_BYTES_MAX} are taken`, { code: 'STORE_OBJECT_TOO_LARGE', blame: 'bug', action: 'fail-job' })
    }
    // The caller may use its buffer again while the file is written.
    const bytes = Buffer.copyBytesFrom(body)
    const fresh = join(this.#root, FRESH, this.#random.uuid())
    try {
      await mkdir(dirname(fresh), { recursive: true })
      await mkdir(dirname(path), { recursive: true })
      await (this.#swept ??= this.#sweep())
      {
        await using file = await open(fresh, 'wx')
        await file.writeFile(bytes)
        if (this.#sync) await file.sync()
      }
      await place({ fresh, path, bytes })
      if (this.#sync && process.platform !== 'win32') {
        // The name is the folder's: it needs a sync of its own.
        await using folder = await open(dirname(path), 'r')
        await folder.sync()
      }
    } catch (error) {
      await rm(fresh, { force: true }).catch(() => {})
      throw unavailable(this.name, error)
    }
  }

  /** Removes what writers that were killed have left behind. Never rejects: it is of no use to the put that waits for it. */
  async #sweep(): Promise<void> {
    const folder = join(this.#root, FRESH)
    const before = realClock.now() - FRESH_AGE_MAX_MS
    for (const name of await readdir(folder).catch(() => [])) {
      const path = join(folder, name)
      const written = await stat(path).catch(() => undefined)
      if (written !== undefined && written.mtimeMs < before) await rm(path, { force: true }).catch(() => {})
    }
  }

  async #reading<T>(key: string, read: (path: string) => Promise<T>): Promise<T> {
    try {
      return await read(this.#path(key))
    } catch (error) {
      if (NOTHING_THERE.has(codeOf(error) ?? '')) throw new TidemarkError(`there is no object ${key} in ${this.name}`, { code: 'STORE_NOT_FOUND', blame: 'environment', action: 'fail-job', cause: error })
      throw unavailable(this.name, error)
    }
  }
}

/** Not by `instanceof`: what Node throws comes from another realm where a test runner has its own. */
const codeOf = (error: unknown): string | undefined => (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined)

/** A folder is no object, and nothing lies below an object. */
const NOTHING_THERE = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ERR_FS_EISDIR'])

/** No space, or no more of what this user may take. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT'])

const unavailable = (name: string, error: unknown): unknown => {
  const code = codeOf(error)
  if (isTidemarkError(error) || code === undefined || !code.startsWith('E')) return error
  const [what, hint] = FULL.has(code) ? ['is full', 'Processing goes on, checkpoints wait. Give its disk space; objects of checkpoints are needed.'] : ["can't be used", 'Look at the folder and its rights.']
  return new TidemarkError(`the store ${name} ${what}: ${code}`, { code: 'STORE_UNAVAILABLE', blame: 'environment', action: 'retry', cause: error, hint })
}

/** The folder is made when it is first written to; then what killed writers left there more than a day ago is removed. */
export const openLocalStore = (options: LocalStoreOptions): ObjectStore => new LocalStore(options)
