// The ObjectStore port: immutable blobs by name. Adapters: store-minio (any S3), store-local (a folder), memory (testkit).

export interface ObjectInfo {
  readonly key: string
  readonly sizeBytes: number
  /** Milliseconds since 1970, by the store's clock. */
  readonly modifiedAt: number
}

/**
 * Keys are `/`-separated, [A-Za-z0-9._=-] in each part. A put is atomic: a reader sees the whole object or none, and sees it as soon as
 * the put has resolved. Objects are at most 64 MiB. Errors: `STORE_NOT_FOUND` (get, getRange), `STORE_UNAVAILABLE` (action retry),
 * `STORE_UNSUPPORTED` (check), `STORE_OBJECT_TOO_LARGE`. Every call has a deadline inside the adapter.
 */
export interface ObjectStore {
  readonly name: string
  /** Proves conditional put and read-after-write on a scratch object; `STORE_UNSUPPORTED` when the server ignores `If-None-Match`. */
  check(): Promise<void>
  /** What a person should know of it though it can be used, sentences. Left out: nothing to say. Never rejects. */
  remarks?(): Promise<readonly string[]>
  put(key: string, body: Uint8Array): Promise<void>
  /** Creates the object unless one is there. Our own lost answer counts as `created`: on a conflict the bytes are compared. */
  putIfAbsent(key: string, body: Uint8Array): Promise<'created' | 'exists'>
  get(key: string): Promise<Buffer>
  getRange(key: string, offset: number, length: number): Promise<Buffer>
  /** Every object whose key starts with `prefix`, in key order. */
  list(prefix: string): Promise<ObjectInfo[]>
  /** Missing ones are no error. */
  delete(keys: readonly string[]): Promise<void>
  close(): Promise<void>
}
