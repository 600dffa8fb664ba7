// A run whose Jest is killed leaves nothing behind.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { identify, isAlive, signal } from '../../deploy/services/identity.ts'
import type { ProcessIdentity } from '../../deploy/services/identity.ts'
import { recorded } from './run-folder.ts'

const setup = new URL('global-setup.ts', import.meta.url).href
const runFolder = new URL('run-folder.ts', import.meta.url).href

/** Starts a process in a group of its own, as a command line's cluster does. */
const SERVER = `
const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore', detached: true })
console.log(child.pid)
setInterval(() => {}, 1000)
`
/** As Jest does: sets a run up; its worker starts a process for a test, and says what there is. */
const WORKER = `
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { recorded } from ${JSON.stringify(runFolder)}
const server = recorded(spawn(process.execPath, ['-e', ${JSON.stringify(SERVER)}], { stdio: ['ignore', 'pipe', 'ignore'] }))
const [inner] = await once(server.stdout, 'data')
console.log(JSON.stringify({ pids: [process.pid, server.pid, Number(inner)], folder: process.env.TIDEMARK_TEST_RUN }))
setInterval(() => {}, 1000)
`
const JEST = `
import { spawn } from 'node:child_process'
import setup from ${JSON.stringify(setup)}
setup()
spawn(process.execPath, ['--input-type=module', '-e', ${JSON.stringify(WORKER)}], { stdio: ['ignore', 'inherit', 'inherit'] })
`

const HANGS_MS = 30_000

test.each(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const)('Jest gets %s → its workers, the processes they started and what those started end, and the folder of the run is gone', async (name) => {
  const { TIDEMARK_TEST_RUN: _mine, ...env } = process.env
  const jest = recorded(spawn(process.execPath, ['--input-type=module', '-e', JEST], { env, stdio: ['ignore', 'pipe', 'inherit'] }))
  let left: ProcessIdentity[] = []
  try {
    const [line] = await new Promise<string[]>((resolve) => createInterface({ input: jest.stdout }).once('line', (text) => resolve([text])))
    const { pids, folder } = JSON.parse(line ?? '') as { readonly pids: readonly number[], readonly folder: string }
    left = pids.flatMap((pid) => identify(pid) ?? [])
    expect(left).toHaveLength(3)
    expect(existsSync(folder)).toBe(true)
    jest.kill(name)
    for (const began = realClock.monotonic(); left.some(isAlive) || existsSync(folder);) {
      if (realClock.monotonic() - began > HANGS_MS) throw new Error(`left behind: ${left.filter(isAlive).map(({ pid }) => pid).join(', ')} ${existsSync(folder) ? folder : ''}`)
      await realClock.sleep(20)
    }
  } finally {
    jest.kill('SIGKILL')
    for (const who of left) signal(who, 'SIGKILL')
  }
}, 2 * HANGS_MS)

test('a process that is started when its run is over → ended at once, and said', async () => {
  const { TIDEMARK_TEST_RUN: _mine, ...env } = process.env
  const late = `
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { recorded } from ${JSON.stringify(runFolder)}
const server = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
const ended = once(server, 'exit')
try { recorded(server) } catch (error) { console.log(JSON.stringify([error.message, (await ended)[1]])) }
`
  const child = recorded(spawn(process.execPath, ['--input-type=module', '-e', late], { env: { ...env, TIDEMARK_TEST_RUN: '/a/folder/that/is/gone' }, stdio: ['ignore', 'pipe', 'inherit'] }))
  const [said] = await new Promise<string[]>((resolve) => createInterface({ input: child.stdout }).once('line', (text) => resolve([text])))
  expect(JSON.parse(said ?? '')).toEqual([expect.stringMatching(/was started for a run of tests that is over/), 'SIGKILL'])
}, HANGS_MS)
