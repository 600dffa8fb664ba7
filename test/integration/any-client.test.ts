// A job submitted by clients that know nothing of us but the file of `tidemark build` and the driver's address: Python, and grpcurl.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { execFile, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { grpcurlProgram, pythonProgram } from '../../deploy/services/tools.ts'
import { ClusterProcess } from '../cluster/process.ts'
import { describeWhere } from '../services/index.ts'
import { recorded } from '../services/run-folder.ts'

const ROOT = join(import.meta.dirname, '../..')
const PYTHON = pythonProgram()
const GRPCURL = grpcurlProgram()
const hasPython = spawnSync(PYTHON, ['-c', 'import grpc, grpc_reflection']).status === 0
const hasGrpcurl = spawnSync(GRPCURL, ['-version']).status === 0

let folder: string
let file: string
let address: string
let driver: ClusterProcess
let executor: ClusterProcess

const run = (program: string, args: readonly string[], input = ''): Promise<{ code: number | null, out: string, err: string }> => new Promise((resolve) => {
  const child = execFile(program, args, { env: { ...process.env, TIDEMARK_DIR: folder, TIDEMARK_DRIVER: address }, timeout: 60_000 }, (_error, out, err) => resolve({ code: child.exitCode, out, err }))
  child.stdin?.end(input)
})
const cli = (...args: string[]) => run(process.execPath, [join(ROOT, 'packages/cli/src/start.js'), ...args])

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-any-'))
  file = join(folder, 'submit.ndjson')
  driver = new ClusterProcess('driver', 'driver/src/main.ts', { TIDEMARK_DIR: folder, TIDEMARK_LISTEN: '127.0.0.1:0' })
  address = String((await driver.line(({ event }) => event === 'driver.listening'))['address'])
  executor = new ClusterProcess('executor', 'executor/src/main.ts', { TIDEMARK_DIR: folder, TIDEMARK_DRIVER: address })
  for (const topic of ['orders', 'running-totals']) {
    const { code, err } = await cli('topics', 'create', topic, '--partitions', '1')
    if (code !== 0) throw new Error(`topic ${topic} was not made: ${err}`)
  }
}, 120_000)
afterAll(async () => {
  await executor.kill()
  await driver.kill()
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
})

/** In order: the first client creates the job, whoever comes after changes nothing. */
const outcomes = /^(?:created|unchanged)$/

describe('any client', () => {
  test('any client, build twice → the same bytes; --json says what they are', async () => {
    const first = await cli('build', join(ROOT, 'examples/running-totals.ts'), '--out', file, '--json')
    expect([first.code, JSON.parse(first.out)]).toEqual([0, {
      job: 'running-totals', out: file, chunks: expect.any(Number), bytes: readFileSync(file).length, sha256: expect.stringMatching(/^[0-9a-f]{64}$/), bundleSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    }])
    const before = readFileSync(file)
    expect(await cli('build', join(ROOT, 'examples/running-totals.ts'), '--out', file)).toMatchObject({ code: 0 })
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  test('any client, a file that cannot be written → 1, and why', async () => {
    expect(await cli('build', join(ROOT, 'examples/running-totals.ts'), '--out', join(folder, 'nowhere', 'x'))).toMatchObject({ code: 1, err: expect.stringMatching(/^CLI_FILE_UNWRITABLE/) })
  })
})

describeWhere(hasPython, 'any client, in Python', `${PYTHON} has no grpcio and grpcio-reflection`, () => {
  test('any client, Python → submits and sees it run', async () => {
    const { code, out, err } = await run(PYTHON, [join(ROOT, 'examples/submit.py'), file, address])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^running-totals run 1 (?:created|unchanged)\n(?:\d+ .*\n)*\d+ task\.running .*\n$/)
  }, 60_000)

  test('any client, Python → of a name that ran before only what this run does', async () => {
    await cli('submit', join(ROOT, 'examples/running-totals.ts'), '--wait', '--driver', address)
    await cli('cancel', 'running-totals', '--now', '--driver', address)
    const { code, out, err } = await run(PYTHON, [join(ROOT, 'examples/submit.py'), file, address])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const [told, ...events] = out.trimEnd().split('\n')
    const number = /^running-totals run (\d+) created$/.exec(told ?? '')?.[1]
    expect(events[0]).toMatch(new RegExp(`^\\d+ job\\.started run ${number} of running-totals `))
    expect(events.at(-1)).toMatch(/^\d+ task\.running /)
  }, 60_000)

  test('any client, Python, several drivers → the one that leads takes it; none that does → why not, of each, and 1', async () => {
    const standby = new ClusterProcess('driver', 'driver/src/main.ts', { TIDEMARK_DIR: folder, TIDEMARK_LISTEN: '127.0.0.1:0' })
    try {
      const waits = String((await standby.line(({ event }) => event === 'driver.listening'))['address'])
      const submit = (drivers: readonly string[]) => run(PYTHON, [join(ROOT, 'examples/submit.py'), file, drivers.join()])
      expect(await submit(['127.0.0.1:1', waits, address])).toEqual({ code: 0, err: '', out: expect.stringMatching(/^running-totals run \d+ (?:created|unchanged)\n/) })
      expect(await submit(['127.0.0.1:1', waits])).toEqual({ code: 1, out: '', err: expect.stringMatching(new RegExp(`^no driver took it:\\n  127\\.0\\.0\\.1:1: .+\\n  ${waits}: this driver does not lead, ${address} does\\n$`)) })
    } finally {
      await standby.kill()
    }
  }, 60_000)
})

/** The README's line for that method, to the driver of this test. */
const readmeLine = (method: string): string => {
  const line = readFileSync(join(ROOT, 'README.md'), 'utf8').split('\n').find((one) => one.startsWith('grpcurl ') && one.includes(` tidemark.v1.JobService/${method}`))
  if (line === undefined) throw new Error(`README.md has no line that calls ${method} by grpcurl`)
  return line.replace('127.0.0.1:7400', address)
}

interface Told {
  readonly sequence: string
  readonly event: string
  readonly job?: string
  readonly facts: string
}

/** A line that goes on until it is killed, and the events that it has printed. */
const typed = (line: string): { readonly events: () => readonly Told[], readonly until: (wanted: (event: Told) => boolean) => Promise<void>, readonly kill: () => Promise<void> } => {
  const child = recorded(spawn('sh', ['-c', `exec ${line}`], { cwd: folder, env: { ...process.env, PATH: `${dirname(GRPCURL)}:${process.env['PATH']}` }, stdio: ['ignore', 'pipe', 'inherit'] }))
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  let [text, heard] = ['', (): void => {}]
  child.stdout.on('data', (data: Buffer) => {
    text += data.toString()
    heard()
  })
  // One value behind the other, each over several lines; the last may be there in part.
  const events = (): readonly Told[] => (text.match(/^\{$[^]*?^\}$/gm) ?? []).map((one) => JSON.parse(one) as Told)
  return {
    events,
    until: async (wanted) => {
      while (!events().some(wanted)) await Promise.race([new Promise<void>((resolve) => { heard = resolve }), ended.then(() => { throw new Error(`${line} ended; it had said: ${text}`) })])
    },
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

describeWhere(hasGrpcurl, 'any client, grpcurl', 'there is no grpcurl', () => {
  const call = async (method: string, input: string): Promise<unknown> => JSON.parse((await run(GRPCURL, ['-plaintext', '-d', '@', address, method], input)).out)

  test('any client, grpcurl → submits, twice the same; health, describe, cancel', async () => {
    const submission = readFileSync(file, 'utf8')
    expect(await call('tidemark.v1.JobService/Submit', submission)).toMatchObject({ job: 'running-totals', run: expect.stringMatching(/^\d+$/), outcome: expect.stringMatching(outcomes) })
    expect(await call('tidemark.v1.JobService/Submit', submission)).toMatchObject({ outcome: 'unchanged' })
    expect(await call('grpc.health.v1.Health/Check', '{"service":"tidemark.v1.JobService"}')).toEqual({ status: 'SERVING' })
    expect(await call('tidemark.v1.JobService/Describe', '{"job":"running-totals"}')).toMatchObject({ job: { startedFrom: 'empty' } })
    expect(await call('tidemark.v1.JobService/Cancel', '{"job":"running-totals"}')).toMatchObject({ state: expect.stringMatching(/^cancel/) })
  }, 60_000)

  test('any client, grpcurl → the list has the job; its events, asked for as the README types it, come as they happen; a drain ends at a last checkpoint', async () => {
    await cli('cancel', 'running-totals', '--now')
    const { run: number } = await call('tidemark.v1.JobService/Submit', readFileSync(file, 'utf8')) as { readonly run: string }
    const watch = typed(readmeLine('WatchEvents'))
    try {
      const ofRun = (name: string) => ({ event, facts }: Told): boolean => event === name && String((JSON.parse(facts) as { run?: number }).run) === number
      await watch.until(ofRun('job.started'))
      await watch.until(({ event }) => event === 'task.running')
      expect(await call('tidemark.v1.JobService/List', '{}')).toEqual({ jobs: [expect.objectContaining({ job: 'running-totals', run: number, state: expect.stringMatching(/^(?:starting|running)$/) })] })
      const drain = '{"job":"running-totals","mode":"CANCEL_MODE_DRAIN"}'
      expect(await call('tidemark.v1.JobService/Cancel', drain)).toMatchObject({ job: 'running-totals', run: number, state: expect.stringMatching(/^(?:draining|cancelling|cancelled)$/) })
      await watch.until(ofRun('job.cancelled'))
      expect(await call('tidemark.v1.JobService/Cancel', drain)).toEqual({ job: 'running-totals', run: number, state: 'cancelled', finalCheckpoint: expect.stringMatching(/^\d+$/) })
      const events = watch.events()
      expect(events.every(({ job = 'running-totals' }) => job === 'running-totals')).toBe(true)
      expect(events.map(({ sequence }) => Number(sequence))).toEqual(events.map(({ sequence }) => Number(sequence)).toSorted((a, b) => a - b))
    } finally {
      await watch.kill()
    }
  }, 90_000)
})
