// `node deploy/services/main.ts up [folder]`: Kafka, MinIO and Redis in the foreground, until Ctrl-C; prints the settings that point Tidemark at them.
import { resolve } from 'node:path'
import { startKafka } from './kafka.ts'
import { startMinio } from './minio.ts'
import { startRedis } from './redis.ts'
import type { Server } from './server.ts'

const up = async (folder: string | undefined): Promise<void> => {
  const place = (name: string): { folder?: string } => folder === undefined ? {} : { folder: resolve(folder, name) }
  const started: Server[] = []
  const close = async (): Promise<void> => {
    for (const server of started.splice(0)) {
      await server.stop()
      await server.close()
    }
  }
  const keep = async <S extends Server>(starting: Promise<S>): Promise<S> => {
    const server = await starting
    started.push(server)
    return server
  }
  const results = await Promise.allSettled([keep(startKafka(place('kafka'))), keep(startMinio(place('minio'))), keep(startRedis({ ...place('redis'), keeps: 'everything' }))])
  const [kafka, minio, redis] = results
  if (kafka.status === 'rejected' || minio.status === 'rejected' || redis.status === 'rejected') {
    for (const result of results) if (result.status === 'rejected') console.error(String(result.reason))
    await close()
    process.exitCode = 1
    return
  }
  console.log([
    `export TIDEMARK_KAFKA=${kafka.value.brokers}`,
    `export TIDEMARK_S3_ENDPOINT=${minio.value.endpoint}`,
    `export TIDEMARK_S3_ACCESS_KEY=${minio.value.accessKey}`,
    `export TIDEMARK_S3_SECRET_KEY=${minio.value.secretKey}`,
    `export TIDEMARK_S3_BUCKET=${minio.value.bucket}`,
    `export TIDEMARK_REDIS=${redis.value.url}`,
  ].join('\n'))
  console.error(folder === undefined ? 'Ctrl-C ends the three servers and removes their data.' : `Ctrl-C ends the three servers; their data stays in ${folder}.`)
  // Something must keep this process alive: the servers are not its children in that sense.
  const alive = setInterval(() => {}, 60_000)
  await new Promise<void>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => resolve())
  })
  clearInterval(alive)
  await close()
}

const [command, folder] = process.argv.slice(2)
if (command === 'up') await up(folder)
else {
  console.error('usage: node deploy/services/main.ts up [folder for the data; default: a temporary one]')
  process.exitCode = 2
}
