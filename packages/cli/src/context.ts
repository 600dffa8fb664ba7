// What every command gets: its terminal, its servers, and how to reach them. main.ts makes the real one, tests a fake one.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import type { Clock, Lease, Log, Logger, ObjectStore } from '@tidemark/base'
import type { JobsClient } from '@tidemark/wire'
import { wrongUse } from './exit.ts'
import type { Servers } from './settings.ts'
import type { Terminal } from './terminal.ts'

export interface Context {
  readonly terminal: Terminal
  /** Answers as JSON, one value a line. */
  readonly json: boolean
  readonly servers: Servers
  readonly clock: Clock
  /** What it remarks goes to the logger; left out: nowhere. */
  readonly openLog: (servers: Servers, logger?: Logger) => Log
  readonly openStore: (servers: Servers) => ObjectStore
  readonly openLease: (servers: Servers) => Lease
  readonly openJobs: (address: string) => JobsClient
  readonly input: AsyncIterable<Buffer>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Aborted when the user wants it to end. */
  readonly signal: AbortSignal
}

/** The file of the embedded log, in the folder of its cluster. */
export const LOG_FILE = 'log.db'
/** The folder of the embedded object store, in the same. */
export const STORE_FOLDER = 'store'
/** The file of the embedded lease, in the same. */
export const LEASE_FILE = 'lease.db'

/** Opens the log for one command. An embedded one that is not there is not made by looking at it: `CLI_NO_CLUSTER`. */
export const withLog = async <T>(context: Context, use: (log: Log) => Promise<T>, make = false): Promise<T> => {
  const { kafka, folder } = context.servers
  if (kafka === undefined && !make && !existsSync(join(folder, LOG_FILE))) {
    throw new TidemarkError(`there is no embedded log in ${folder}`, { code: 'CLI_NO_CLUSTER', blame: 'user', action: 'exit', hint: 'Start one with: tidemark dev <job file>. Or name its folder with --dir, or brokers with --kafka.' })
  }
  const log = context.openLog(context.servers)
  try {
    return await use(log)
  } finally {
    await log.close()
  }
}

/** Nobody is there, it hangs, or it does not lead and does not know who does. */
const ASK_NEXT = new Set(['WIRE_UNAVAILABLE', 'WIRE_DEADLINE', 'DRIVER_NOT_LEADER'])

/** The drivers that are named, and a connection to the one that answered last. */
export interface Drivers {
  /**
   * Asks who answered last, the first of the list to begin with, and the next ones when nobody answers there. `use` may be called again on the
   * next one: what it does must bear to be done twice, as all of JobService does.
   */
  ask<T>(use: (jobs: JobsClient) => Promise<T>): Promise<T>
}

/** One connection for all that is asked, as long as it is answered. */
export const withDrivers = async <T>({ servers, openJobs }: Context, ask: (drivers: Drivers) => Promise<T>): Promise<T> => {
  const addresses = servers.driver.split(',').map((address) => address.trim()).filter((address) => address !== '')
  let at = 0
  let open: JobsClient | undefined
  let closed = false
  const leave = (): void => {
    open?.close()
    open = undefined
  }
  const drivers: Drivers = {
    ask: async (use) => {
      for (let left = addresses.length; ; ) {
        const address = addresses[at]
        if (address === undefined) throw wrongUse('no driver is named', 'Name one with --driver host:port, or in TIDEMARK_DRIVER.')
        open ??= openJobs(address)
        try {
          return await use(open)
        } catch (error) {
          if (closed || !isTidemarkError(error) || !ASK_NEXT.has(error.code)) throw error
          leave()
          at = (at + 1) % addresses.length
          left -= 1
          if (left === 0) throw error
        }
      }
    },
  }
  try {
    return await ask(drivers)
  } finally {
    closed = true
    leave()
  }
}

/** For one question. */
export const withJobs = <T>(context: Context, use: (jobs: JobsClient) => Promise<T>): Promise<T> => withDrivers(context, (drivers) => drivers.ask(use))
