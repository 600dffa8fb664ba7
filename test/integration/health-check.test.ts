// The program that containers are checked by, against the servers of a driver and an executor, and against what is none.
import { afterEach, expect, test } from '@jest/globals'
import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { executorId } from '@tidemark/base'
import { serveCluster, serveProbe } from '@tidemark/wire'

const PROGRAM = join(import.meta.dirname, '../../deploy/health.main.ts')
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean()
})

const check = (...args: string[]): Promise<{ code: number | null, err: string }> => new Promise((resolve) => {
  const child = execFile(process.execPath, [PROGRAM, ...args], (_error, _out, err) => resolve({ code: child.exitCode, err }))
})

test('health check, an executor and a driver that does not lead → 0: both do what they are for', async () => {
  const servings = [await serveProbe({ address: '127.0.0.1:0', executor: executorId('e1') }), await serveCluster({ address: '127.0.0.1:0', onConnect: () => {}, leads: () => false })]
  cleanups.push(() => Promise.all(servings.map((serving) => serving.close())))
  for (const { address } of servings) expect(await check(address)).toEqual({ code: 0, err: '' })
})

test('health check, nobody there, or no address → 1, and why', async () => {
  const serving = await serveProbe({ address: '127.0.0.1:0', executor: executorId('e1') })
  await serving.close()
  expect(await check(serving.address)).toEqual({ code: 1, err: expect.stringMatching(/^127\.0\.0\.1:\d+ is not reached: .*ECONNREFUSED/) })
  expect(await check()).toEqual({ code: 1, err: 'say which: health.main.ts <host:port>\n' })
})

test('health check, a process that is stopped, whose kernel still accepts → 1 before Docker ends the check', async () => {
  const accepted: Socket[] = []
  const mute = createServer((socket) => void accepted.push(socket.on('error', () => {}))).listen(0, '127.0.0.1')
  await new Promise((resolve) => mute.once('listening', resolve))
  cleanups.push(() => {
    for (const socket of accepted) socket.destroy()
    mute.close()
  })
  expect(await check(`127.0.0.1:${(mute.address() as AddressInfo).port}`)).toEqual({ code: 1, err: expect.stringMatching(/did not answer in 5000 ms$/m) })
})
