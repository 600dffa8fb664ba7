// Faults of the driver, and of Redis, which holds the lease of the one that leads.
import { realClock } from '@tidemark/base'
import { ask } from '../../../deploy/services/ports.ts'
import { now } from './fault.ts'
import type { Fault } from './fault.ts'

const HANG_MS = 3_000
const REDIS_DOWN_MS = 5_000
/** Long enough for a driver whose lease is gone to notice. */
const EMPTIED_WATCH_MS = 5_000

export const DRIVER_FAULTS: readonly Fault[] = [
  {
    name: 'kill driver', what: 'SIGKILL of the driver, started again at once', setting: 'plain', times: 5,
    strike: async (stage) => {
      const at = now()
      await stage.cluster.driver?.kill()
      await stage.cluster.startDriver()
      return { at, ledAt: now() }
    },
  },
  {
    name: 'hang driver', what: `SIGSTOP of the driver for ${HANG_MS} ms, longer than executors' time-out and its lease, then SIGCONT`, setting: 'plain',
    strike: async (stage) => {
      const { driver } = stage.cluster
      const at = now()
      driver?.signal('SIGSTOP')
      await realClock.sleep(HANG_MS)
      driver?.signal('SIGCONT')
      return { at, healedAt: now() }
    },
  },
  {
    name: 'empty lease', what: 'FLUSHALL in Redis', setting: 'plain', times: 3,
    strike: async (stage) => {
      const at = now()
      const answer = await ask(Number(new URL(stage.servers.redis.url).port), Buffer.from('FLUSHALL\r\n'), (bytes) => bytes.includes('\r\n'))
      if (answer?.toString('latin1').startsWith('+OK') !== true) throw new Error(`Redis answered FLUSHALL with ${answer?.toString('latin1') ?? 'nothing'}`)
      const healedAt = now()
      await realClock.sleep(EMPTIED_WATCH_MS)
      return { at, healedAt }
    },
  },
  {
    name: 'down lease', what: `SIGKILL of Redis, started again, empty, after ${REDIS_DOWN_MS} ms`, setting: 'plain',
    strike: async (stage) => {
      const at = now()
      await stage.servers.redis.kill()
      await realClock.sleep(REDIS_DOWN_MS)
      await stage.servers.redis.restart()
      return { at, healedAt: now() }
    },
  },
  {
    name: 'kill driver, standby leads', what: 'SIGKILL of the driver that leads, another waits', setting: 'standby driver', times: 5,
    strike: async (stage) => {
      const at = now()
      await stage.cluster.driver?.kill()
      await stage.cluster.promoteStandby()
      return { at, ledAt: now() }
    },
  },
]
