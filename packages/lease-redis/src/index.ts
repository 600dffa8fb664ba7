// lease-redis: the Lease port on Redis: one leader among several drivers.
export { openRedisLease } from './redis-lease.ts'
export type { RedisLeaseOptions } from './redis-lease.ts'
