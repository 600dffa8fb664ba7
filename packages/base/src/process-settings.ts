// The settings of all processes in one place, because one file can set them all: commands, drivers, executors and their slots.
import { ACCESS_SETTINGS, checkAccess } from './access-settings.ts'
import { PORT_MAX, setting } from './settings.ts'
import type { Settings, SettingSpec } from './settings.ts'

const SECRET_KEY: SettingSpec<string> = { ...setting.text('TIDEMARK_S3_SECRET_KEY', '', 'Secret key of the object store.'), secret: true }
const leaseKey = (about: string): SettingSpec<string> => setting.matching('TIDEMARK_LEASE_KEY', 'tidemark', /^[^{}\s]+$/, 'one word without braces', about)
const s3Endpoint = (without: string): SettingSpec<string | undefined> =>
  setting.url('TIDEMARK_S3_ENDPOINT', ['http', 'https'], `S3 endpoint, http://host:port. Without it ${without}`, { instead: 'TIDEMARK_S3_ACCESS_KEY and TIDEMARK_S3_SECRET_KEY say who uses it' })
const LOG_LEVEL = setting.logLevel('TIDEMARK_LOG_LEVEL')

/** Of the command line: where log, store, lease and driver are. */
export const CLI_SETTINGS = {
  kafka: setting.addresses('TIDEMARK_KAFKA', undefined, 'Kafka brokers, host:port, comma-separated. Without it: the embedded log in the folder.'),
  folder: setting.text('TIDEMARK_DIR', '.tidemark', 'Folder of the embedded log and store. Default: .tidemark'),
  driver: setting.addresses('TIDEMARK_DRIVER', '127.0.0.1:7400', 'Drivers, host:port, comma-separated. Default: 127.0.0.1:7400'),
  s3Endpoint: s3Endpoint('objects are kept in the folder.'),
  s3AccessKey: setting.text('TIDEMARK_S3_ACCESS_KEY', '', 'Access key of the object store.'),
  s3SecretKey: SECRET_KEY,
  redis: setting.url('TIDEMARK_REDIS', ['redis', 'rediss'], 'Redis URL of the leader lease. Without it: a lock file in the folder.', { secret: 'url' }),
  leaseKey: leaseKey('Name of the lease in Redis. Default: tidemark'),
  s3Bucket: setting.bucket('TIDEMARK_S3_BUCKET'),
  ...ACCESS_SETTINGS,
} as const

/** Of driver and executor processes alike: what they work on. `folderHolds`: in the folder, where there are no servers. */
const serverSettings = (folderHolds: string) => ({
  kafka: setting.addresses('TIDEMARK_KAFKA', undefined, 'Kafka brokers, host:port, comma-separated. Without it the embedded log is used.'),
  folder: setting.text('TIDEMARK_DIR', '.tidemark', `Folder of ${folderHolds}. Default: .tidemark`),
  s3Endpoint: s3Endpoint('objects are kept in TIDEMARK_DIR.'),
  s3AccessKey: setting.text('TIDEMARK_S3_ACCESS_KEY', '', 'Access key of the object store.'),
  s3SecretKey: SECRET_KEY,
  s3Bucket: setting.bucket('TIDEMARK_S3_BUCKET'),
  ...ACCESS_SETTINGS,
} as const)

/** Of a driver process. */
export const DRIVER_SETTINGS = {
  ...serverSettings('the embedded log, store and lease'),
  redis: setting.url('TIDEMARK_REDIS', ['redis', 'rediss'], 'Redis URL of the leader lease. Without it a lock file in TIDEMARK_DIR.', { secret: 'url' }),
  leaseKey: leaseKey('Name of the lease in Redis; clusters that share a Redis need one each. Default: tidemark'),
  leaseMs: setting.durationMs('TIDEMARK_LEASE', 2_000, 'How long a lease holds unless renewed. Default: 2s'),
  listen: setting.address('TIDEMARK_LISTEN', '127.0.0.1:7400', 'host:port for executors and clients; port 0 picks a free one. Default: 127.0.0.1:7400', 0),
  advertise: setting.address('TIDEMARK_ADVERTISE', undefined, 'host:port that others are told, when it is not the one listened on.'),
  heartbeatIntervalMs: setting.durationMs('TIDEMARK_HEARTBEAT_INTERVAL', 250, 'How often executors report. Default: 250ms'),
  heartbeatTimeoutMs: setting.durationMs('TIDEMARK_HEARTBEAT_TIMEOUT', 2_000, 'An executor that says nothing for this long is dead. Default: 2s'),
  logSilenceMaxMs: setting.durationMs('TIDEMARK_LOG_SILENCE', 5_000, 'A slot that the log does not answer for this long, while it answers others, gives its tasks to those. Default: 5s'),
  reconnectGraceMs: setting.durationMs('TIDEMARK_RECONNECT_GRACE', 200, 'After a lost stream: how long a reconnect or an answer to the probe may take. Default: 200ms'),
  releaseTimeoutMs: setting.durationMs('TIDEMARK_RELEASE_TIMEOUT', 5_000, 'A planned release that takes longer costs that slot its process. Default: 5s'),
  logLevel: LOG_LEVEL,
} as const

/** A slot without work asks the log twice a second, and half of the silence must be plenty for an answer. */
const LOG_SILENCE_MIN_MS = 2_000

/** Every address of a machine, in each way in which a system takes it: to listen on, not to be told to others, who would ask themselves. */
export const isEveryAddress = (host: string): boolean => /^(?:(?:0x)?0+(?:\.(?:0x)?0+){0,3}|\[(?:[0:]+:ffff:)?[0:.]+\])$/i.test(host)

/** How a driver's settings must stand to each other; sentences that name both. */
export const checkDriverSettings = (settings: Settings<typeof DRIVER_SETTINGS>): string[] => {
  const problems = checkAccess(settings)
  if (settings.heartbeatIntervalMs * 3 > settings.heartbeatTimeoutMs) problems.push(`TIDEMARK_HEARTBEAT_TIMEOUT (${settings.heartbeatTimeoutMs} ms) must be at least three times TIDEMARK_HEARTBEAT_INTERVAL (${settings.heartbeatIntervalMs} ms)`)
  if (settings.reconnectGraceMs > settings.heartbeatTimeoutMs) problems.push(`TIDEMARK_RECONNECT_GRACE (${settings.reconnectGraceMs} ms) must be at most TIDEMARK_HEARTBEAT_TIMEOUT (${settings.heartbeatTimeoutMs} ms)`)
  if (settings.kafka !== undefined && (settings.s3Endpoint === undefined) !== (settings.redis === undefined)) problems.push('with Kafka, several machines take part: give TIDEMARK_S3_ENDPOINT and TIDEMARK_REDIS both, or neither to keep objects and lease in TIDEMARK_DIR')
  if (settings.logSilenceMaxMs < LOG_SILENCE_MIN_MS) problems.push(`TIDEMARK_LOG_SILENCE (${settings.logSilenceMaxMs} ms) must be at least ${LOG_SILENCE_MIN_MS} ms`)
  const told = settings.advertise ?? settings.listen
  if (isEveryAddress(told.slice(0, told.lastIndexOf(':')))) problems.push(`${settings.advertise === undefined ? 'TIDEMARK_LISTEN' : 'TIDEMARK_ADVERTISE'} (${told}) is every address of this machine, and none that others could be told: give TIDEMARK_ADVERTISE, host:port`)
  if (settings.leaseMs < 300) problems.push(`TIDEMARK_LEASE (${settings.leaseMs} ms) must be at least 300 ms`)
  return problems
}

/** Of an executor and its slots. Slots read the same environment. */
export const EXECUTOR_SETTINGS = {
  ...serverSettings('the embedded log and store, and of pid files'),
  driver: setting.addresses('TIDEMARK_DRIVER', '127.0.0.1:7400', 'Drivers to register with, host:port, comma-separated. Default: 127.0.0.1:7400'),
  driverWaitMs: setting.durationMs('TIDEMARK_DRIVER_WAIT', 60_000, 'At its start: how long to look for a driver before ending with 3; 0s: for ever. Later it looks for ever. Default: 1m', 0),
  label: setting.text('TIDEMARK_LABEL', '', 'Name shown to people; two executors may have the same. Default: host name and pid'),
  probeHost: setting.matching('TIDEMARK_PROBE_HOST', '127.0.0.1', /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$/, 'a host name or address without port', 'Host under which the driver reaches this executor. Default: 127.0.0.1'),
  probePort: setting.integer('TIDEMARK_PROBE_PORT', 0, 'Port under which the driver, and a health check, reaches this executor; 0 picks a free one. Default: 0', 0, PORT_MAX),
  slots: setting.integer('TIDEMARK_SLOTS', 1, 'Slot processes. Default: 1', 1),
  slotHeapMiB: setting.integer('TIDEMARK_SLOT_HEAP', 2_048, 'Heap of a slot process, MiB. Default: 2048', 64),
  slotMemoryMiB: setting.integer('TIDEMARK_SLOT_MEMORY', 0, 'Resident memory at which a slot process is killed, MiB; buffers outside of the heap count too. Default: its heap and 1024', 0),
  slotStuckMs: setting.durationMs('TIDEMARK_SLOT_STUCK', 5_000, 'A slot that says nothing for this long, because it was stopped or one call of your code does not return, is killed. Default: 5s'),
  faultFolder: setting.text('TIDEMARK_FAULT_FOLDER', '', 'For crash tests: folder of armed fault points. Default: none'),
  logLevel: LOG_LEVEL,
} as const

/** What a slot may take beside its heap, unless set. */
const BESIDE_HEAP_MIB = 1_024

/** Resident memory at which a slot process is killed, MiB: as set, or what follows from its heap. */
export const slotMemoryMaxMiB = ({ slotHeapMiB, slotMemoryMiB }: { readonly slotHeapMiB: number, readonly slotMemoryMiB: number }): number =>
  slotMemoryMiB > 0 ? slotMemoryMiB : slotHeapMiB + BESIDE_HEAP_MIB

/** A slot says something several times a second; a full collection of a large heap takes longer. */
const SLOT_STUCK_MIN_MS = 1_000

/** How an executor's settings must stand to each other; sentences that name both. */
export const checkExecutorSettings = (settings: Settings<typeof EXECUTOR_SETTINGS>): string[] => {
  const { slotHeapMiB, slotMemoryMiB, slotStuckMs } = settings
  const problems = checkAccess(settings)
  if (isEveryAddress(settings.probeHost)) problems.push(`TIDEMARK_PROBE_HOST (${settings.probeHost}) is every address of this machine: give the one under which the driver reaches it`)
  if (slotMemoryMiB > 0 && slotMemoryMiB <= slotHeapMiB) problems.push(`TIDEMARK_SLOT_MEMORY (${slotMemoryMiB} MiB) must be more than TIDEMARK_SLOT_HEAP (${slotHeapMiB} MiB): a slot that uses its heap would be killed for it`)
  if (slotStuckMs < SLOT_STUCK_MIN_MS) problems.push(`TIDEMARK_SLOT_STUCK (${slotStuckMs} ms) must be at least ${SLOT_STUCK_MIN_MS} ms: a pause to collect garbage would be taken for being stuck`)
  return problems
}
