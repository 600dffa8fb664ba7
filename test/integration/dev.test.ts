// `tidemark dev` as a developer uses it: a job in a cluster of its own, fed and read by the command line, ended, gone on with, begun anew.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { recorded } from '../services/run-folder.ts'

const ROOT = join(import.meta.dirname, '../..')
const MAIN = join(ROOT, 'packages/cli/src/start.js')
const JOB = join(ROOT, 'examples/running-totals.ts')
const TIMEOUT_MS = 120_000

let folder: string
let env: Record<string, string | undefined>
let started: ChildProcess[] = []

const freePort = (): Promise<number> => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resolve(port))
  })
})

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-dev-'))
  env = { ...process.env, TIDEMARK_DIR: join(folder, 'cluster'), TIDEMARK_DRIVER: `127.0.0.1:${await freePort()}` }
})
afterEach(async () => {
  const left = started.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
  started = []
  // It ends when its driver and executors have: then nobody writes into the folder.
  await Promise.all(left.map((child) => new Promise((resolve) => {
    child.once('close', resolve)
    child.kill('SIGTERM')
  })))
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
}, 60_000)

const cli = (args: readonly string[], input = ''): Promise<{ code: number | null, out: string, err: string }> => new Promise((resolve) => {
  const child = execFile(process.execPath, [MAIN, ...args], { env }, (_error, out, err) => resolve({ code: child.exitCode, out, err }))
  started.push(child)
  child.stdin?.end(input)
})

interface Dev {
  /** What it has said on stdout and on stderr so far. */
  readonly out: () => string
  readonly err: () => string
  readonly end: () => Promise<{ code: number | null, said: string }>
  /** By SIGKILL, alone. */
  readonly kill: () => Promise<void>
}

/** Resolves when all tasks run. `end` drains it and answers its exit code and all it said. */
const dev = (...flags: string[]): Promise<Dev> => devOf(JOB, ...flags)
const devOf = async (file: string, ...flags: string[]): Promise<Dev> => {
  let [said, out, err] = ['', '', '']
  const child = recorded(spawn(process.execPath, [MAIN, 'dev', file, '--executors', '1', ...flags], { env, stdio: ['ignore', 'pipe', 'pipe'] }))
  started.push(child)
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  child.stdout.on('data', (piece) => { out += String(piece) })
  child.stderr.on('data', (piece) => { err += String(piece) })
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => { said += String(piece) })
  for (;;) {
    const { code, out } = await cli(['describe', 'running-totals', '--json'])
    if (code === 0) {
      const { summary } = JSON.parse(out) as { summary: { tasks: number, tasksRunning: number } }
      if (summary.tasks > 0 && summary.tasksRunning === summary.tasks) break
    }
    if (child.exitCode !== null) throw new Error(`dev ended by itself:\n${said}`)
  }
  return {
    out: () => out,
    err: () => err,
    end: async () => {
      child.kill('SIGINT')
      await ended
      return { code: child.exitCode, said }
    },
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

const order = (amount: number): string => `{"user":"ann","amount":${amount},"ts":1700000000000}\n`
const total = (orders: number, sum: number): string => `{"user":"ann","orders":${orders},"total":${sum}}\n`
const write = (...amounts: number[]) => cli(['write', 'orders', '--key', 'user', '--timestamp', 'ts'], amounts.map(order).join(''))
/** Waits until so many results are there. */
const results = (count: number) => cli(['read', 'running-totals', '--follow', '--count', String(count)])

describe('dev', () => {
  test('dev, ended and started again → goes on where it was; --fresh → begins anew', async () => {
    const first = await dev()
    await write(5, 7)
    expect(await results(2)).toEqual({ code: 0, out: total(1, 5) + total(2, 12), err: '' })
    const end = await first.end()
    expect(end).toEqual({ code: 0, said: expect.stringMatching(/topic orders is made .*running-totals, run 1, is submitted.*draining.*\nended; the same command goes on from here\n$/s) })
    // Nothing but Tidemark's own commands reads the embedded log, and it keeps everything once.
    expect(end.said).not.toMatch(/read_committed|replica/)

    const second = await dev()
    await write(3)
    expect((await results(3)).out).toBe(total(1, 5) + total(2, 12) + total(3, 15))
    expect((await second.end()).said).toMatch(/nothing was changed/)

    const third = await dev('--fresh')
    await write(1)
    expect((await results(1)).out).toBe(total(1, 1))
    expect((await third.end()).said).toMatch(/--fresh: deleting .*cluster.*\nended; the same command without --fresh goes on from here\n$/s)
    expect((await cli(['jobs'])).code).toBe(3)
  }, TIMEOUT_MS)

  test('dev, killed by SIGKILL → its driver and executors end with it, and the next one goes on in that folder', async () => {
    const first = await dev()
    await write(5)
    await results(1)
    await first.kill()
    for (let { code } = await cli(['jobs']); code !== 3;) code = (await cli(['jobs'])).code

    const second = await dev()
    await write(7)
    expect((await results(2)).out).toBe(total(1, 5) + total(2, 12))
    const { executors } = JSON.parse((await cli(['describe', 'running-totals', '--json'])).out) as { executors: { state: string }[] }
    expect(executors.map(({ state }) => state)).toEqual(['alive'])
    expect((await second.end()).code).toBe(0)
  }, TIMEOUT_MS)

  test('dev, variables of a real executor and driver, and a level that hides what they say → used by none of its processes', async () => {
    const port = await freePort()
    env = { ...env, TIDEMARK_LOG_LEVEL: 'error', TIDEMARK_PROBE_HOST: '127.0.0.2', TIDEMARK_PROBE_PORT: String(port), TIDEMARK_ADVERTISE: 'driver.invalid:7400' }
    const running = await dev('--executors', '2')
    await write(5)
    expect((await results(1)).out).toBe(total(1, 5))
    expect(await cli(['dev', JOB, '--driver', `127.0.0.1:${await freePort()}`])).toMatchObject({ code: 1, err: expect.stringContaining(`${String(env['TIDEMARK_DRIVER'])} leads it`) })
    expect((await running.end()).code).toBe(0)
  }, TIMEOUT_MS)

  test('dev, its driver on every address of this machine, as in a container → its executors reach it, and so do others', async () => {
    const port = await freePort()
    env = { ...env, TIDEMARK_DRIVER: `127.0.0.1:${port}` }
    const running = await dev('--driver', `0.0.0.0:${port}`)
    await write(5)
    expect((await results(1)).out).toBe(total(1, 5))
    expect((await running.end()).said).toContain(`driver at 127.0.0.1:${port}`)
  }, TIMEOUT_MS)

  test('dev, a cluster runs at that address already → refused, and the folder stays', async () => {
    const first = await dev()
    await write(5)
    expect(await cli(['dev', JOB, '--fresh'])).toMatchObject({ code: 1, err: expect.stringMatching(/^CLI_CLUSTER_RUNS/) })
    expect((await results(1)).out).toBe(total(1, 5))
    expect((await first.end()).code).toBe(0)
  }, TIMEOUT_MS)

  test('dev, a cluster runs in that folder at another address → refused, with --fresh too, and it goes on', async () => {
    const first = await dev()
    await write(5)
    const elsewhere = ['dev', JOB, '--driver', `127.0.0.1:${await freePort()}`]
    const refused = { code: 1, out: '', err: expect.stringMatching(/^CLI_CLUSTER_RUNS: a cluster runs in .*cluster already: 127\.0\.0\.1:\d+ leads it\n.*--dir <folder>/) }
    expect(await cli(elsewhere)).toMatchObject(refused)
    expect(await cli([...elsewhere, '--fresh'])).toMatchObject(refused)
    await write(7)
    expect((await results(2)).out).toBe(total(1, 5) + total(2, 12))
    expect((await first.end()).code).toBe(0)
  }, TIMEOUT_MS)

  test('dev, the job has changed → refused with the ways out that need no cluster, and with them its state is kept', async () => {
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    const file = join(folder, 'changed.ts')
    writeFileSync(file, "import { job, json, topic, topicSink } from 'tidemark'\nexport default job('running-totals', { version: '2' }).source('orders', topic('orders', { value: json<object>() })).sink('out', topicSink('running-totals', { value: json() }))\n")
    await (await dev()).end()
    expect(await cli(['dev', file, '--executors', '1'])).toMatchObject({ code: 1, err: expect.stringMatching(/^JOB_EXISTS: .*\n {2}Forget everything: the same command with `--fresh`\. Else start `tidemark dev` without a job file.*`tidemark cancel running-totals`.*--from <number>/) })
  }, TIMEOUT_MS)

  test('dev --json → on stdout lines of its own JSON alone; what a job prints is on stderr', async () => {
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    const file = join(folder, 'printing.ts')
    writeFileSync(file, "import { job, json, stdoutSink, topic } from 'tidemark'\nexport default job('running-totals', { version: '1' }).source('orders', topic('orders', { value: json<object>() })).map((order) => ({ printed: order })).sink('out', stdoutSink())\n")
    const running = await devOf(file, '--json')
    await write(5)
    while (!running.err().includes('{"printed":{"user":"ann","amount":5')) await new Promise((resolve) => setTimeout(resolve, 50))
    expect((await running.end()).code).toBe(0)
    const [submitted, ...events] = running.out().trim().split('\n').map((line) => JSON.parse(line) as { event?: string, job?: string, executor?: string })
    expect(submitted).toEqual({ kind: 'submitted', job: 'running-totals', run: 1, outcome: 'created', notes: expect.arrayOf(expect.any(String)) })
    expect(events.map(({ event }) => event)).toEqual(expect.arrayContaining(['executor.joined', 'job.submitted', 'task.running']))
    for (const { job, executor, ...event } of events) {
      expect(event).toEqual({ sequence: expect.any(Number), at: expect.any(Number), event: expect.stringMatching(/^[a-z]+\.[a-z-]+$/), message: expect.any(String), facts: expect.any(Object) })
      expect([job ?? 'running-totals', typeof (executor ?? '')]).toEqual(['running-totals', 'string'])
    }
    expect(running.out()).not.toContain('"printed"')
  }, TIMEOUT_MS)

  test('dev --fresh, a folder that is no cluster → not deleted', async () => {
    mkdirSync(join(folder, 'cluster'))
    writeFileSync(join(folder, 'cluster', 'thesis.txt'), 'mine')
    expect(await cli(['dev', JOB, '--fresh'])).toMatchObject({ code: 1, err: expect.stringMatching(/^CLI_FOLDER_FOREIGN: .*cluster holds something/) })
  }, TIMEOUT_MS)
})
