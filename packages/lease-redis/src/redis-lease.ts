// The Lease port on one Redis. An epoch it gives is greater than any it remembers and than what the caller knows of.
//
// Redis alone can't promise one leader (it may lose what it acknowledged, and a fail-over may forget the last write): that two leaders
// never have the same epoch, and that the lower one is refused, is the work of the epoch record in the object store.
import { realRandom, TidemarkError } from '@tidemark/base'
import type { Clock, HeldLease, Lease, Logger, Random } from '@tidemark/base'
import { connect } from './connection.ts'
import { ACQUIRE, RELEASE, RENEW } from './scripts.ts'

/** A quarter of the longest lease (2 s), so that a renewal can fail once and still be in time. */
const COMMAND_TIMEOUT_MS = 500
const TTL_MAX_MS = 3_600_000

export interface RedisLeaseOptions {
  /** `redis://host:port/database`, `rediss://` for TLS. */
  readonly url: string
  /** Names the lease: `tidemark.leader`. Both of its Redis keys carry it as hash tag, so they stay together in a Redis cluster. */
  readonly key: string
  readonly clock: Clock
  readonly logger: Logger
  readonly random?: Random
  /** For each call, with waiting for a connection, milliseconds. Default 500. */
  readonly commandTimeoutMs?: number
}

const epochOf = (lease: string): number => {
  const epoch = Number(lease.slice(0, lease.indexOf(' ')))
  if (Number.isSafeInteger(epoch) && epoch > 0) return epoch
  throw new TidemarkError(`the lease in Redis has no usable epoch: ${JSON.stringify(lease)}`, { code: 'LEASE_DAMAGED', blame: 'environment', action: 'exit', hint: 'Somebody else writes to this key; give Tidemark a key of its own.' })
}

/**
 * Connects in the background, at once and for ever. An acquisition whose answer was lost holds the lease for nobody until its time is
 * over. A successful `renew` is valid for `ttlMs` from the moment it was *called*.
 */
export const openRedisLease = (options: RedisLeaseOptions): Lease => {
  const { key, clock, logger, random = realRandom, commandTimeoutMs = COMMAND_TIMEOUT_MS } = options
  if (key === '' || /[{}\s]/.test(key)) throw new TidemarkError(`${JSON.stringify(key)} is no name for a lease`, { code: 'LEASE_CONFIG_INVALID', blame: 'user', action: 'exit', hint: 'One word without braces.' })
  const connection = connect({ url: options.url, commandTimeoutMs, clock, logger })
  const leaseKey = `{${key}}.lease`
  const epochKey = `{${key}}.epoch`

  const hold = (lease: string, ttlMs: number): HeldLease => {
    // Once lost it stays lost, whatever Redis says later.
    let lost = false
    return {
      epoch: epochOf(lease),
      renew: async () => {
        if (!lost && await connection.ask('renew the lease', (redis) => redis.eval(RENEW, 1, leaseKey, lease, ttlMs)) !== 1) lost = true
        return !lost
      },
      release: async () => {
        lost = true
        try {
          await connection.ask('release the lease', (redis) => redis.eval(RELEASE, 1, leaseKey, lease))
        } catch (error) {
          // Its time runs out by itself.
          logger.warn({ redis: connection.name, lease: key, error: error instanceof Error ? error.message : String(error) }, 'lease.not-released')
        }
      },
    }
  }

  return {
    name: `${connection.name} ${key}`,
    acquire: async (holder, ttlMs, epochAtLeast) => {
      if (!Number.isSafeInteger(ttlMs) || ttlMs < 1 || ttlMs > TTL_MAX_MS) throw new RangeError(`a lease of ${ttlMs} ms; 1 to ${TTL_MAX_MS} are allowed`)
      if (!Number.isSafeInteger(epochAtLeast) || epochAtLeast < 0) throw new RangeError(`epoch at least ${epochAtLeast}`)
      const lease = await connection.ask('acquire the lease', (redis) => redis.eval(ACQUIRE, 2, leaseKey, epochKey, random.uuid(), holder, ttlMs, epochAtLeast))
      return typeof lease === 'string' ? hold(lease, ttlMs) : undefined
    },
    holder: async () => {
      const lease = await connection.ask('read who leads', (redis) => redis.get(leaseKey))
      // `<epoch> <token> <holder>`; the holder's text may have spaces of its own.
      return lease === null ? undefined : lease.split(' ').slice(2).join(' ')
    },
    close: async () => connection.close(),
  }
}
