// The executor process: heartbeats and slot processes. No job's code runs in here.
import { hostname } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pino from 'pino'
import { describeError, executorId, flagOf, readSettings, realClock, realRandom } from '@tidemark/base'
import type { Timer } from '@tidemark/base'
import { serveProbe } from '@tidemark/wire'
import { ExecutorCore } from './core/executor-core.ts'
import type { ExecutorCommand, ExecutorEvent } from './core/executor-core.ts'
import { DriverLink } from './shell/driver-link.ts'
import { Leftovers } from './shell/leftovers.ts'
import { checkMemory } from './shell/memory.ts'
import { pidStartOf, SlotProcesses } from './shell/processes.ts'
import { EXECUTOR_SETTINGS } from './settings.ts'
import { ENGINE_VERSION } from './version.ts'

const main = async (): Promise<void> => {
  const { values: flags } = parseArgs({ options: Object.fromEntries(Object.values(EXECUTOR_SETTINGS).map((spec) => [flagOf(spec), { type: 'string' as const }])) })
  const settings = readSettings(EXECUTOR_SETTINGS, flags, process.env)
  // Slots read the environment: what came by flag reaches them too.
  for (const spec of Object.values(EXECUTOR_SETTINGS)) if (flags[flagOf(spec)] !== undefined) process.env[spec.env] = flags[flagOf(spec)]

  const id = executorId(realRandom.uuid())
  const label = settings.label === '' ? `${hostname()}-${process.pid}` : settings.label
  const logger = pino({ level: settings.logLevel, base: { executor: label } }, pino.destination({ fd: 1, sync: true }))
  checkMemory(settings.slots, settings.slotHeapMiB, logger)

  const leftovers = new Leftovers(join(settings.folder, 'pids'), label)
  const killed = leftovers.kill()
  if (killed > 0) logger.warn({ killed }, 'executor.leftover-slots-killed')

  const probe = await serveProbe({ address: `${settings.probeHost}:0`, executor: id })
  const pidStart = pidStartOf(process.pid) ?? ''
  const core = new ExecutorCore({ executor: id, label, slots: settings.slots, probeAddress: probe.address, engineVersion: ENGINE_VERSION, pid: process.pid, pidStart, slotStuckMs: settings.slotStuckMs })

  let heartbeatMs = 250
  let timer: Timer | undefined
  const beat = (): void => {
    timer = realClock.after(heartbeatMs, () => {
      feed({ kind: 'tick' })
      beat()
    })
  }
  const feed = (event: ExecutorEvent): void => {
    for (const command of core.handle(event, realClock.monotonic())) carryOut(command)
  }
  const slots = new SlotProcesses({
    executor: id, random: realRandom, slotHeapMiB: settings.slotHeapMiB,
    onReady: (slot) => {
      leftovers.write({ executor: { pid: process.pid, pidStart }, slots: slots.pids() })
      feed({ kind: 'slot-ready', process: slot })
    },
    onEvent: (slotId, event) => feed({ kind: 'slot-event', slotId, event }),
    onExit: (slotId, slot, reason) => {
      logger.warn({ slot, slotId, reason }, 'slot.exited')
      feed({ kind: 'slot-exited', slotId, slot, reason })
    },
  })
  const link = new DriverLink({
    drivers: settings.driver.split(','), clock: realClock, logger,
    onConnected: () => feed({ kind: 'driver-connected' }),
    onLost: () => feed({ kind: 'driver-lost' }),
    onMessage: (message) => feed({ kind: 'driver-message', message }),
  })
  const carryOut = (command: ExecutorCommand): void => {
    switch (command.kind) {
      case 'send':
        return link.send(command.message)
      case 'start-slot':
        return slots.start(command.slot)
      case 'bind-slot':
        return slots.bind(command.slotId, command.job, command.run)
      case 'slot-command':
        return slots.command(command.slotId, command.command)
      case 'kill-slot':
        return slots.kill(command.slotId, command.reason)
      case 'heartbeat-interval':
        heartbeatMs = command.ms
        return undefined
      case 'other-driver':
        return link.follow(command.address)
      case 'exit':
        return exit()
    }
  }
  const exit = (): void => {
    timer?.cancel()
    slots.killAll()
    leftovers.remove()
    link.stop()
    logger.info({}, 'executor.left')
    // The goodbye has to reach the driver before the process is gone.
    realClock.after(100, () => process.exit(0))
  }

  for (const command of core.start()) carryOut(command)
  process.on('SIGTERM', () => feed({ kind: 'drain' }))
  process.on('SIGINT', () => feed({ kind: 'drain' }))
  beat()
  link.connect()
  logger.info({ event: 'executor.started', executorId: id, probe: probe.address, slots: settings.slots }, 'executor.started')
}

main().catch((error: unknown) => {
  process.stderr.write(`${describeError(error)}\n`)
  process.exit(1)
})
