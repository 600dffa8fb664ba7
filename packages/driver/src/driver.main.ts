// The driver process: reads settings, opens log, store and lease, starts the driver. No decision is made in here.
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import pino from 'pino'
import { describeError, kafkaAccess, misspelled, processExitCode, readFlags, readSettings, realClock, realRandom } from '@tidemark/base'
import type { Lease, Log, Logger, ObjectStore } from '@tidemark/base'
import { openRedisLease } from '@tidemark/lease-redis'
import { openKafkaLog } from '@tidemark/log-kafka'
import { localLease, openLocalLog } from '@tidemark/log-local'
import { openLocalStore } from '@tidemark/store-local'
import { openMinioStore } from '@tidemark/store-minio'
import { probe, serveCluster } from '@tidemark/wire'
import { checkAcross, coreSettings, DRIVER_SETTINGS } from './settings.ts'
import type { ProcessSettings } from './settings.ts'
import { Driver } from './shell/driver.ts'
import { killProcess } from './shell/processes.ts'
import { ENGINE_VERSION } from './version.ts'

const openLog = ({ kafka, folder, ...access }: ProcessSettings, logger: Logger): Log => (kafka === undefined
  ? openLocalLog({ path: join(folder, 'log.db'), clock: realClock })
  : openKafkaLog({ brokers: kafka, clientId: 'tidemark-driver', ...kafkaAccess(access), clock: realClock, logger }))

const openStore = ({ s3Endpoint, s3AccessKey, s3SecretKey, s3Bucket, s3Region, folder }: ProcessSettings, logger: Logger): ObjectStore => (s3Endpoint === undefined
  ? openLocalStore({ root: join(folder, 'store') })
  : openMinioStore({ endpoint: s3Endpoint, accessKey: s3AccessKey, secretKey: s3SecretKey, bucket: s3Bucket, region: s3Region, createBucket: true, clock: realClock, logger }))

const openLease = ({ redis, leaseKey, folder }: ProcessSettings, logger: Logger): Lease => (redis === undefined
  ? localLease(join(folder, 'lease.db'))
  : openRedisLease({ url: redis, key: leaseKey, clock: realClock, logger }))

const main = async (): Promise<void> => {
  const settings = readSettings(DRIVER_SETTINGS, readFlags(DRIVER_SETTINGS, process.argv.slice(2)), process.env, checkAcross)
  const logger: Logger = pino({ level: settings.logLevel, base: { driver: process.pid } }, pino.destination({ fd: 1, sync: true }))
  for (const remark of misspelled(process.env)) logger.warn({ remark }, 'settings.misspelled')
  const log = openLog(settings, logger)
  const store = openStore(settings, logger)
  const lease = openLease(settings, logger)
  await log.check()
  await store.check()
  // Whoever holds it: what matters is that somebody answers.
  await lease.holder()
  // Nothing waits for it.
  void store.remarks?.().then((remarks) => remarks.forEach((remark) => logger.warn({ store: store.name, remark }, 'store.remark')))

  const driver = new Driver({
    ports: { log, store, clock: realClock, logger }, lease, random: realRandom, listen: settings.listen, ...(settings.advertise === undefined ? {} : { advertise: settings.advertise }),
    leaseMs: settings.leaseMs, settings: coreSettings(settings), engineVersion: ENGINE_VERSION, probe, serve: serveCluster,
    // Only what runs on this machine can hold the file's lock.
    ...(settings.kafka === undefined ? { kill: (processes) => processes.filter(killProcess).length } : {}),
  })
  const address = await driver.start()
  logger.info({ event: 'driver.listening', address, log: log.name, store: store.name, lease: lease.name }, 'driver.listening')
  // Now, for a process that is killed keeps nothing.
  flushCompileCache()

  let leaving = false
  const leave = async (): Promise<void> => {
    if (leaving) return
    leaving = true
    await driver.stop()
    await Promise.all([log.close(), store.close(), lease.close()])
    logger.info({}, 'driver.left')
    process.exit(0)
  }
  const goOn = (): void => void leave().catch((error: unknown) => {
    process.stderr.write(`${describeError(error)}\n`)
    process.exit(1)
  })
  process.on('SIGTERM', goOn)
  process.on('SIGINT', goOn)
}

// Only a cluster on a developer's machine is started with a channel.
process.on('disconnect', () => process.exit(0))
main().catch((error: unknown) => {
  process.stderr.write(`${describeError(error)}\n`)
  process.exit(processExitCode(error))
})
