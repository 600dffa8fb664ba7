// A run whose Jest is killed leaves nothing behind.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { identify, isAlive, signal } from '../../deploy/services/identity.ts'
import type { ProcessIdentity } from '../../deploy/services/identity.ts'

const setup = new URL('global-setup.ts', import.meta.url).href
const runFolder = new URL('run-folder.ts', import.meta.url).href

/** As Jest does: sets a run up; its worker starts a process for a test, and says what there is. */
const WORKER = `
import { spawn } from 'node:child_process'
import { recordIfInRun } from ${JSON.stringify(runFolder)}
const server = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
recordIfInRun(server.pid)
console.log(JSON.stringify({ pids: [process.pid, server.pid], folder: process.env.TIDEMARK_TEST_RUN }))
setInterval(() => {}, 1000)
`
const JEST = `
import { spawn } from 'node:child_process'
import setup from ${JSON.stringify(setup)}
setup()
spawn(process.execPath, ['--input-type=module', '-e', ${JSON.stringify(WORKER)}], { stdio: ['ignore', 'inherit', 'inherit'] })
`

test('Jest is killed → its workers and the processes they started end, and the folder of the run is gone', async () => {
  const { TIDEMARK_TEST_RUN: _mine, ...env } = process.env
  const jest = spawn(process.execPath, ['--input-type=module', '-e', JEST], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let left: ProcessIdentity[] = []
  try {
    const [line] = await new Promise<string[]>((resolve) => createInterface({ input: jest.stdout }).once('line', (text) => resolve([text])))
    const { pids, folder } = JSON.parse(line ?? '') as { readonly pids: readonly number[], readonly folder: string }
    left = pids.flatMap((pid) => identify(pid) ?? [])
    expect(left).toHaveLength(2)
    expect(existsSync(folder)).toBe(true)
    jest.kill('SIGKILL')
    for (const began = realClock.monotonic(); left.some(isAlive) || existsSync(folder);) {
      if (realClock.monotonic() - began > 15_000) throw new Error(`left behind: ${left.filter(isAlive).map(({ pid }) => pid).join(', ')} ${existsSync(folder) ? folder : ''}`)
      await realClock.sleep(20)
    }
  } finally {
    jest.kill('SIGKILL')
    for (const who of left) signal(who, 'SIGKILL')
  }
})
