// Servers of one test's own, to stop, kill, pause and restart; ended at the end of the run even if the test forgets.
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { startKafka as kafka } from '../../deploy/services/kafka.ts'
import type { KafkaOptions, KafkaServer } from '../../deploy/services/kafka.ts'
import { startMinio as minio } from '../../deploy/services/minio.ts'
import type { MinioOptions, MinioServer } from '../../deploy/services/minio.ts'
import { startRedis as redis } from '../../deploy/services/redis.ts'
import type { RedisOptions, RedisServer } from '../../deploy/services/redis.ts'
import type { ServerOptions } from '../../deploy/services/server.ts'
import { recordProcess, runFolder } from './run-folder.ts'

const inRun = <T extends ServerOptions>(name: string, options: T): T => ({ folder: mkdtempSync(join(runFolder(), `${name}-`)), onProcess: recordProcess, ...options })

/** Takes 5-10 s and up to `heapMiBMax` (512): not where the shared one will do. Call `close` in `afterAll`. */
export const startKafka = (options: KafkaOptions = {}): Promise<KafkaServer> => kafka(inRun('kafka', { heapMiBMax: 512, brief: true, ...options }))
export const startMinio = (options: MinioOptions = {}): Promise<MinioServer> => minio(inRun('minio', options))
export const startRedis = (options: RedisOptions = {}): Promise<RedisServer> => redis(inRun('redis', options))
