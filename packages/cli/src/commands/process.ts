// tidemark driver, tidemark executor: the process itself, in front of you; output and signals are its own.
import { spawn } from 'node:child_process'
import { mainOf } from '../cluster/child.ts'
import { EXIT } from '../exit.ts'
import type { Environment } from '../settings.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Resolves with its exit code. `environment` is what tidemark.config.ts added to ours. Signals that reach us are passed on, so that `kill` of either drains it. */
export const runProcess = (main: 'driver' | 'executor', flags: readonly string[], environment: Environment): Promise<number> => new Promise((resolve, reject) => {
  // Own group: a Ctrl-C would else reach it twice, from the terminal and from us.
  const child = spawn(process.execPath, [...process.execArgv, mainOf(main), ...flags], { env: environment, stdio: 'inherit', detached: true })
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal)
  for (const signal of SIGNALS) process.on(signal, forward)
  const done = (): void => {
    for (const signal of SIGNALS) process.off(signal, forward)
  }
  child.on('error', (error) => {
    done()
    reject(error)
  })
  child.on('exit', (code) => {
    done()
    resolve(code ?? EXIT.failed)
  })
})
