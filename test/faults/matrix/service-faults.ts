// Faults of the servers: Kafka, MinIO, and both at once.
import { realClock } from '@tidemark/base'
import { kill } from '../../../bench/processes.ts'
import { now } from './fault.ts'
import type { Fault } from './fault.ts'

const DOWN_MS = 8_000
const LOG_DOWN_MS = 3_000
const SLOW_BY_MS = 500

export const SERVICE_FAULTS: readonly Fault[] = [
  {
    name: 'down store', what: `SIGKILL of MinIO, started again after ${DOWN_MS} ms`, setting: 'plain',
    strike: async (stage) => {
      const at = now()
      await stage.servers.minio.kill()
      await realClock.sleep(DOWN_MS)
      await stage.servers.minio.restart()
      return { at, healedAt: now() }
    },
  },
  {
    name: 'hang store', what: `SIGSTOP of MinIO for ${DOWN_MS} ms: connections stay open, nothing answers`, setting: 'plain',
    strike: async (stage) => {
      const at = now()
      stage.servers.minio.pause()
      await realClock.sleep(DOWN_MS)
      stage.servers.minio.resume()
      return { at, healedAt: now() }
    },
  },
  {
    name: 'slow store for all', what: `MinIO answers ${2 * SLOW_BY_MS} ms later for ${DOWN_MS} ms, to everybody`, setting: 'store behind a link',
    strike: async (stage) => {
      const { links } = stage.servers
      if (typeof links === 'string') throw new Error(links)
      const at = now()
      await links.minio.slow(SLOW_BY_MS)
      await realClock.sleep(DOWN_MS)
      await links.minio.heal()
      return { at, healedAt: now() }
    },
  },
  {
    name: 'kill machine, store down', what: `SIGKILL of an executor with its slots while MinIO is down; it comes back after ${DOWN_MS} ms`, setting: 'plain',
    strike: async (stage) => {
      const victim = await stage.victim()
      const slots = stage.slotsOf(victim)
      await stage.servers.minio.kill()
      await realClock.sleep(1_000)
      const at = now()
      for (const slot of slots) kill(slot)
      await victim.kill()
      await realClock.sleep(DOWN_MS)
      const withoutStore = stage.output.partitions.filter((partition) => stage.output.firstAfter(partition, at.monotonic + 1_000) !== undefined).length
      await stage.servers.minio.restart()
      return { at, victim, note: () => `${withoutStore} of ${stage.output.partitions.length} partitions spoke before MinIO was back` }
    },
  },
  {
    name: 'down store for long, kill machine', what: 'MinIO is down for long under load, then SIGKILL of an executor with its slots; MinIO comes back a second later', setting: 'plain',
    strike: async (stage) => {
      await stage.cluster.until(stage.job.name, ({ checkpoints }) => checkpoints.length >= 2, 'two checkpoints: the journal is trimmed to the older one')
      const from = now()
      await stage.servers.minio.stop()
      await realClock.sleep(stage.longMs)
      const silences = stage.output.partitions.map((partition) => stage.output.silenceMs(partition, from.monotonic, realClock.monotonic()) ?? Infinity)
      const { growth, checkpoints } = await stage.cluster.jobs.describe(stage.job.name)
      const victim = await stage.victim()
      const slots = stage.slotsOf(victim)
      const at = now()
      for (const slot of slots) kill(slot)
      await victim.kill()
      await realClock.sleep(1_000)
      await stage.servers.minio.restart()
      const age = Math.round((at.wall - (checkpoints[0]?.takenAt ?? NaN)) / 1_000)
      return {
        at, victim, healedAt: now(), replayMsMax: stage.longMs / 10, note: (takeovers) => `down for ${Math.round((at.monotonic - from.monotonic) / 1_000)} s, longest silence of any partition meanwhile ${Math.round(Math.max(...silences))} ms; then the newest checkpoint was ${age} s old, `
          + `${growth?.batches ?? '?'} batches and ${growth?.bytes ?? '?'} bytes behind it, ${growth?.bytesPerHour ?? '?'} bytes an hour; taken over with tails of ${takeovers.map(({ steps }) => steps?.tailBatches ?? '?').join(', ')} batches`,
      }
    },
  },
  {
    name: 'down log', what: `SIGKILL of Kafka, started again after ${LOG_DOWN_MS} ms`, setting: 'plain',
    strike: async (stage) => {
      const at = now()
      await stage.servers.kafka.kill()
      await realClock.sleep(LOG_DOWN_MS)
      await stage.servers.kafka.restart()
      return { at, healedAt: now() }
    },
  },
  {
    name: 'restart log', what: 'SIGTERM of Kafka, started again at once', setting: 'plain',
    strike: async (stage) => {
      const at = now()
      await stage.servers.kafka.stop()
      await stage.servers.kafka.restart()
      return { at, healedAt: now() }
    },
  },
  {
    name: 'down log and store', what: `SIGKILL of Kafka and MinIO, Kafka started again after ${LOG_DOWN_MS} ms, MinIO ${DOWN_MS} ms later`, setting: 'plain',
    strike: async (stage) => {
      const at = now()
      await Promise.all([stage.servers.kafka.kill(), stage.servers.minio.kill()])
      await realClock.sleep(LOG_DOWN_MS)
      await stage.servers.kafka.restart()
      const healedAt = now()
      await realClock.sleep(DOWN_MS)
      const withoutStore = stage.output.partitions.filter((partition) => stage.output.firstAfter(partition, healedAt.monotonic) !== undefined).length
      await stage.servers.minio.restart()
      return { at, healedAt, note: () => `${withoutStore} of ${stage.output.partitions.length} partitions spoke before MinIO was back` }
    },
  },
]
