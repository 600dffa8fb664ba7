// The environment that makes Tidemark's processes use the real servers of a test run.
import type { Addresses } from '../services/index.ts'
import type { ServerEnvironment } from './cluster.ts'

type Server = <N extends 'kafka' | 'minio' | 'redis'>(need: N) => Addresses[N]

export const serversOf = (server: Server): ServerEnvironment => {
  const { endpoint, accessKey, secretKey, bucket } = server('minio')
  return { TIDEMARK_KAFKA: server('kafka').brokers, TIDEMARK_S3_ENDPOINT: endpoint, TIDEMARK_S3_ACCESS_KEY: accessKey, TIDEMARK_S3_SECRET_KEY: secretKey, TIDEMARK_S3_BUCKET: bucket, TIDEMARK_REDIS: server('redis').url }
}
