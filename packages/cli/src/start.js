#!/usr/bin/env node
// Starts the CLI on a Node that is new enough: this one, or the one that npm installed beside it; else says plainly what is needed.
import { spawn } from 'node:child_process'
import nodeModule, { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NEEDED = [24, 15]
const newEnough = (version) => {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])
}

/** The binary of the package of this platform, if it is installed and new enough. */
const installedNode = () => {
  try {
    const require = createRequire(import.meta.url)
    const manifest = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}/package.json`
    if (!newEnough(require(manifest).version)) return undefined
    return join(dirname(require.resolve(manifest)), 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  } catch {
    return undefined
  }
}

/** Ends as it ends. Signals are passed on: not all of them come from a terminal, which sends them to both of us. */
const continueOn = (node) => {
  const child = spawn(node, [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`${node} can't be started: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

if (newEnough(process.versions.node)) {
  // Compiled code is kept between processes, in Node's own folder: a command starts at two thirds of the cost. An older Node has no such function.
  nodeModule.enableCompileCache()
  await import('./main.ts')
} else {
  const node = installedNode()
  if (node !== undefined) continueOn(node)
  else {
    process.stderr.write(`tidemark needs Node ${NEEDED.join('.')} or newer; this is ${process.versions.node}, and none was installed with it for ${process.platform} on ${process.arch}. Install a newer Node.\n`)
    process.exitCode = 1
  }
}
