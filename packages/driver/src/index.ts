// driver: jobs, placement, failure detection, recovery, checkpoints, leadership. The core is a state machine; `main.ts` starts the process.
export { DriverCore } from './core/core.ts'
export { DEFAULT_SETTINGS } from './core/protocol.ts'
export type { ConnectionId, DriverCommand, DriverEvent, DriverIdentity, DriverSettings, KnownJob, ProcessId, RunFacts } from './core/protocol.ts'
