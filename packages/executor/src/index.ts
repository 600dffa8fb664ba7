// executor: slots, the life of tasks, heartbeats. The core is a state machine; `main.ts` starts the process, `slot.main.ts` a slot's.
export { Executor } from './shell/executor.ts'
export type { ExecutorOptions, SlotHost, SlotReports } from './shell/executor.ts'
export { fromChannel, toChannel } from './core/translate.ts'
export { loadRun } from './slot/load-run.ts'
export type { LoadedRun } from './slot/load-run.ts'
export { Leftovers } from './shell/leftovers.ts'
// What it speaks, for those who stand in for the network.
export type { ExecutorStream } from '@tidemark/wire'
