// Settings of a driver process.
import { setting } from '@tidemark/base'
import type { Settings } from '@tidemark/base'
import { DEFAULT_SETTINGS } from './core/protocol.ts'
import type { DriverSettings } from './core/protocol.ts'

export const DRIVER_SETTINGS = {
  kafka: setting.addresses('TIDEMARK_KAFKA', undefined, 'Kafka brokers, host:port, comma-separated. Without it the embedded log is used.'),
  folder: setting.text('TIDEMARK_DIR', '.tidemark', 'Folder of the embedded log, store and lease. Default: .tidemark'),
  s3Endpoint: setting.url('TIDEMARK_S3_ENDPOINT', ['http', 'https'], 'S3 endpoint, http://host:port. Without it objects are kept in TIDEMARK_DIR.'),
  s3AccessKey: setting.text('TIDEMARK_S3_ACCESS_KEY', '', 'Access key of the object store.'),
  s3SecretKey: setting.text('TIDEMARK_S3_SECRET_KEY', '', 'Secret key of the object store.'),
  s3Bucket: setting.bucket('TIDEMARK_S3_BUCKET'),
  redis: setting.url('TIDEMARK_REDIS', ['redis', 'rediss'], 'Redis URL of the leader lease. Without it a lock file in TIDEMARK_DIR.', true),
  leaseKey: setting.matching('TIDEMARK_LEASE_KEY', 'tidemark', /^[^{}\s]+$/, 'one word without braces', 'Name of the lease in Redis; clusters that share a Redis need one each. Default: tidemark'),
  leaseMs: setting.durationMs('TIDEMARK_LEASE', 2_000, 'How long a lease holds unless renewed. Default: 2s'),
  listen: setting.address('TIDEMARK_LISTEN', '127.0.0.1:7400', 'host:port for executors and clients; port 0 picks a free one. Default: 127.0.0.1:7400', 0),
  advertise: setting.address('TIDEMARK_ADVERTISE', undefined, 'host:port that others are told, when it is not the one listened on.'),
  heartbeatIntervalMs: setting.durationMs('TIDEMARK_HEARTBEAT_INTERVAL', DEFAULT_SETTINGS.heartbeatIntervalMs, 'How often executors report. Default: 250ms'),
  heartbeatTimeoutMs: setting.durationMs('TIDEMARK_HEARTBEAT_TIMEOUT', DEFAULT_SETTINGS.heartbeatTimeoutMs, 'An executor that says nothing for this long is dead. Default: 2s'),
  logSilenceMaxMs: setting.durationMs('TIDEMARK_LOG_SILENCE', DEFAULT_SETTINGS.logSilenceMaxMs, 'A slot that the log does not answer for this long, while it answers others, gives its tasks to those. Default: 5s'),
  reconnectGraceMs: setting.durationMs('TIDEMARK_RECONNECT_GRACE', DEFAULT_SETTINGS.reconnectGraceMs, 'After a lost stream: how long a reconnect or an answer to the probe may take. Default: 200ms'),
  releaseTimeoutMs: setting.durationMs('TIDEMARK_RELEASE_TIMEOUT', DEFAULT_SETTINGS.releaseTimeoutMs, 'A planned release that takes longer costs that slot its process. Default: 5s'),
  logLevel: setting.logLevel('TIDEMARK_LOG_LEVEL'),
} as const

export type ProcessSettings = Settings<typeof DRIVER_SETTINGS>

/** A slot without work asks the log twice a second, and half of the silence must be plenty for an answer. */
const LOG_SILENCE_MIN_MS = 2_000

/** How settings must stand to each other; sentences that name both. */
export const checkAcross = (settings: ProcessSettings): string[] => {
  const problems: string[] = []
  if (settings.heartbeatIntervalMs * 3 > settings.heartbeatTimeoutMs) problems.push(`TIDEMARK_HEARTBEAT_TIMEOUT (${settings.heartbeatTimeoutMs} ms) must be at least three times TIDEMARK_HEARTBEAT_INTERVAL (${settings.heartbeatIntervalMs} ms)`)
  if (settings.reconnectGraceMs > settings.heartbeatTimeoutMs) problems.push(`TIDEMARK_RECONNECT_GRACE (${settings.reconnectGraceMs} ms) must be at most TIDEMARK_HEARTBEAT_TIMEOUT (${settings.heartbeatTimeoutMs} ms)`)
  if (settings.kafka !== undefined && (settings.s3Endpoint === undefined) !== (settings.redis === undefined)) problems.push('with Kafka, several machines take part: give TIDEMARK_S3_ENDPOINT and TIDEMARK_REDIS both, or neither to keep objects and lease in TIDEMARK_DIR')
  if (settings.logSilenceMaxMs < LOG_SILENCE_MIN_MS) problems.push(`TIDEMARK_LOG_SILENCE (${settings.logSilenceMaxMs} ms) must be at least ${LOG_SILENCE_MIN_MS} ms`)
  if (settings.leaseMs < 300) problems.push(`TIDEMARK_LEASE (${settings.leaseMs} ms) must be at least 300 ms`)
  return problems
}

export const coreSettings = ({ heartbeatIntervalMs, heartbeatTimeoutMs, logSilenceMaxMs, reconnectGraceMs, releaseTimeoutMs }: ProcessSettings): DriverSettings =>
  ({ ...DEFAULT_SETTINGS, heartbeatIntervalMs, heartbeatTimeoutMs, logSilenceMaxMs, reconnectGraceMs, releaseTimeoutMs })
