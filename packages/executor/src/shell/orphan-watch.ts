// Ends a process whose parent is gone even while its own thread never comes back: a thread beside it looks.
import { Worker } from 'node:worker_threads'

const LOOK_MS = 250

const WATCH = `
const { workerData } = require('node:worker_threads')
setInterval(() => {
  if (process.ppid !== workerData.parent) process.kill(process.pid, 'SIGKILL')
}, workerData.lookMs)
`

/** Does not keep the process alive. */
export const dieWithParent = (parent = process.ppid): void => {
  const thread = new Worker(WATCH, { eval: true, workerData: { parent, lookMs: LOOK_MS }, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 } })
  // Without it the process does what it did before there was one.
  thread.on('error', () => {})
  thread.unref()
}
