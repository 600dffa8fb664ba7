// What a terminal shows while a bundle goes out. What `submit --wait` follows then: follow.test.ts.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { uploadText } from '../live/progress.ts'
import { openTerminal } from '../terminal.ts'
import { fakeJobs, quickClock, testContext } from '../test-context.ts'
import { submitJob } from './submit.ts'

const JOB = "import { job, json, stdoutSink, topic } from 'tidemark'\nexport default job('rates').source('in', topic('in', { value: json<number>() })).sink('out', stdoutSink())\n"
const ERASE = '\r\u001B[K'

let folder: string
let small: string
let large: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-submit-'))
  symlinkSync(join(import.meta.dirname, '../../../../node_modules'), join(folder, 'node_modules'))
  ;[small, large] = [join(folder, 'small.ts'), join(folder, 'large.ts')]
  writeFileSync(small, JOB)
  writeFileSync(large, `${JOB}export const table = '${'x'.repeat(2 * 1024 * 1024)}'\n`)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A quarter of the bundle has gone out after one second, all of it after two. What was written, and how long the bundle was. */
const submitted = async (file: string, { isTTY = true, json = false } = {}): Promise<{ readonly written: readonly string[], readonly bytes: number }> => {
  const written: string[] = []
  const stream = { isTTY, columns: 80, write: (piece: string) => written.push(piece) }
  let [bytes, passedMs] = [0, 0]
  const context = testContext({
    json, terminal: openTerminal(stream, stream, (_style, text) => text), clock: { ...quickClock(), monotonic: () => passedMs },
    openJobs: () => fakeJobs({ submit: async ({ bundle }, onSent) => {
      bytes = bundle.length
      for (const sent of [bytes / 4, bytes]) {
        passedMs += 1_000
        onSent?.(sent)
      }
      return { job: 'rates', run: 1, outcome: 'created', notes: [] }
    } }),
  })
  await submitJob(context, file)
  return { written, bytes }
}
const ANSWER = 'rates, run 1, is submitted\n'

test('a large bundle, on a terminal → how much of it has gone out, in one line that is redrawn and gone before the answer', async () => {
  const { written, bytes } = await submitted(large)
  expect(written).toEqual([`${ERASE}${uploadText(bytes / 4, bytes, 1_000)}`, `${ERASE}${uploadText(bytes, bytes, 2_000)}`, ERASE, ANSWER])
  expect(written[0]).toMatch(/ of 2\.\d MiB sent, \d+\.\d KiB\/s, about 3 s left$/)
  const asJson = await submitted(large, { json: true })
  expect(asJson.written.slice(0, 3)).toEqual(written.slice(0, 3))
  expect(JSON.parse(asJson.written[3] ?? '')).toEqual({ kind: 'submitted', job: 'rates', run: 1, outcome: 'created', notes: [] })
})

test.each([['a large bundle, no terminal', () => submitted(large, { isTTY: false })], ['a small bundle, on a terminal', () => submitted(small)]])('%s → the answer alone', async (_what, submission) => {
  expect((await submission()).written).toEqual([ANSWER])
})
