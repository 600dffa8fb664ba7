// Jest's global setup: the run's folder, and who ends the run should Jest be killed. No server is started here; each starts when a test first asks for it.
import { spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { endAbandonedRuns, endOwnRun, makeRunFolder } from './run-folder.ts'

/** Of a session of its own: a signal to Jest's group does not reach it. It sees the end of its input, which is open as long as this process is there. */
const watch = (folder: string): void => {
  const watcher = spawn(process.execPath, [fileURLToPath(new URL('watch-run.main.ts', import.meta.url)), folder], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  // Without it what is left behind is ended by the next run.
  watcher.on('error', () => {})
  watcher.unref()
  if (watcher.stdin instanceof Socket) watcher.stdin.unref()
}

const setup = (): void => {
  endAbandonedRuns()
  const folder = makeRunFolder()
  watch(folder)
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => {
      endOwnRun(folder)
      process.kill(process.pid, name)
    })
  }
}
export default setup
