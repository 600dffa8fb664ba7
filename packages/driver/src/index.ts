// driver: jobs, placement, failure detection, recovery, checkpoints, leadership. The core is a state machine; `main.ts` starts the process.
export { Driver } from './shell/driver.ts'
export type { DriverOptions } from './shell/driver.ts'
export { DriverCore } from './core/core.ts'
export { DEFAULT_SETTINGS } from './core/protocol.ts'
export type { ConnectionId, DriverCommand, DriverEvent, DriverIdentity, DriverSettings, KnownJob, ProcessId, RunFacts } from './core/protocol.ts'
// What it speaks, for those who stand in for the network.
export type { ClusterServerOptions, DriverMessage, DriverStream, ExecutorMessage, JobHandlers, ProbeAnswer, Serving, StreamEnd } from '@tidemark/wire'
