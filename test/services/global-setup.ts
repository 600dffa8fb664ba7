// Jest's global setup: the run's folder. No server is started here; each starts when a test first asks for it.
import { endAbandonedRuns, endRun, makeRunFolder } from './run-folder.ts'

const setup = (): void => {
  endAbandonedRuns()
  const folder = makeRunFolder()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => {
      endRun(folder)
      process.kill(process.pid, name)
    })
  }
}
export default setup
