// A throw-away process: processes a task's input one thing at a time, commits nothing, and ends. Whatever kills it has killed nobody else.
import { join } from 'node:path'
import { getHeapStatistics } from 'node:v8'
import pino from 'pino'
import { asTidemarkError, kafkaAccess, readSettings, realClock } from '@tidemark/base'
import type { Log, Logger, ObjectStore } from '@tidemark/base'
import { ALL_RULES } from '@tidemark/checkpoint'
import { openFileReader } from '@tidemark/connectors'
import { openKafkaLog } from '@tidemark/log-kafka'
import { openLocalLog } from '@tidemark/log-local'
import { tryOut } from '@tidemark/runtime'
import { openLocalStore } from '@tidemark/store-local'
import { openMinioStore } from '@tidemark/store-minio'
import { EXECUTOR_SETTINGS, slotMemoryBytes } from './settings.ts'
import { dieWithParent } from './shell/orphan-watch.ts'
import type { ToTrial } from './shell/trials.ts'
import { importBundleFrom, loadRun } from './slot/load-run.ts'
import { openReaders } from './slot/source-readers.ts'
import { wordWriter } from './slot/word-file.ts'

const settings = readSettings(EXECUTOR_SETTINGS, {}, process.env)
const logger: Logger = pino({ level: settings.logLevel, base: { trial: process.pid } }, pino.destination({ fd: 1, sync: true }))

const openLog = (): Log => (settings.kafka === undefined
  ? openLocalLog({ path: join(settings.folder, 'log.db'), clock: realClock })
  : openKafkaLog({ brokers: settings.kafka.split(','), clientId: `tidemark-trial-${process.pid}`, ...kafkaAccess(settings), clock: realClock, logger }))
const openStore = (): ObjectStore => (settings.s3Endpoint === undefined
  ? openLocalStore({ root: join(settings.folder, 'store') })
  : openMinioStore({ endpoint: settings.s3Endpoint, accessKey: settings.s3AccessKey, secretKey: settings.s3SecretKey, bucket: settings.s3Bucket, region: settings.s3Region, clock: realClock, logger }))

const memoryUsed = (): number => {
  const { used_heap_size: heap, heap_size_limit: heapMax } = getHeapStatistics()
  return Math.max(heap / heapMax, process.memoryUsage.rss() / slotMemoryBytes(settings))
}

const run = async ({ request, words }: ToTrial): Promise<void> => {
  const log = openLog()
  const store = openStore()
  const word = wordWriter(words)
  const { job, run: number } = request.task
  const loaded = await loadRun({ store, clock: realClock, logger, importBundle: importBundleFrom(settings.folder) }, job, number)
  await tryOut(
    { log, store, clock: realClock, logger, memoryUsed, reader: openReaders(loaded.plan, realClock, () => openFileReader({ clock: realClock })) },
    { run: loaded.run, origin: loaded.origin, settings: loaded.plan.settings, rules: ALL_RULES, makeTask: await loaded.taskFactory(log) },
    request, word.say,
  )
  word.close()
  process.exit(0)
}

dieWithParent()
process.on('disconnect', () => process.exit(0))
process.once('message', (told: ToTrial) => {
  run(told).catch((error: unknown) => {
    logger.error({ error: asTidemarkError(error) }, 'trial.failed')
    process.exit(1)
  })
})
