// Slot processes as an executor starts them.
import { afterEach, expect, test } from '@jest/globals'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { executorId, realClock, realRandom } from '@tidemark/base'
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
