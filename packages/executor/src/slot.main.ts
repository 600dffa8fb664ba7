// A slot process: binds to one run of one job, loads its bundle, and runs its tasks. Ends itself when its executor is gone.
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import pino from 'pino'
import { asTidemarkError, executorId, jobId, kafkaAccess, readSettings, realClock, realRandom, slotId } from '@tidemark/base'
import type { Log, Logger, ObjectStore } from '@tidemark/base'
import { ALL_RULES } from '@tidemark/checkpoint'
import { openFileReader, openFileSink, openStdoutSink } from '@tidemark/connectors'
import { openKafkaLog } from '@tidemark/log-kafka'
import { openLocalLog } from '@tidemark/log-local'
import { Slot, watchLog } from '@tidemark/runtime'
import type { SlotCommand, SlotEvent } from '@tidemark/runtime'
import { openLocalStore } from '@tidemark/store-local'
import { openMinioStore } from '@tidemark/store-minio'
import { toChannel } from './core/translate.ts'
import { EXECUTOR_SETTINGS, slotMemoryBytes } from './settings.ts'
import { faultFiles } from './shell/fault-files.ts'
import { dieWithParent } from './shell/orphan-watch.ts'
import type { FromSlot, ToSlot } from './shell/processes.ts'
import { trialProcesses } from './shell/trials.ts'
import { importBundleFrom, loadRun } from './slot/load-run.ts'
import { openSinks } from './slot/sinks.ts'
import { openReaders } from './slot/source-readers.ts'
import { ENGINE_VERSION } from './version.ts'

const settings = readSettings(EXECUTOR_SETTINGS, {}, process.env)
const environment = (name: string): string => process.env[name] ?? ''
const owner = { executor: executorId(environment('TIDEMARK_SLOT_EXECUTOR')), slot: Number(environment('TIDEMARK_SLOT_NUMBER')), slotId: slotId(environment('TIDEMARK_SLOT_ID')) }
const logger: Logger = pino({ level: settings.logLevel, base: { slot: owner.slot, slotId: owner.slotId } }, pino.destination({ fd: 1, sync: true }))
const parent = process.ppid
/** The thread that watches costs as much as a tenth of a start: not while tasks wait for this process, ms. */
const WATCH_AFTER_MS = 5_000

const tell = (message: FromSlot): void => {
  // A parent that is gone is noticed by `disconnect`; what could not be sent to it is of no use to anybody.
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}
const emit = (event: SlotEvent): void => tell({ kind: 'event', event: toChannel(event) })

const openLog = (): Log => (settings.kafka === undefined
  ? openLocalLog({ path: join(settings.folder, 'log.db'), clock: realClock })
  : openKafkaLog({ brokers: settings.kafka.split(','), clientId: `tidemark-slot-${owner.slotId}`, ...kafkaAccess(settings), clock: realClock, logger }))
const openStore = (): ObjectStore => (settings.s3Endpoint === undefined
  ? openLocalStore({ root: join(settings.folder, 'store') })
  : openMinioStore({ endpoint: settings.s3Endpoint, accessKey: settings.s3AccessKey, secretKey: settings.s3SecretKey, bucket: settings.s3Bucket, region: settings.s3Region, clock: realClock, logger }))

const end = (error: unknown): void => {
  logger.error({ error: asTidemarkError(error) }, 'slot.ended')
  process.exit(1)
}

const log = watchLog({ log: openLog(), clock: realClock, emit })
const store = openStore()
let slot: Promise<Slot> | undefined

const bind = async (job: string, run: number): Promise<Slot> => {
  const loaded = await loadRun({ store, clock: realClock, logger, importBundle: importBundleFrom(settings.folder), waits: (waitingFor) => emit({ kind: 'waits', waitingFor }) }, jobId(job), run)
  const bound = new Slot({
    log, store, clock: realClock, random: realRandom, logger, emit,
    faults: faultFiles(settings.faultFolder),
    reader: openReaders(loaded.plan, realClock, () => openFileReader({ clock: realClock })),
    sink: openSinks(loaded.plan, { file: openFileSink, stdout: () => openStdoutSink() }),
    alive: () => process.connected && process.ppid === parent,
    trial: trialProcesses({ clock: realClock, logger, stuckMs: settings.slotStuckMs, memoryBytesMax: slotMemoryBytes(settings) }),
  }, { owner, run: loaded.run, origin: loaded.origin, settings: loaded.plan.settings, engineVersion: ENGINE_VERSION, rules: ALL_RULES, makeTask: await loaded.taskFactory(log) })
  bound.run().catch(end)
  return bound
}

/** The run can't be run by any process: whoever gives a task is told why, and the job stops. What another try may cure ends this process instead. */
const refuse = (error: unknown, command: SlotCommand): void => {
  const known = asTidemarkError(error)
  if (known.action !== 'fail-job') return end(known)
  logger.error({ error: known }, 'slot.run-refused')
  if (command.kind === 'assign') for (const { task, generation } of command.tasks) emit({ kind: 'failed', task, generation, error: known })
}

process.on('disconnect', () => process.exit(0))
process.on('unhandledRejection', end)
process.on('message', (message: ToSlot) => {
  if (message.kind === 'bind') {
    slot ??= bind(message.job, message.run)
    // That the run can't be run is told to whoever gives a task.
    slot.catch((error: unknown) => {
      if (asTidemarkError(error).action !== 'fail-job') end(error)
    })
  } else slot?.then((bound) => bound.handle(message.command), (error: unknown) => refuse(error, message.command)).catch(end)
})
tell({ kind: 'ready' })
realClock.after(WATCH_AFTER_MS, () => dieWithParent(parent))
// Now, for a process that is killed keeps nothing.
setImmediate(flushCompileCache)
