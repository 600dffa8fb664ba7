// log-local: the Log port on one SQLite file, and the local lease. The embedded default: no server, several processes.
export { openLocalLog } from './log.ts'
export type { LocalLogOptions } from './log.ts'
export { localLease } from './lease.ts'
