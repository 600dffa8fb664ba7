// A real MinIO server on one folder, without Docker, with one empty bucket.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ask, freePort } from './ports.ts'
import { serverFolder, startServer } from './server.ts'
import type { Server, ServerOptions } from './server.ts'
import { findMinio } from './tools.ts'

export interface MinioAddress {
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string
  readonly port: number
  readonly accessKey: string
  readonly secretKey: string
  readonly bucket: string
}

export type MinioServer = Server & MinioAddress

export interface MinioOptions extends ServerOptions {
  readonly port?: number
  readonly bucket?: string
}

const READY_MS_MAX = 60_000
const ACCESS_KEY = 'tidemark'
const SECRET_KEY = 'tidemark-secret'

// Its health page says ready while requests for objects are still answered with 503; a stranger's listing is refused only by a server that knows its users and buckets.
const isReady = async (port: number, bucket: string): Promise<boolean> => {
  const answer = await ask(port, Buffer.from(`GET /${bucket}/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`), (bytes) => bytes.includes('\r\n'))
  return answer?.toString('latin1').startsWith('HTTP/1.1 403') ?? false
}

/** Starts one and waits until it serves. Throws when the program is missing: ask `findMinio` first. */
export const startMinio = async (options: MinioOptions = {}): Promise<MinioServer> => {
  const minio = findMinio()
  if (!minio.found) throw new Error(minio.reason)
  const place = serverFolder('minio', options)
  const port = options.port ?? await freePort()
  const bucket = options.bucket ?? 'tidemark'
  // On a single drive a bucket is a folder of it.
  mkdirSync(join(place.folder, 'data', bucket), { recursive: true })
  const server = await startServer({
    name: 'minio',
    command: minio.path,
    args: ['server', '--quiet', '--address', `127.0.0.1:${port}`, '--console-address', `127.0.0.1:${await freePort()}`, join(place.folder, 'data')],
    env: { MINIO_ROOT_USER: ACCESS_KEY, MINIO_ROOT_PASSWORD: SECRET_KEY, MINIO_BROWSER: 'off', MINIO_UPDATE: 'off', HOME: place.folder },
    isReady: () => isReady(port, bucket),
    readyMsMax: READY_MS_MAX,
  }, place, options)
  return { ...server, endpoint: `http://127.0.0.1:${port}`, port, accessKey: ACCESS_KEY, secretKey: SECRET_KEY, bucket }
}
