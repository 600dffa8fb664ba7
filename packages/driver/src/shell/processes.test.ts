import { afterEach, describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { recorded } from '../../../../test/services/run-folder.ts'
import { killProcess, pidStartOf } from './processes.ts'

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})
const start = async (): Promise<{ readonly child: ChildProcess, readonly pid: number }> => {
  const child = recorded(spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }))
  children.push(child)
  await once(child, 'spawn')
  if (child.pid === undefined) throw new Error('no process')
  return { child, pid: child.pid }
}

describe('processes of a dead executor', () => {
  test('the very process, even when it is stopped → killed', async () => {
    const { child, pid } = await start()
    child.kill('SIGSTOP')
    const ended = once(child, 'exit')
    expect(killProcess({ pid, pidStart: pidStartOf(pid) ?? '' })).toBe(true)
    expect((await ended)[1]).toBe('SIGKILL')
  })
  test('the pid is another process by now → left alone', async () => {
    const { pid } = await start()
    expect(killProcess({ pid, pidStart: '1' })).toBe(false)
    expect(pidStartOf(pid)).toMatch(/^\d+$/)
  })
  test('it is gone → nothing to do', async () => {
    const { child, pid } = await start()
    const pidStart = pidStartOf(pid) ?? ''
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(pidStartOf(pid)).toBeUndefined()
    expect(killProcess({ pid, pidStart })).toBe(false)
  })
  test('this process, or no start time → refused', () => {
    expect(killProcess({ pid: process.pid, pidStart: pidStartOf(process.pid) ?? '' })).toBe(false)
    expect(killProcess({ pid: 1, pidStart: '' })).toBe(false)
  })
})
