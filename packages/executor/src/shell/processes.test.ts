// Slot processes as an executor starts them.
import { afterEach, describe, expect, test } from '@jest/globals'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { executorId, realClock, realRandom } from '@tidemark/base'
import type { Clock } from '@tidemark/base'
import { SlotProcesses } from './processes.ts'

const [before, folder] = [{ ...process.env }, mkdtempSync(join(tmpdir(), 'tidemark-slots-'))]
let slots: SlotProcesses | undefined
afterEach(() => {
  slots?.killAll()
  process.env = before
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
})

test('slot process, ends by SIGKILL → its compiled code is there for the next one', async () => {
  process.env = { ...before, TIDEMARK_DIR: join(folder, 'data'), TIDEMARK_LOG_LEVEL: 'error', NODE_COMPILE_CACHE: join(folder, 'code') }
  await new Promise<void>((resolve, reject) => {
    slots = new SlotProcesses({ executor: executorId('e'), random: realRandom, clock: realClock, slotHeapMiB: 256, memoryBytesMax: 2 ** 40, onReady: () => resolve(), onEvent: () => {}, onExit: (_id, _slot, reason) => reject(new Error(reason)) })
    slots.start(0)
  })
  const kept = (): string[] => readdirSync(join(folder, 'code'), { recursive: true }).map(String).filter((name) => name.includes('/'))
  // A slot process loads more files than this; the folder is made first.
  while (!existsSync(join(folder, 'code')) || kept().length < 50) await realClock.sleep(10)
  slots?.killAll()
  expect(kept().length).toBeGreaterThanOrEqual(50)
}, 60_000)

test('slot process → freed buffers are the system\'s again, unless the environment says otherwise', async () => {
  process.env = { ...before, TIDEMARK_DIR: join(folder, 'data'), TIDEMARK_LOG_LEVEL: 'error', MALLOC_TRIM_THRESHOLD_: '4096' }
  const pid = await new Promise<number>((resolve, reject) => {
    slots = new SlotProcesses({ executor: executorId('e'), random: realRandom, clock: realClock, slotHeapMiB: 256, memoryBytesMax: 2 ** 40, onReady: (ready) => resolve(ready.pid), onEvent: () => {}, onExit: (_id, _slot, reason) => reject(new Error(reason)) })
    slots.start(0)
  })
  const told = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter((line) => line.startsWith('MALLOC_'))
  expect(told.sort()).toEqual(['MALLOC_MMAP_THRESHOLD_=262144', 'MALLOC_TRIM_THRESHOLD_=4096'])
}, 60_000)

describe('a slot process that is never ready', () => {
  /** How often the memory of slots is looked at. */
  const LOOK_MS = 250

  /** As an executor does it starts the next one when it is told of an end. `ended`: the reasons, in their order. */
  const starting = (program: string | undefined, ended: (reasons: readonly string[]) => void, ready: () => void) => {
    const [pauses, reasons]: [number[], string[]] = [[], []]
    const clock: Clock = Object.assign(Object.create(realClock) as Clock, {
      after: (ms: number, fire: () => void) => {
        if (ms === LOOK_MS) return { cancel: () => {} }
        pauses.push(ms)
        return realClock.after(0, fire)
      },
    })
    const made = new SlotProcesses({
      executor: executorId('e'), random: realRandom, clock, slotHeapMiB: 256, memoryBytesMax: 2 ** 40, ...(program === undefined ? {} : { program }), onReady: ready, onEvent: () => {},
      onExit: (_id, slot, reason) => {
        reasons.push(reason)
        ended(reasons)
        made.start(slot)
      },
    })
    slots = made
    made.start(0)
    return { pauses, reasons }
  }

  test('the system gives no process → forgotten and started again, after a pause that grows', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { pauses, reasons } = starting(join(folder, 'no-such-program'), (so) => { if (so.length === 8) resolve() }, () => {})
    await promise
    expect(pauses.slice(0, 8)).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000])
    expect(reasons[0]).toMatch(/^it could not be started: .*ENOENT/)
    expect(slots?.pids()).toEqual([])
  }, 60_000)

  test('the call itself throws → the same, and the executor lives', async () => {
    process.env = { ...before, TOO_LONG: 'x'.repeat(4_000_000) }
    const { promise, resolve } = Promise.withResolvers<void>()
    const { pauses, reasons } = starting(undefined, (so) => { if (so.length === 2) resolve() }, () => {})
    await promise
    expect(pauses.slice(0, 2)).toEqual([100, 200])
    expect(reasons[0]).toMatch(/^it could not be started: .*E2BIG/)
  }, 60_000)

  test('it dies before it is ready → the next one is started after a pause; one is ready and dies: at once', async () => {
    const good = { ...before, TIDEMARK_DIR: join(folder, 'data'), TIDEMARK_LOG_LEVEL: 'error' }
    process.env = { ...good, NODE_OPTIONS: '--no-such-option' }
    const { promise, resolve } = Promise.withResolvers<void>()
    const { pauses, reasons } = starting(undefined, (so) => {
      if (so.length === 2) process.env = good
      if (so.length === 3) resolve()
    }, () => {
      for (const { pid } of slots?.pids() ?? []) process.kill(pid, 'SIGKILL')
    })
    await promise
    expect(reasons).toEqual(['exited with 9', 'exited with 9', 'killed by SIGKILL'])
    expect(pauses).toEqual([100, 200])
  }, 60_000)
})
