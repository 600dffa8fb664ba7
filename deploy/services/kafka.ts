// A real Kafka of one node (KRaft: broker and controller in one process), from its jars, without Docker.
import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ask, freePort } from './ports.ts'
import { serverFolder, startServer } from './server.ts'
import type { Server, ServerOptions } from './server.ts'
import { findJava, findKafka } from './tools.ts'

const run = promisify(execFile)

export interface KafkaServer extends Server {
  /** `127.0.0.1:<port>` */
  readonly brokers: string
}

export interface KafkaOptions extends ServerOptions {
  readonly port?: number
  /** Default 1024. */
  readonly heapMiBMax?: number
  /** For one that lives for minutes: Java's second compiler, that would take half a core of the first one, stays off. Slower in the long run. */
  readonly brief?: boolean
  /** Added to `server.properties`, or in place of what stands there. */
  readonly settings?: Readonly<Record<string, string>>
}

const READY_MS_MAX = 90_000
const FIRST_COMPILER: readonly string[] = ['-XX:TieredStopAtLevel=1']
/** As Kafka's own start script has it: the broker answers nobody while it collects, and without a goal Java lets that take 60 ms on a busy machine. */
const COLLECTOR: readonly string[] = ['-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35']
/** One cluster id for all: a test cluster is known by its port. 16 bytes, base64url. */
const CLUSTER_ID = 'dGlkZW1hcmstdGVzdC0wMQ'

const settingsOf = (folder: string, port: number, controllerPort: number): Record<string, string> => ({
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
  'listeners': `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
  'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
  'controller.listener.names': 'CONTROLLER',
  'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
  'log.dirs': join(folder, 'data'),
  'auto.create.topics.enable': 'false',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '8',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'group.initial.rebalance.delay.ms': '0',
  'log.cleaner.dedupe.buffer.size': String(16 * 1024 * 1024),
  // A broker that was killed is registered again when its old session ends: do not wait the default 9 s for that.
  'broker.heartbeat.interval.ms': '250',
  'broker.session.timeout.ms': '2000',
})

const LOG_SETTINGS = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c)%n%throwable
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
`

// Metadata request, version 1, of no topic: answered with the brokers that are in service, so a broker that is still fenced does not count.
const METADATA_REQUEST = Buffer.from([0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0])
const isReady = async (port: number): Promise<boolean> => {
  // Length, correlation id, number of brokers: 4 bytes each.
  const answer = await ask(port, METADATA_REQUEST, (bytes) => bytes.length >= 12)
  return answer !== undefined && answer.readInt32BE(8) > 0
}

/** Starts one and waits until it serves. Throws when a program is missing: ask `findKafka` first. */
export const startKafka = async (options: KafkaOptions = {}): Promise<KafkaServer> => {
  const libs = findKafka()
  const java = findJava()
  if (!libs.found) throw new Error(libs.reason)
  if (!java.found) throw new Error(java.reason)
  const place = serverFolder('kafka', options)
  const port = options.port ?? await freePort()
  const settings = { ...settingsOf(place.folder, port, await freePort()), ...options.settings }
  const settingsFile = join(place.folder, 'server.properties')
  const logSettingsFile = join(place.folder, 'log4j2.properties')
  writeFileSync(settingsFile, Object.entries(settings).map(([key, value]) => `${key}=${value}\n`).join(''))
  writeFileSync(logSettingsFile, LOG_SETTINGS)
  const classes = ['-cp', join(libs.path, '*'), `-Dlog4j2.configurationFile=${logSettingsFile}`]
  if (!existsSync(join(place.folder, 'data', 'meta.properties'))) {
    await run(java.path, [...FIRST_COMPILER, '-Xshare:auto', ...classes, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', settingsFile], { cwd: place.folder })
  }
  const server = await startServer({
    name: 'kafka',
    command: java.path,
    args: [...options.brief === true ? FIRST_COMPILER : [], ...COLLECTOR, `-Xmx${options.heapMiBMax ?? 1024}m`, '-Xms256m', '-Djava.awt.headless=true', ...classes, 'kafka.Kafka', settingsFile],
    isReady: () => isReady(port),
    readyMsMax: READY_MS_MAX,
  }, place, options)
  return { ...server, brokers: `127.0.0.1:${port}` }
}
