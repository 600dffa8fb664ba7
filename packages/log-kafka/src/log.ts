// The Log port on Kafka: one view of the cluster, and the parts that use it.
import { TidemarkError } from '@tidemark/base'
import type { Clock, Log, Logger } from '@tidemark/base'
import { check } from './check.ts'
import { closedError } from './errors.ts'
import { fence } from './fence.ts'
import { createKafkajsLogger, murmur2 } from './kafkajs.ts'
import { mirrorPositions } from './mirror.ts'
import { repairKafkajs } from './patch.ts'
import { KafkaReader } from './reader.ts'
import { KafkaSession } from './session.ts'
import { TopicConfigs } from './topics/configs.ts'
import { partitionOffsets, trim } from './topics/offsets.ts'
import { createTopics, deleteTopics, describeTopics, listTopics } from './topics/topics.ts'
import { Cluster } from './wire/cluster.ts'
import type { Address } from './wire/link.ts'
import { write } from './write.ts'

export interface KafkaLogOptions {
  /** `host:port`, one or several, comma-separated or as a list. */
  readonly brokers: string | readonly string[]
  readonly clientId: string
  readonly clock: Clock
  readonly logger: Logger
  /** Bounds how long a hung owner's open transaction holds back readers. Default 10,000. */
  readonly transactionTimeoutMs?: number
  /** Default 10,000; a long poll adds its own wait. */
  readonly requestTimeoutMs?: number
  /** Default 3,000. */
  readonly connectTimeoutMs?: number
  /** Options of Node's `tls.connect`; `{}` for the defaults. */
  readonly tls?: object
  /** `{ mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', username, password }`, or kafkajs' forms of OAUTHBEARER and AWS. */
  readonly sasl?: object
}

/** `LOG_ADDRESS_INVALID`. */
export const parseBrokers = (brokers: string | readonly string[]): Address[] => {
  const list = (typeof brokers === 'string' ? brokers.split(',') : brokers).map((text) => text.trim()).filter((text) => text !== '')
  const invalid = (text: string): TidemarkError => new TidemarkError(`"${text}" is no Kafka address`, { code: 'LOG_ADDRESS_INVALID', blame: 'user', action: 'exit', hint: 'Write host:port, several separated by commas.' })
  if (list.length === 0) throw invalid('')
  return list.map((text) => {
    const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
    const host = match?.[1] ?? match?.[2]
    if (host === undefined) throw invalid(text)
    return { host, port: Number(match?.[3]) }
  })
}

/** Opens nothing yet: the first call connects. */
export const openKafkaLog = (options: KafkaLogOptions): Log => {
  repairKafkajs(import.meta.url)
  const { clientId, clock, logger, transactionTimeoutMs = 10_000, requestTimeoutMs = 10_000, connectTimeoutMs = 3_000, tls, sasl } = options
  const seeds = parseBrokers(options.brokers)
  const kafkajsLogger = createKafkajsLogger(({ label, namespace, log }) => logger.debug({ label, namespace, text: log['message'] }, 'log.client'))
  const cluster = new Cluster(seeds, { clientId, clock, kafkajsLogger, connectTimeoutMs, requestTimeoutMs, tls, sasl })
  const configs = new TopicConfigs(cluster)
  const users = new Set<{ close(): Promise<void> }>()
  let closed = false
  const opened = <U extends { close(): Promise<void> }>(make: (onClose: () => void) => U): U => {
    if (closed) throw closedError('the log')
    const user = make(() => users.delete(user))
    users.add(user)
    return user
  }
  return {
    name: `kafka ${seeds.map(({ host, port }) => `${host}:${port}`).join(',')}`,
    hasOpenTransactions: true,
    check: () => check(cluster, logger, transactionTimeoutMs),
    createTopics: (specs) => createTopics(cluster, specs),
    describeTopics: (topics) => describeTopics(cluster, configs, topics),
    listTopics: () => listTopics(cluster),
    deleteTopics: (topics) => deleteTopics(cluster, configs, topics),
    offsets: (topic, partitions) => partitionOffsets(cluster, topic, partitions),
    reader: () => opened((onClose) => new KafkaReader(cluster, configs, logger, onClose)),
    session: (id) => opened((onClose) => new KafkaSession(cluster, configs, id, transactionTimeoutMs, onClose)),
    fence: (id) => fence(cluster, id, transactionTimeoutMs),
    write: (writes) => write(cluster, configs, writes),
    trim: (topic, partition, before) => trim(cluster, topic, partition, before),
    partitionFor: (key, partitions) => (murmur2(key) & 0x7fffffff) % partitions,
    mirrorPositions: (group, positions) => mirrorPositions(cluster, group, positions, logger),
    // What kafkajs speaks of DescribeLogDirs has no sizes of disks.
    freeBytes: async () => undefined,
    close: async () => {
      closed = true
      await Promise.all(Array.from(users, (user) => user.close()))
      await cluster.close()
    },
  }
}
