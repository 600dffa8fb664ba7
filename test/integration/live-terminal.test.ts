// The live views in a real terminal (`script` makes one): redrawn in place, ended by Ctrl-C, nothing left behind.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { serveJobs } from '@tidemark/wire'
import type { JobDescription, Serving } from '@tidemark/wire'
import { describeWhere } from '../services/index.ts'
import { recorded } from '../services/run-folder.ts'

const MAIN = join(import.meta.dirname, '../../packages/cli/src/start.js')
const hasScript = existsSync('/usr/bin/script')
const COLUMNS = 60
const ESC = '\u001B'
/** Without what would change the answers. */
const plain = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:TIDEMARK_|FORCE_COLOR$|NO_COLOR$|CI$)/.test(name)))

const answer = (lag: number): JobDescription => ({
  summary: { job: 'orders', version: '1', run: 1, state: 'running', tasks: 2, tasksRunning: 2, tasksWaiting: 0, submittedAt: 1, lag },
  tasks: [0, 1].map((partition) => ({ stage: 's0', partition, phase: 'running', executor: 'an-executor-with-a-long-name', executorId: 'x', slot: 0, inputs: [], lag, batchId: 1, stateKeys: 0, stateBytes: 0, totals: {} })),
  checkpoints: [], executors: [], warnings: [], startedFrom: 'empty',
})

const STUCK: JobDescription = { ...answer(0), summary: { ...answer(0).summary, job: 'stuck', state: 'draining' } }

describeWhere(hasScript, 'live views in a terminal', 'there is no `script`', () => {
  let driver: Serving
  let asked = 0
  let heard: () => void = () => {}
  beforeAll(async () => {
    driver = await serveJobs({ address: '127.0.0.1:0', jobs: {
      submit: async () => ({ job: 'orders', run: 1, outcome: 'created', notes: [] }), list: async () => [], describe: async (job) => {
        heard()
        return job === 'stuck' ? STUCK : answer(asked += 1)
      }, cancel: async (job) => ({ job, run: 1, state: 'draining' }),
      watchEvents: async (_request, emit, signal) => {
        emit({ sequence: 1, at: 1, event: 'executor.dead', job: 'orders', message: 'west is dead', facts: {} })
        // By its second question it has shown the answer to its first one: what happens next has to go above that.
        for (let questions = 0; questions < 2; questions += 1) await new Promise<void>((resolve) => { heard = resolve })
        emit({ sequence: 2, at: 2, event: 'executor.dead', job: 'orders', message: 'east is dead', facts: {} })
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      },
    } })
  })
  afterAll(() => driver.close())

  /** Types Ctrl-C once it has said enough. */
  const inTerminal = (args: readonly string[], enough: (said: string) => boolean, env: Readonly<Record<string, string>> = {}): Promise<{ code: number | null, said: string }> => new Promise((resolve) => {
    const line = ['stty', 'rows', '20', 'cols', String(COLUMNS), ';', 'exec', process.execPath, MAIN, ...args].join(' ')
    const child = recorded(spawn('/usr/bin/script', ['-qefc', line, '/dev/null'], { env: { ...plain, TERM: 'xterm', TIDEMARK_DRIVER: driver.address, ...env } }))
    let said = ''
    let typed = false
    child.stdout.on('data', (data: Buffer) => {
      said += data.toString()
      if (typed || !enough(said)) return
      typed = true
      child.stdin.write('\u0003')
    })
    child.on('close', (code) => resolve({ code, said }))
  })
  /** What is to be read in the end, line by line: without what was written over. */
  const screen = (said: string): string[] => said.split('\n').map((line) => line.split('\r').reduce((shown, piece) => piece.startsWith(`${ESC}[K`) ? piece.slice(3) : piece + shown.slice(piece.length), ''))
  const redrawn = (said: string): number => said.split('\u001B[J').length - 1

  test('describe --follow → redrawn in place within the width; Ctrl-C ends it with 0, on a line of its own', async () => {
    const { code, said } = await inTerminal(['describe', 'orders', '--follow'], (text) => redrawn(text) >= 2, { NO_COLOR: '1' })
    expect(code).toBe(0)
    const frames = said.split(new RegExp(`\\r${ESC}\\[\\d+A${ESC}\\[J`))
    expect(frames.length).toBeGreaterThan(2)
    const lags = frames.map((frame) => /lag +(\d+) records?/.exec(frame)?.[1])
    expect(lags).toEqual(lags.map((_lag, at) => String(Number(lags[0]) + at)))
    for (const line of frames.join('\n').split(/\r?\n/)) expect(line.replace('^C', '').length).toBeLessThan(COLUMNS)
    expect(said).not.toContain('\u001B[3')
    expect(said).toMatch(/\r?\n$/)
  }, 60_000)

  test('describe --follow, colours → there are some', async () => {
    const { said } = await inTerminal(['describe', 'orders', '--follow'], (text) => redrawn(text) >= 1)
    expect(said).toContain('\u001B[32mrunning')
  }, 60_000)

  test('an error while something is shown → that is erased, the error stands alone', async () => {
    const { code, said } = await inTerminal(['cancel', 'stuck', '--timeout', '1'], () => false, { NO_COLOR: '1' })
    expect([code, said.split(`\r${ESC}[K`).at(-1)]).toEqual([1, expect.stringMatching(/^CLI_CANCEL_TIMEOUT: stuck is still draining after 1\.0 s\r\n/)])
    expect(said).toContain(`\r${ESC}[Kstuck is draining\r${ESC}[K`)
  }, 60_000)

  test('events --follow → the job is told below what happens, in one line that moves on, and is gone at the end', async () => {
    let before: string[] = []
    const { code, said } = await inTerminal(['events', 'orders', '--follow'], (text) => {
      before = screen(text)
      return before.some((line) => line.includes('east is dead')) && before.at(-1)?.includes('2 of 2 tasks run') === true
    }, { NO_COLOR: '1' })
    expect(code).toBe(0)
    expect(before).toEqual([expect.stringMatching(/executor\.dead +orders {2}west is dead$/), expect.stringMatching(/executor\.dead +orders {2}east is dead$/), expect.stringContaining('2 of 2 tasks run')])
    expect(screen(said)).toEqual([...before.slice(0, 2), ''])
  }, 60_000)
})
