// The servers of one run of the matrix, each of which is stopped, killed and emptied; with toxiproxy, if it is there, a second way into Kafka that can be cut.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ending } from '../../../bench/ending.ts'
import { startKafka } from '../../../deploy/services/kafka.ts'
import type { KafkaServer } from '../../../deploy/services/kafka.ts'
import { startMinio } from '../../../deploy/services/minio.ts'
import type { MinioServer } from '../../../deploy/services/minio.ts'
import { freePort } from '../../../deploy/services/ports.ts'
import { startRedis } from '../../../deploy/services/redis.ts'
import type { RedisServer } from '../../../deploy/services/redis.ts'
import type { Server } from '../../../deploy/services/server.ts'
import { findToxiproxy } from '../../../deploy/services/tools.ts'
import { startToxiproxy } from '../../../deploy/services/toxiproxy.ts'
import type { ServerEnvironment } from '../../cluster/cluster.ts'
import { Link } from './links.ts'
import { Machine, whyNoMachine } from './machine.ts'

export interface Links {
  readonly url: string
  /** Kafka names this address to whoever comes by it, so nobody gets past it. */
  readonly kafka: Link
  readonly minio: Link
}

export interface Servers {
  readonly kafka: KafkaServer
  readonly minio: MinioServer
  readonly redis: RedisServer
  /** Or why not. */
  readonly links: Links | string
  /** For an executor, off; or why there is none. */
  readonly machine: Machine | string
  /** Where they listen on the loopback. */
  readonly ports: readonly number[]
  readonly env: ServerEnvironment
}

/** The broker listens twice; who comes by the second listener is told to go on by the proxy before it. */
const twoListeners = (port: number, second: number, proxy: number, controller: number): Record<string, string> => ({
  'controller.quorum.voters': `1@127.0.0.1:${controller}`,
  'listeners': `PLAINTEXT://127.0.0.1:${port},PROXIED://127.0.0.1:${second},CONTROLLER://127.0.0.1:${controller}`,
  'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},PROXIED://127.0.0.1:${proxy}`,
  'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT',
})

const machineUntil = (ending: Ending): Machine | string => {
  const why = whyNoMachine()
  if (why !== undefined) return why
  const machine = new Machine()
  ending.add(() => machine.close())
  return machine
}

export const startServers = async (ending: Ending): Promise<Servers> => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-faults-servers-'))
  ending.add(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }))
  const keep = <S extends Server>(starting: Promise<S>): Promise<S> => ending.keep(starting, (server) => server.close())
  const [port, second, proxy, controller] = [await freePort(), await freePort(), await freePort(), await freePort()] as const
  const toxiproxy = findToxiproxy()
  const [kafka, minio, redis, toxic] = await Promise.all([
    keep(startKafka({ folder: join(folder, 'kafka'), port, heapMiBMax: 512, brief: true, settings: twoListeners(port, second, proxy, controller) })),
    keep(startMinio({ folder: join(folder, 'minio') })), keep(startRedis({ folder: join(folder, 'redis') })),
    toxiproxy.found ? keep(startToxiproxy({ folder: join(folder, 'toxiproxy') })) : undefined,
  ])
  const links = toxic === undefined ? toxiproxy.found ? 'toxiproxy did not start' : toxiproxy.reason : {
    url: toxic.url,
    kafka: await Link.open(toxic.url, 'kafka', `127.0.0.1:${second}`, `127.0.0.1:${proxy}`),
    minio: await Link.open(toxic.url, 'minio', `127.0.0.1:${minio.port}`),
  }
  return {
    kafka, minio, redis, links, machine: machineUntil(ending), ports: [port, minio.port, Number(new URL(redis.url).port)],
    env: {
      TIDEMARK_KAFKA: kafka.brokers, TIDEMARK_S3_ENDPOINT: minio.endpoint, TIDEMARK_S3_ACCESS_KEY: minio.accessKey, TIDEMARK_S3_SECRET_KEY: minio.secretKey, TIDEMARK_S3_BUCKET: minio.bucket,
      TIDEMARK_REDIS: redis.url,
    },
  }
}

/** After a fault that was not done to its end: what it took away is back. */
export const mendServers = async ({ kafka, minio, redis, links }: Servers): Promise<void> => {
  for (const server of [kafka, minio, redis]) {
    server.resume()
    if (server.identity() === undefined) await server.restart()
  }
  if (typeof links !== 'string') await Promise.all([links.kafka.heal(), links.minio.heal()])
}
