// The ObjectStore port in memory.
import { TidemarkError } from '@tidemark/base'
import type { Clock, ObjectInfo, ObjectStore } from '@tidemark/base'
import { passThrough } from './intercept.ts'
import type { Intercept } from './intercept.ts'

/** As large as a real store takes in one request. */
const OBJECT_BYTES_MAX = 64 * 1024 * 1024
const KEY_BYTES_MAX = 1_024
const KEY = /^[A-Za-z0-9._=-]+(?:\/[A-Za-z0-9._=-]+)*$/

interface StoredObject {
  readonly body: Buffer
  readonly modifiedAt: number
}

/** What the stores that share it hold, by key. */
export type MemoryObjects = Map<string, StoredObject>

export interface MemoryObjectStoreOptions {
  readonly clock: Clock
  /** Default: a map of its own. */
  readonly objects?: MemoryObjects
  readonly intercept?: Intercept
}

export class MemoryObjectStore implements ObjectStore {
  readonly name = 'memory'
  readonly objects: MemoryObjects
  readonly #clock: Clock
  readonly #intercept: Intercept
  #closed = false

  constructor({ clock, objects = new Map(), intercept = passThrough }: MemoryObjectStoreOptions) {
    this.#clock = clock
    this.objects = objects
    this.#intercept = intercept
  }

  check(): Promise<void> {
    return this.#call('check', '', () => {})
  }

  put(key: string, body: Uint8Array): Promise<void> {
    return this.#call('put', key, () => this.#put(key, body))
  }

  putIfAbsent(key: string, body: Uint8Array): Promise<'created' | 'exists'> {
    return this.#call('putIfAbsent', key, () => {
      const present = this.objects.get(checked(key))
      if (present) return present.body.equals(body) ? 'created' : 'exists'
      this.#put(key, body)
      return 'created'
    })
  }

  get(key: string): Promise<Buffer> {
    return this.#call('get', key, () => Buffer.copyBytesFrom(this.#get(key)))
  }

  getRange(key: string, offset: number, length: number): Promise<Buffer> {
    return this.#call('getRange', key, () => {
      if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) throw new RangeError(`getRange ${key}: offset ${offset}, length ${length}`)
      return Buffer.copyBytesFrom(this.#get(key).subarray(offset, offset + length))
    })
  }

  list(prefix: string): Promise<ObjectInfo[]> {
    return this.#call('list', prefix, () => [...this.objects.keys()].filter((key) => key.startsWith(prefix)).toSorted().map((key) => {
      const { body, modifiedAt } = this.objects.get(key)!
      return { key, sizeBytes: body.length, modifiedAt }
    }))
  }

  delete(keys: readonly string[]): Promise<void> {
    return this.#call('delete', keys.join(' '), () => {
      for (const key of keys) this.objects.delete(checked(key))
    })
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #put(key: string, body: Uint8Array): void {
    checked(key)
    if (body.byteLength > OBJECT_BYTES_MAX) throw new TidemarkError(`${key} has ${body.byteLength} bytes, an object may have ${OBJECT_BYTES_MAX}`, { code: 'STORE_OBJECT_TOO_LARGE', blame: 'bug', action: 'fail-job', details: { key, bytes: body.byteLength, objectBytesMax: OBJECT_BYTES_MAX } })
    this.objects.set(key, { body: Buffer.copyBytesFrom(body), modifiedAt: this.#clock.now() })
  }

  #get(key: string): Buffer {
    const found = this.objects.get(checked(key))
    if (!found) throw new TidemarkError(`get ${key}: the store has no such object`, { code: 'STORE_NOT_FOUND', blame: 'environment', action: 'fail-job' })
    return found.body
  }

  async #call<T>(method: string, of: string, run: () => T): Promise<T> {
    if (this.#closed) throw new TidemarkError('the memory store is closed', { code: 'STORE_CLOSED', blame: 'bug', action: 'exit' })
    return this.#intercept({ call: `store.${method}`, of }, async () => run())
  }
}

const checked = (key: string): string => {
  if (KEY.test(key) && key.length <= KEY_BYTES_MAX) return key
  throw new TidemarkError(`${JSON.stringify(key)} is no object key`, { code: 'STORE_KEY_INVALID', blame: 'bug', action: 'fail-job', hint: `Parts of A-Z, a-z, 0-9, ".", "_", "=", "-", joined by "/"; at most ${KEY_BYTES_MAX} characters.` })
}
