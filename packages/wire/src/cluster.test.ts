// The stream and the probe over real sockets: what each side sees of the other's goodbye, death and silence.
import { afterEach, describe, expect, test } from '@jest/globals'
import { executorId, jobId, realClock, stageId } from '@tidemark/base'
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { recorded } from '../../../test/services/run-folder.ts'
import { connectCluster, probe, serveCluster, serveProbe } from './index.ts'
import type { DriverStream, ExecutorMessage, ExecutorStream, StreamEnd } from './index.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})

const listen = async (): Promise<{ readonly address: string, readonly connected: Promise<DriverStream>, close(): Promise<void> }> => {
  const connected = Promise.withResolvers<DriverStream>()
  const serving = await serveCluster({ address: '127.0.0.1:0', onConnect: connected.resolve })
  cleanups.push(() => serving.close())
  return { address: serving.address, connected: connected.promise, close: () => serving.close() }
}
const dial = (address: string): ExecutorStream => {
  const stream = connectCluster(address)
  cleanups.push(() => stream.close())
  return stream
}
const endOf = (stream: DriverStream | ExecutorStream): Promise<StreamEnd> => new Promise((resolve) => stream.onClose(resolve))
const first = (stream: DriverStream): Promise<ExecutorMessage> => new Promise((resolve) => stream.onMessage(resolve))
const REGISTER: ExecutorMessage = { kind: 'register', executor: executorId('e1'), label: 'west', slots: 1, processes: [], probeAddress: '127.0.0.1:1', engineVersion: '0.1.0', pid: 1, pidStart: '1', running: [] }

describe('stream between executor and driver', () => {
  test('both ways → messages arrive in order, also those sent before anybody listened', async () => {
    const server = await listen()
    const executor = dial(server.address)
    executor.send(REGISTER)
    executor.send({ kind: 'session', slot: 0, transactionalId: 'x' })
    const driver = await server.connected
    const seen: string[] = []
    await new Promise<void>((resolve) => driver.onMessage(({ kind }) => {
      seen.push(kind)
      if (seen.length === 2) resolve()
    }))
    expect(seen).toEqual(['register', 'session'])
    driver.send({ kind: 'registered', driver: 'd', epoch: 1, heartbeatIntervalMs: 250, heartbeatTimeoutMs: 2_000 })
    driver.send({ kind: 'assign', epoch: 1, tasks: [{ task: { job: jobId('j'), run: 1, stage: stageId(0), partition: 0 }, generation: { epoch: 1, counter: 1 }, slot: 0 }] })
    const answers: string[] = []
    await new Promise<void>((resolve) => executor.onMessage(({ kind }) => {
      answers.push(kind)
      if (answers.length === 2) resolve()
    }))
    expect(answers).toEqual(['registered', 'assign'])
  })

  test('executor says leaving and ends → the driver sees a goodbye, the executor an end in order', async () => {
    const server = await listen()
    const executor = dial(server.address)
    executor.send(REGISTER)
    const driver = await server.connected
    const ends = [endOf(driver), endOf(executor)]
    await first(driver)
    executor.send({ kind: 'leaving' })
    executor.close()
    expect(await Promise.all(ends)).toEqual([expect.objectContaining({ goodbye: true }), expect.objectContaining({ goodbye: true })])
  })

  test('executor ends its side without leaving → no goodbye', async () => {
    const server = await listen()
    const executor = dial(server.address)
    executor.send(REGISTER)
    const driver = await server.connected
    const end = endOf(driver)
    await first(driver)
    executor.close()
    expect(await end).toMatchObject({ goodbye: false })
  })

  test('executor process is SIGKILLed → the driver sees a lost stream at once', async () => {
    const code = (address: string): string => `const { connectCluster } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)})
      connectCluster(${JSON.stringify(address)}).send(${JSON.stringify(REGISTER)})`
    const took: number[] = []
    for (let life = 0; life < 3; life += 1) {
      const server = await listen()
      const child = recorded(spawn(process.execPath, ['--input-type=module', '-e', code(server.address)], { stdio: 'inherit' }))
      cleanups.push(() => child.kill('SIGKILL'))
      const driver = await server.connected
      const end = endOf(driver)
      await first(driver)
      const began = realClock.monotonic()
      child.kill('SIGKILL')
      expect(await end).toMatchObject({ goodbye: false })
      took.push(Math.round(realClock.monotonic() - began))
    }
    console.log(`a stream of a killed process: lost after ${took.join(', ')} ms`)
    // The keepalive, which finds who is stopped, asks once a second: on its own it would need longer every time.
    expect(Math.min(...took)).toBeLessThan(1_000)
  })

  test('executor process is stopped, not dead → keepalive ends the stream without goodbye', async () => {
    const server = await listen()
    const code = `const { connectCluster } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)})
      connectCluster(${JSON.stringify(server.address)}).send(${JSON.stringify(REGISTER)})`
    const child = recorded(spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'inherit' }))
    cleanups.push(() => child.kill('SIGKILL'))
    const driver = await server.connected
    const end = endOf(driver)
    await first(driver)
    child.kill('SIGSTOP')
    expect(await end).toMatchObject({ goodbye: false })
  })

  test('driver goes away → the executor sees a lost stream', async () => {
    const server = await listen()
    const executor = dial(server.address)
    executor.send(REGISTER)
    await first(await server.connected)
    const end = endOf(executor)
    await server.close()
    expect(await end).toMatchObject({ goodbye: false })
  })

  test('driver ends the stream → the executor sees a goodbye', async () => {
    const server = await listen()
    const executor = dial(server.address)
    executor.send(REGISTER)
    const driver = await server.connected
    driver.send({ kind: 'not-leader', leader: '127.0.0.1:9' })
    driver.close()
    expect(await endOf(executor)).toMatchObject({ goodbye: true })
  })

  test('nobody listens → closed without goodbye, and it names the address', async () => {
    const server = await listen()
    await server.close()
    const end = await endOf(dial(server.address))
    expect(end.goodbye).toBe(false)
    expect(end.reason).toContain(server.address)
  })
})

describe('probe', () => {
  test('a living executor → its UUID', async () => {
    const serving = await serveProbe({ address: '127.0.0.1:0', executor: executorId('e1') })
    cleanups.push(() => serving.close())
    expect(await probe(serving.address, 5_000)).toEqual({ kind: 'identified', executor: 'e1' })
  })
  test('nobody listens any more → refused', async () => {
    const serving = await serveProbe({ address: '127.0.0.1:0', executor: executorId('e1') })
    await serving.close()
    expect(await probe(serving.address, 5_000)).toMatchObject({ kind: 'refused' })
  })
  test('a process that is being torn down accepts, then resets → asked again until it refuses', async () => {
    let accepted = 0
    const dying = createServer((socket) => {
      accepted += 1
      socket.resetAndDestroy()
      if (accepted === 4) dying.close()
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => dying.once('listening', resolve))
    cleanups.push(() => dying.close())
    expect(await probe(`127.0.0.1:${(dying.address() as AddressInfo).port}`, 5_000)).toMatchObject({ kind: 'refused' })
    expect(accepted).toBeGreaterThanOrEqual(4)
  })
  test('a kernel that accepts for a process that says nothing → silent, at the deadline', async () => {
    const accepted: Socket[] = []
    const mute = createServer((socket) => void accepted.push(socket)).listen(0, '127.0.0.1')
    await new Promise((resolve) => mute.once('listening', resolve))
    cleanups.push(() => {
      for (const socket of accepted) socket.destroy()
      mute.close()
    })
    expect(await probe(`127.0.0.1:${(mute.address() as AddressInfo).port}`, 200)).toMatchObject({ kind: 'silent' })
  })
})
