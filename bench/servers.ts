// The servers of one run: Kafka, MinIO and Redis of its own, or none where the embedded log is measured.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startKafka } from '../deploy/services/kafka.ts'
import { startMinio } from '../deploy/services/minio.ts'
import { startRedis } from '../deploy/services/redis.ts'
import type { Server } from '../deploy/services/server.ts'
import type { ServerEnvironment } from '../test/cluster/cluster.ts'
import type { Ending } from './ending.ts'

export interface Servers {
  /** Settings that point Tidemark's processes at them; empty: embedded. */
  readonly env: ServerEnvironment
  /** Of the broker; undefined: embedded. */
  readonly brokerPid: number | undefined
}

/**
 * Each in a temporary folder that `ending` removes with it.
 * `broker`: `brief` is at its full speed at once, for what is measured in milliseconds of a short run; `whole` takes its time to become faster, for throughput.
 */
export const startServers = async (log: 'local' | 'kafka', ending: Ending, broker: 'brief' | 'whole'): Promise<Servers> => {
  if (log === 'local') return { env: {}, brokerPid: undefined }
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-bench-'))
  ending.add(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }))
  const keep = <S extends Server>(starting: Promise<S>): Promise<S> => ending.keep(starting, (server) => server.close())
  const [kafka, minio, redis] = await Promise.all([
    keep(startKafka({ folder: join(folder, 'kafka'), brief: broker === 'brief' })), keep(startMinio({ folder: join(folder, 'minio') })), keep(startRedis({ folder: join(folder, 'redis') })),
  ])
  return {
    env: {
      TIDEMARK_KAFKA: kafka.brokers, TIDEMARK_S3_ENDPOINT: minio.endpoint, TIDEMARK_S3_ACCESS_KEY: minio.accessKey, TIDEMARK_S3_SECRET_KEY: minio.secretKey, TIDEMARK_S3_BUCKET: minio.bucket,
      TIDEMARK_REDIS: redis.url,
    },
    brokerPid: kafka.identity()?.pid,
  }
}
