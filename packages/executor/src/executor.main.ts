// The executor process: heartbeats and slot processes. No job's code runs in here.
import { flushCompileCache } from 'node:module'
import { hostname } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { describeError, executorId, flagOf, misspelled, processExitCode, readFlags, readSettings, realClock, realRandom } from '@tidemark/base'
import { connectCluster, serveProbe } from '@tidemark/wire'
import { Executor } from './shell/executor.ts'
import { Leftovers } from './shell/leftovers.ts'
import { checkMemory } from './shell/memory.ts'
import { pidStartOf, SlotProcesses } from './shell/processes.ts'
import { checkAcross, EXECUTOR_SETTINGS, slotMemoryBytes, slotWorkStuckMs } from './settings.ts'
import { ENGINE_VERSION } from './version.ts'

const main = async (): Promise<void> => {
  const flags = readFlags(EXECUTOR_SETTINGS, process.argv.slice(2))
  const settings = readSettings(EXECUTOR_SETTINGS, flags, process.env, checkAcross)
  // Slots read the environment: what came by flag reaches them too.
  for (const spec of Object.values(EXECUTOR_SETTINGS)) if (flags[flagOf(spec)] !== undefined) process.env[spec.env] = flags[flagOf(spec)]

  const id = executorId(realRandom.uuid())
  const label = settings.label === '' ? `${hostname()}-${process.pid}` : settings.label
  const logger = pino({ level: settings.logLevel, base: { executor: label } }, pino.destination({ fd: 1, sync: true }))
  for (const remark of misspelled(process.env)) logger.warn({ remark }, 'settings.misspelled')
  checkMemory(settings.slots, settings.slotHeapMiB, logger)

  const leftovers = new Leftovers(join(settings.folder, 'pids'), label, logger)
  const killed = leftovers.kill()
  if (killed > 0) logger.warn({ killed }, 'executor.leftover-slots-killed')

  const probe = await serveProbe({ address: `${settings.probeHost}:${settings.probePort}`, executor: id })
  const pidStart = pidStartOf(process.pid) ?? ''
  let slots: SlotProcesses | undefined
  const executor = new Executor({
    facts: { executor: id, label, slots: settings.slots, probeAddress: probe.address, engineVersion: ENGINE_VERSION, pid: process.pid, pidStart, slotStuckMs: settings.slotStuckMs, slotWorkStuckMs: slotWorkStuckMs(settings) },
    drivers: settings.driver.split(','), driverWaitMs: settings.driverWaitMs, clock: realClock, logger, connect: connectCluster,
    slots: ({ onReady, onEvent, onExit }) => {
      slots = new SlotProcesses({
        executor: id, random: realRandom, clock: realClock, slotHeapMiB: settings.slotHeapMiB, memoryBytesMax: slotMemoryBytes(settings), onEvent,
        onReady: (slot) => {
          leftovers.write({ executor: { pid: process.pid, pidStart }, slots: slots?.pids() ?? [] })
          onReady(slot)
        },
        onExit: (slotId, slot, reason) => {
          logger.warn({ slot, slotId, reason }, 'slot.exited')
          onExit(slotId, slot, reason)
        },
      })
      return slots
    },
    onExit: (unwanted) => {
      slots?.killAll()
      leftovers.remove()
      logger.info({}, 'executor.left')
      // The goodbye has to reach the driver before the process is gone.
      if (unwanted !== undefined) process.stderr.write(`${unwanted.code}: ${unwanted.message}\n${unwanted.hint === undefined ? '' : `  ${unwanted.hint}\n`}`)
      realClock.after(100, () => process.exit(unwanted === undefined ? 0 : processExitCode(unwanted)))
    },
  })
  process.on('SIGTERM', () => executor.drain())
  process.on('SIGINT', () => executor.drain())
  executor.start()
  logger.info({ event: 'executor.started', executorId: id, probe: probe.address, slots: settings.slots }, 'executor.started')
  // Now, for a process that is killed keeps nothing.
  flushCompileCache()
}

// Only a cluster on a developer's machine is started with a channel.
process.on('disconnect', () => process.exit(0))
main().catch((error: unknown) => {
  process.stderr.write(`${describeError(error)}\n`)
  process.exit(processExitCode(error))
})
