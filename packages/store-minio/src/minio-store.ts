// The ObjectStore port on the MinIO client: buffers, conditional puts, bounded reads and listings.
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { Client } from 'minio'
import { formatSize, realRandom, TidemarkError } from '@tidemark/base'
import type { Clock, Logger, ObjectInfo, ObjectStore, Random } from '@tidemark/base'
import { makeCalls } from './calls.ts'
import { proveStore } from './proof.ts'
import { askOver, drivesRemark, HEALTH_PATH, versioningOf, versioningRemark } from './remarks.ts'
import type { Versioning } from './remarks.ts'
import { isConflict, toStoreError, unavailable, unsupported } from './store-errors.ts'

/** One request, no multipart upload and so no leftovers of one. */
const OBJECT_BYTES_MAX = 64 * 1024 * 1024
/** S3's own limits. */
const DELETE_KEYS_MAX = 1_000
const LIST_KEYS_MAX = 1_000
const KEY_BYTES_MAX = 1_024
const DEADLINE_MS = 30_000
const REGION = 'us-east-1'
/** Parts that are a folder or its parent are none: servers that keep files refuse them. */
const KEY = /^(?!\.\.?(?:\/|$))[A-Za-z0-9._=-]+(?:\/(?!\.\.?(?:\/|$))[A-Za-z0-9._=-]+)*$/

export interface MinioStoreOptions {
  /** `http://127.0.0.1:9000` or `https://s3.eu-west-1.amazonaws.com`; no path. */
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  readonly bucket: string
  /** Default `us-east-1`, which MinIO takes; AWS wants the bucket's own. */
  readonly region?: string
  readonly clock: Clock
  readonly logger: Logger
  readonly random?: Random
  /** Makes the bucket at the first call when it is not there. Default false. */
  readonly createBucket?: boolean
  /** For each request with all its retries, milliseconds. Default 30,000. */
  readonly deadlineMs?: number
}

const parseEndpoint = (endpoint: string): URL => {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (url && (url.protocol === 'http:' || url.protocol === 'https:') && url.pathname === '/' && `${url.search}${url.hash}${url.username}${url.password}` === '') return url
  // The text is not repeated: it may hold a password.
  throw new TidemarkError('the endpoint of the object store is none', {
    code: 'STORE_CONFIG_INVALID', blame: 'user', action: 'exit', hint: 'Write http:// or https://, host and port, nothing else: http://127.0.0.1:9000.',
  })
}

/** The client reads a listed key that looks like a number as one: `007` would come back as `7`. */
const readsAsNumber = (key: string): boolean => key.trim() !== '' && !Number.isNaN(Number(key)) && String(Number(key)) !== key

/** Opens no connection; `check()` does. */
export const openMinioStore = (options: MinioStoreOptions): ObjectStore => {
  const { bucket, clock, logger, deadlineMs = DEADLINE_MS, region = REGION, random = realRandom } = options
  const url = parseEndpoint(options.endpoint)
  const secure = url.protocol === 'https:'
  const name = `minio ${url.origin}/${bucket}`
  const calls = makeCalls({ store: name, secure, deadlineMs, clock, logger })
  const client = new Client({
    endPoint: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? (secure ? 443 : 80) : Number(url.port), useSSL: secure, accessKey: options.accessKey, secretKey: options.secretKey, region,
    transport: calls.transport, transportAgent: calls.agent, retryOptions: { disableRetry: true },
  })

  const ask = askOver(url.origin, clock)

  let bucketReady: Promise<void> | undefined
  const makeBucket = async (): Promise<void> => {
    if (await calls.run(`look for bucket ${bucket}`, () => client.bucketExists(bucket))) return
    await calls.run(`make bucket ${bucket}`, async () => {
      try {
        await client.makeBucket(bucket, region)
        logger.info({ store: name }, 'store.bucket-made')
      } catch (error) {
        const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
        if (code !== 'BucketAlreadyOwnedByYou' && code !== 'BucketAlreadyExists') throw error
      }
    })
  }
  const run: typeof calls.run = async (what, attempt) => {
    if (options.createBucket) {
      bucketReady ??= makeBucket().catch((error: unknown) => {
        bucketReady = undefined
        throw error
      })
      await bucketReady
    }
    return calls.run(what, attempt)
  }

  const checkKey = (key: string): void => {
    if (KEY.test(key) && key.length <= KEY_BYTES_MAX && !readsAsNumber(key)) return
    throw new TidemarkError(`${JSON.stringify(key)} is no object key`, {
      code: 'STORE_KEY_INVALID', blame: 'bug', action: 'fail-job', hint: `Parts of A-Z, a-z, 0-9, ".", "_", "=", "-", joined by "/"; at most ${KEY_BYTES_MAX} characters; not a number with leading zeros.`,
    })
  }
  const checkBody = (key: string, body: Uint8Array): Buffer => {
    checkKey(key)
    if (body.byteLength > OBJECT_BYTES_MAX) throw tooLarge(key, body.byteLength)
    return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  }
  const tooLarge = (key: string, bytes: number): TidemarkError =>
    new TidemarkError(`${key} has ${formatSize(bytes)} or more, an object may have ${formatSize(OBJECT_BYTES_MAX)}`, { code: 'STORE_OBJECT_TOO_LARGE', blame: 'bug', action: 'fail-job', details: { key, bytes, objectBytesMax: OBJECT_BYTES_MAX } })

  /** The whole body, or undefined as soon as it is longer than `bytesMax`. */
  const readBody = async (stream: Readable, bytesMax: number): Promise<Buffer | undefined> => {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > bytesMax) {
        stream.destroy()
        return undefined
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks, bytes)
  }

  const page = (prefix: string, after: string): Promise<{ readonly found: ObjectInfo[], readonly more: boolean }> => {
    const what = `list ${prefix}`
    return run(what, async (facts) => {
      // By the last key instead of the continuation token: the client would read a token of digits as a number.
      const { objects, isTruncated } = await client.listObjectsV2Query(bucket, prefix, '', '', LIST_KEYS_MAX, after)
      const found = objects.map((object): ObjectInfo => ({ key: object.name ?? '', sizeBytes: Number(object.size), modifiedAt: Number(object.lastModified) }))
      const wrong = found.find(({ key, sizeBytes, modifiedAt }) => !key.startsWith(prefix) || key <= after || !Number.isSafeInteger(sizeBytes) || !Number.isFinite(modifiedAt))
      if (wrong) throw unsupported({ what, store: name, status: facts.status }, `listed ${JSON.stringify(wrong)} for keys that start with ${JSON.stringify(prefix)} after ${JSON.stringify(after)}`)
      return { found, more: String(isTruncated) === 'true' }
    })
  }

  const store: ObjectStore = {
    name,
    check: () => proveStore(store, random),
    remarks: async () => {
      const [health, versioning] = await Promise.all([ask(HEALTH_PATH), calls.run(`ask for versions of ${bucket}`, () => versioningOf(client, bucket)).catch((): Versioning => 'unknown')])
      return [drivesRemark(health), versioningRemark(versioning)].filter((remark) => remark !== undefined)
    },

    put: async (key, body) => {
      const bytes = checkBody(key, body)
      await run(`put ${key}`, () => client.putObject(bucket, key, bytes, bytes.length))
    },

    putIfAbsent: async (key, body) => {
      const bytes = checkBody(key, body)
      const what = `put ${key} if absent`
      return run(what, async (facts) => {
        try {
          await client.putObject(bucket, key, bytes, bytes.length, { 'If-None-Match': '*' })
          return 'created'
        } catch (error) {
          if (!isConflict(error, facts.status)) throw error
        }
        // Somebody's object, or ours from an attempt whose answer was lost.
        try {
          const present = await readBody(await client.getObject(bucket, key), bytes.length)
          return present?.equals(bytes) ? 'created' : 'exists'
        } catch (error) {
          const known = toStoreError(error, { what, store: name, status: facts.status })
          throw known.code === 'STORE_NOT_FOUND' ? unavailable({ what, store: name, status: facts.status }, 'refused it as existing, but has no such object: another put is under way, or it was deleted just now', error) : known
        }
      })
    },

    get: async (key) => {
      checkKey(key)
      const body = await run(`get ${key}`, async () => readBody(await client.getObject(bucket, key), OBJECT_BYTES_MAX))
      if (body === undefined) throw tooLarge(key, OBJECT_BYTES_MAX + 1)
      return body
    },

    getRange: async (key, offset, length) => {
      checkKey(key)
      if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) throw new RangeError(`getRange ${key}: offset ${offset}, length ${length}`)
      if (length > OBJECT_BYTES_MAX) throw tooLarge(key, length)
      const what = `get ${key} bytes ${offset} to ${offset + length}`
      return run(what, async (facts) => {
        const failed = () => ({ what, store: name, status: facts.status })
        if (length === 0) {
          await client.statObject(bucket, key)
          return Buffer.alloc(0)
        }
        try {
          const stream = await client.getPartialObject(bucket, key, offset, length)
          const body = await readBody(stream, length)
          // 200 is the whole object: the range was not looked at. The client hands out the response itself.
          if (body === undefined || (stream as IncomingMessage).statusCode !== 206) throw unsupported(failed(), 'answers a range with something else')
          return body
        } catch (error) {
          if (facts.status === 416) return Buffer.alloc(0)
          throw error
        }
      })
    },

    list: async (prefix) => {
      const objects: ObjectInfo[] = []
      for (let after = '', more = true; more; after = objects.at(-1)?.key ?? '') {
        const answer = await page(prefix, after)
        objects.push(...answer.found)
        more = answer.more && answer.found.length > 0
      }
      return objects
    },

    delete: async (keys) => {
      keys.forEach(checkKey)
      for (let from = 0; from < keys.length; from += DELETE_KEYS_MAX) {
        const part = keys.slice(from, from + DELETE_KEYS_MAX)
        const what = `delete ${part.length === 1 ? part[0] : `${part.length} objects, ${part[0]} first`}`
        await run(what, async (facts) => {
          // One entry per object that was not deleted; its published type is one level deeper than what comes.
          const refused = (await client.removeObjects(bucket, part) as readonly { readonly Code?: string, readonly Message?: string, readonly Key?: string }[]).filter(({ Code }) => Code !== 'NoSuchKey')
          const first = refused[0]
          if (!first) return
          const failed = { what, store: name, status: first.Code === 'AccessDenied' ? 403 : 503 }
          facts.status = failed.status
          throw toStoreError({ code: first.Code, message: `${refused.length} of ${part.length} not deleted, ${first.Key}: ${first.Message}` }, failed)
        })
      }
    },

    close: async () => calls.close(),
  }
  return store
}

