// The demo as a user starts it: exact through two kills, not exact when a result is forged, and nobody left behind when it is interrupted.
import { describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import { openLocalLog } from '@tidemark/log-local'
import { recorded } from '../services/run-folder.ts'

const MAIN = join(import.meta.dirname, '../../packages/cli/src/start.js')
const TIMEOUT_MS = 120_000
const FEEDING = /feeding/

const A_NUMBER: unknown = expect.any(Number)
const verdictOf = (given: object) => ({ expected: A_NUMBER, found: A_NUMBER, lost: 0, doubled: 0, wrong: 0, examples: [], ...given })
const recovery = { victim: expect.any(String), cause: expect.any(String), tasks: A_NUMBER, detectedMs: A_NUMBER, recoveredMs: A_NUMBER, gapMs: A_NUMBER, othersGapMs: A_NUMBER }

/** What `--json` prints, whatever the figures are. */
const answerOf = (given: object) => ({
  seed: A_NUMBER, eventsIn: A_NUMBER, totals: verdictOf({}), sales: verdictOf({}), recoveries: [recovery, recovery], results: A_NUMBER, lost: 0, doubled: 0, wrong: 0, exact: true, ...given,
})

class Demo {
  out = ''
  err = ''
  readonly ended: Promise<number | null>
  readonly #process: ChildProcess
  #heard: () => void = () => {}

  constructor(...flags: string[]) {
    this.#process = recorded(spawn(process.execPath, [MAIN, 'demo', '--json', '--rate', '2000', '--seconds', '6', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] }))
    this.#process.stdout?.on('data', (piece) => { this.out += String(piece) })
    this.#process.stderr?.on('data', (piece) => {
      this.err += String(piece)
      this.#heard()
    })
    this.ended = new Promise((resolve) => this.#process.on('close', (code) => {
      resolve(code)
      this.#heard()
    }))
  }

  async says(wanted: RegExp): Promise<void> {
    while (!wanted.test(this.err)) {
      if (this.#process.exitCode !== null) throw new Error(`it ended before it said ${wanted}:\n${this.err}`)
      await new Promise<void>((resolve) => { this.#heard = resolve })
    }
  }

  interrupt(): void {
    this.#process.kill('SIGINT')
  }

  get folder(): string {
    return /embedded in (\S+)/.exec(this.err)?.[1] ?? ''
  }

  /** Of the driver and all executors that it has said to have started, those that live. */
  living(): number[] {
    return [...this.err.matchAll(/\(pid (\d+)/g)].map(([, pid]) => Number(pid)).filter((pid) => {
      try {
        return process.kill(pid, 0)
      } catch {
        return false
      }
    })
  }
}

describe('demo', () => {
  test('demo, two executors killed under load → exact, 0, each recovery by its figures; nothing is left behind', async () => {
    const demo = new Demo('--seed', '7')
    expect([await demo.ended, demo.err.includes('SIGKILL to executor') ? '' : demo.err]).toEqual([0, ''])
    const result = JSON.parse(demo.out) as { eventsIn: number, results: number, totals: { found: number }, recoveries: { tasks: number, detectedMs: number, recoveredMs: number, gapMs: number }[] }
    expect(result).toEqual(answerOf({ seed: 7, totals: verdictOf({ found: result.eventsIn, expected: result.eventsIn }) }))
    expect(result.results).toBeGreaterThan(result.eventsIn)
    for (const { tasks, detectedMs, recoveredMs, gapMs } of result.recoveries) {
      expect(tasks).toBeGreaterThan(0)
      expect([detectedMs >= 0, recoveredMs >= detectedMs, gapMs > 0]).toEqual([true, true, true])
    }
    expect([demo.living(), existsSync(demo.folder)]).toEqual([[], false])
  }, TIMEOUT_MS)

  test('demo, somebody else writes a result → not exact, the result is named, and the exit code is not 0', async () => {
    const demo = new Demo()
    await demo.says(FEEDING)
    const log = openLocalLog({ path: join(demo.folder, 'log.db'), clock: realClock })
    await log.write([{ topic: 'demo.totals', partition: 0, records: [{ key: 'eve', value: '{"key":"eve","orders":1,"total":1}' }] }])
    await log.close()
    expect(await demo.ended).toBe(1)
    expect(JSON.parse(demo.out)).toEqual(answerOf({ exact: false, wrong: 1, totals: verdictOf({ wrong: 1, examples: ['eve order 1: said 1, should not be there'] }) }))
  }, TIMEOUT_MS)

  test('demo, interrupted under load → ends its processes and removes its folder', async () => {
    const demo = new Demo()
    await demo.says(FEEDING)
    expect([demo.living().length, existsSync(demo.folder)]).toEqual([4, true])
    demo.interrupt()
    expect(await demo.ended).toBe(130)
    expect([demo.living(), existsSync(demo.folder), demo.out]).toEqual([[], false, ''])
  }, TIMEOUT_MS)
})
