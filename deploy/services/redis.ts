// A real Redis, without Docker.
import { ask, freePort } from './ports.ts'
import { serverFolder, startServer } from './server.ts'
import type { Server, ServerOptions } from './server.ts'
import { findRedis } from './tools.ts'

export interface RedisServer extends Server {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string
}

export interface RedisOptions extends ServerOptions {
  readonly port?: number
  /** What a restart finds: `nothing` (default), or `everything` that was acknowledged (an append-only file, synced each time). */
  readonly keeps?: 'nothing' | 'everything'
}

const READY_MS_MAX = 15_000

const isReady = async (port: number): Promise<boolean> => {
  const answer = await ask(port, Buffer.from('PING\r\n'), (bytes) => bytes.includes('\r\n'))
  return answer?.toString('latin1').startsWith('+PONG') ?? false
}

/** Starts one and waits until it serves. Throws when the program is missing: ask `findRedis` first. */
export const startRedis = async (options: RedisOptions = {}): Promise<RedisServer> => {
  const redis = findRedis()
  if (!redis.found) throw new Error(redis.reason)
  const place = serverFolder('redis', options)
  const port = options.port ?? await freePort()
  const persistence = options.keeps === 'everything' ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no']
  const server = await startServer({
    name: 'redis',
    command: redis.path,
    args: ['--bind', '127.0.0.1', '--port', String(port), '--dir', place.folder, '--save', '', ...persistence],
    isReady: () => isReady(port),
    readyMsMax: READY_MS_MAX,
  }, place, options)
  return { ...server, url: `redis://127.0.0.1:${port}` }
}
