// Settings of the command line: where log, folder and driver are.
import { flagOf, readSettings, setting } from '@tidemark/base'
import type { Settings } from '@tidemark/base'

export const CLI_SETTINGS = {
  kafka: setting.text('TIDEMARK_KAFKA', undefined, 'Kafka brokers, host:port, comma-separated. Without it: the embedded log in the folder.'),
  folder: setting.text('TIDEMARK_DIR', '.tidemark', 'Folder of the embedded log and store. Default: .tidemark'),
  driver: setting.text('TIDEMARK_DRIVER', '127.0.0.1:7400', 'Drivers, host:port, comma-separated. Default: 127.0.0.1:7400'),
  s3Endpoint: setting.text('TIDEMARK_S3_ENDPOINT', undefined, 'S3 endpoint, http://host:port. Without it: objects in the folder.'),
  s3AccessKey: setting.text('TIDEMARK_S3_ACCESS_KEY', '', 'Access key of the object store.'),
  s3SecretKey: setting.text('TIDEMARK_S3_SECRET_KEY', '', 'Secret key of the object store.'),
  redis: setting.text('TIDEMARK_REDIS', undefined, 'Redis URL of the leader lease. Without it: a lock file in the folder.'),
  leaseKey: setting.text('TIDEMARK_LEASE_KEY', 'tidemark', 'Name of the lease in Redis. Default: tidemark'),
  s3Bucket: setting.text('TIDEMARK_S3_BUCKET', 'tidemark', 'Bucket. Default: tidemark'),
} as const

export type Servers = Settings<typeof CLI_SETTINGS>
export type ServerName = keyof typeof CLI_SETTINGS

/** `flags` as commander gives them; what is not a server's flag is left alone. `SETTINGS_INVALID`. */
export const readServers = (flags: Readonly<Record<string, unknown>>, env: Readonly<Record<string, string | undefined>>): Servers => {
  const texts = Object.values(CLI_SETTINGS).map((spec) => [flagOf(spec), flags[flagOf(spec)]] as const)
  return readSettings(CLI_SETTINGS, Object.fromEntries(texts.flatMap(([flag, value]) => typeof value === 'string' ? [[flag, value]] : [])), env)
}
