import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describeWhere } from '../../services/index.ts'
import { recorded } from '../../services/run-folder.ts'
import { Machine, whyNoMachine } from './machine.ts'

const why = whyNoMachine()
/** Says "a" again and again to the port that it is given, and ends with code 7 when that says goodbye. */
const SPEAKER = `const socket = require('node:net').connect(Number(process.argv[1]), '127.0.0.1')
setInterval(() => socket.write('a'), 20)
socket.on('error', () => process.exit(7)).on('end', () => process.exit(7)).resume()`
const SILENT_MS = 1_000
/** As the matrix does: a machine, ended with what else was started. Says what it made; then does what it is given. */
const program = (then: string): string => `
import { createServer } from 'node:net'
const { Ending } = await import(${JSON.stringify(new URL('../../../bench/ending.ts', import.meta.url).href)})
const { Machine } = await import(${JSON.stringify(new URL('machine.ts', import.meta.url).href)})
const [ending, machine, server] = [new Ending(), new Machine(), createServer()]
ending.add(() => machine.close())
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
await machine.start([server.address().port])
process.stdout.write(JSON.stringify(machine.names))
${then}`

const left = ({ namespace, bridge, link }: Machine['names']): string[] => [`/run/netns/${namespace}`, `/sys/class/net/${bridge}`, `/sys/class/net/${link}`].filter((path) => existsSync(path))

test('machine, no such program on the path → says so', () => {
  expect(whyNoMachine('ip-that-is-not-there')).toBe('there is no program `ip-that-is-not-there` (iproute2)')
})

describeWhere(why === undefined, 'a machine', why ?? '', () => {
  let [machine, server, heard, ended]: [Machine, Server, number, number] = [new Machine(), createServer(), 0, 0]
  let speaker: ChildProcess | undefined
  const sockets: Socket[] = []
  const portOf = (): number => (server.address() as AddressInfo).port
  const until = async (wanted: () => boolean): Promise<void> => {
    while (!wanted()) await sleep(10)
  }
  const speak = (): ChildProcess => {
    const [command = '', ...args] = [...machine.within, process.execPath, '-e', SPEAKER, String(portOf())]
    return recorded(spawn(command, args, { stdio: 'ignore' }))
  }

  beforeEach(async () => {
    ;[machine, server, heard, ended] = [new Machine(), createServer(), 0, 0]
    server.on('connection', (socket: Socket) => {
      sockets.push(socket)
      socket.on('data', () => { heard += 1 }).on('error', () => { ended += 1 }).on('end', () => { ended += 1 })
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    await machine.start([portOf()])
    speaker = speak()
    await until(() => heard > 0)
  })

  afterEach(() => {
    machine.close()
    for (const socket of sockets.splice(0)) socket.removeAllListeners().destroy()
    server.close()
  })

  test('machine, unplugged → no byte and no goodbye, its processes live; plugged in again → what was on its way arrives', async () => {
    machine.unplug()
    // What was on its way comes to its end.
    await sleep(SILENT_MS)
    const before = heard
    await sleep(SILENT_MS)
    expect({ heard, ended, exitCode: speaker?.exitCode }).toEqual({ heard: before, ended: 0, exitCode: null })
    machine.plugIn()
    await until(() => heard > before)
    expect(ended).toBe(0)
  })

  test('machine, without power → its processes are gone and no socket said goodbye', async () => {
    machine.losePower()
    await until(() => speaker?.signalCode === 'SIGKILL')
    await sleep(SILENT_MS)
    expect({ ended, isOn: machine.isOn }).toEqual({ ended: 0, isOn: false })
  })

  test('machine, all its processes killed → the sockets say so at once', async () => {
    machine.killAll()
    await until(() => ended === 1)
    expect(machine.isOn).toBe(true)
  })

  test('machine, started after it was lost → reaches the same ports', async () => {
    machine.losePower()
    await machine.start([portOf()])
    const before = heard
    speaker = speak()
    await until(() => heard > before)
  })

  test('machine, closed → nothing of it is left, nothing is made any more', async () => {
    machine.close()
    await until(() => speaker?.signalCode === 'SIGKILL')
    expect(left(machine.names)).toEqual([])
    await expect(machine.start([portOf()])).rejects.toThrow('the machine was closed')
    machine.close()
  })

  test.each([['Ctrl-C', 'setInterval(() => {}, 1_000)', 130], ['an error that nobody catches', 'throw new Error("meant")', 1]])('machine, %s → nothing of it is left', async (_what, then, code) => {
    const child = recorded(spawn(process.execPath, ['--input-type=module', '-e', program(then)], { stdio: ['ignore', 'pipe', 'ignore'] }))
    const ended = new Promise((resolve) => void child.once('exit', resolve))
    const names = await new Promise<Machine['names']>((resolve) => void child.stdout.once('data', (text: Buffer) => resolve(JSON.parse(text.toString()) as Machine['names'])))
    if (code === 130) {
      expect(left(names)).toHaveLength(3)
      child.kill('SIGINT')
    }
    expect(await ended).toBe(code)
    expect(left(names)).toEqual([])
  })
})
