// One connection to Redis whose every command ends within a time-out, that comes back by itself, and that never throws an event.
import { Redis } from 'ioredis'
import { TidemarkError } from '@tidemark/base'
import type { Clock, Logger } from '@tidemark/base'

const RECONNECT_FIRST_MS = 50
const RECONNECT_MAX_MS = 500

export interface Connection {
  /** `redis 127.0.0.1:6379`; no password. */
  readonly name: string
  /** Sends one command when the connection is ready. Rejects with `LEASE_UNAVAILABLE` after `commandTimeoutMs` at the latest. */
  ask<T>(what: string, command: (redis: Redis) => Promise<T>): Promise<T>
  close(): void
}

const parseUrl = (text: string): URL => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && (url.protocol === 'redis:' || url.protocol === 'rediss:') && url.hostname !== '') return url
  // ioredis would take it for the path of a Unix socket. The text is not repeated: it may hold a password.
  throw new TidemarkError('the Redis URL is none', { code: 'LEASE_CONFIG_INVALID', blame: 'user', action: 'exit', hint: 'Write redis://host:port or rediss://user:password@host:port/database.' })
}

const AUTHENTICATION = /\b(NOAUTH|WRONGPASS|NOPERM|invalid password|Authentication required)\b/i

export const connect = (options: { readonly url: string, readonly commandTimeoutMs: number, readonly clock: Clock, readonly logger: Logger }): Connection => {
  const { commandTimeoutMs, clock, logger } = options
  const url = parseUrl(options.url)
  const name = `redis ${url.hostname}:${url.port || 6379}`
  let lastError: Error | undefined
  let reported = false
  let closed = false

  const redis = new Redis(options.url, {
    connectTimeout: commandTimeoutMs,
    // Also how long this process is kept alive after a close while Redis is away.
    disconnectTimeout: 100,
    // A peer that is gone without a word is let go of; without it the kernel would try for a quarter of an hour.
    socketTimeout: commandTimeoutMs,
    // A command is sent once or not at all: an acquisition that nobody waits for any more must not happen later.
    enableOfflineQueue: false, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(RECONNECT_FIRST_MS * times, RECONNECT_MAX_MS),
    protocol: 2, disableClientInfo: true,
  })
  redis.on('error', (error) => {
    lastError = error
    if (reported) return
    reported = true
    logger.warn({ redis: name, error: error.message }, 'lease.redis-lost')
  })
  redis.on('ready', () => {
    if (reported) logger.info({ redis: name }, 'lease.redis-back')
    reported = false
    lastError = undefined
  })

  const unavailable = (what: string, why: string, cause: unknown): TidemarkError => {
    const denied = AUTHENTICATION.test(why)
    return new TidemarkError(`${what}: ${name}: ${why}`, {
      code: 'LEASE_UNAVAILABLE', blame: 'environment', action: 'retry', cause,
      hint: denied ? 'Check user and password in the Redis URL, and the rights of that user.' : 'Running jobs go on without Redis; it is needed to elect a driver. See that it runs and can be reached from here.',
    })
  }

  return {
    name,
    ask: (what, command) => new Promise((resolve, reject) => {
      if (closed) {
        reject(new TidemarkError(`${what}: ${name} is closed`, { code: 'LEASE_CLOSED', blame: 'bug', action: 'exit' }))
        return
      }
      const settle = (act: () => void): void => {
        timer.cancel()
        redis.off('ready', send)
        redis.off('end', ended)
        act()
      }
      const send = (): void => {
        redis.off('ready', send)
        command(redis).then((value) => settle(() => resolve(value)), (error: unknown) => {
          const why = error instanceof Error ? error.message : String(error)
          // "Reached the max retries" says nothing; what broke the connection does.
          settle(() => reject(unavailable(what, lastError ? `${lastError.message} (${why})` : why, error)))
        })
      }
      const ended = (): void => settle(() => reject(unavailable(what, 'the connection was closed', lastError)))
      const timer = clock.after(commandTimeoutMs, () => settle(() => reject(unavailable(what, `no answer within ${commandTimeoutMs} ms${lastError ? `, last: ${lastError.message}` : ''}`, lastError))))
      redis.once('end', ended)
      if (redis.status === 'ready') send()
      else redis.on('ready', send)
    }),
    close: () => {
      closed = true
      redis.disconnect()
    },
  }
}
