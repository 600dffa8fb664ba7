// tidemark build: the file, the answer for scripts, and what cannot be written.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { printed, SERVERS, testContext } from '../test-context.ts'
import { buildJob } from './build.ts'

const REVENUE = fileURLToPath(new URL('../../../../examples/revenue.ts', import.meta.url))
let folder: string
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'tidemark-build-')) })
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('build', () => {
  test('build, twice → the same bytes: a header with the plan, then the bundle', async () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')]
    const context = testContext({ json: true })
    await buildJob(context, REVENUE, one)
    await buildJob(context, REVENUE, two)
    const text = readFileSync(one, 'utf8')
    expect(readFileSync(two, 'utf8')).toBe(text)
    const [first = '', second = ''] = text.split('\n')
    expect(JSON.parse(first)).toMatchObject({ header: { plan: expect.stringContaining('"job":"revenue"'), bundleBytes: expect.stringMatching(/^\d+$/) } })
    expect(Buffer.from((JSON.parse(second) as { bundle: string }).bundle, 'base64').toString()).toContain('revenue-per-user')
    expect(printed(context)[0]).toEqual({ job: 'revenue', out: one, chunks: text.split('\n').length - 1, bytes: text.length, sha256: expect.stringMatching(/^[0-9a-f]{64}$/), bundleSha256: expect.stringMatching(/^[0-9a-f]{64}$/) })
  })

  test('build, for people → how it is submitted, at the first of the drivers that are set', async () => {
    const context = testContext({ servers: { ...SERVERS, driver: 'driver-1:7400,driver-2:7400' } })
    await buildJob(context, REVENUE, join(folder, 'one'))
    expect(context.out).toEqual([expect.stringMatching(/Submit it with: grpcurl -plaintext -d @ driver-1:7400 tidemark\.v1\.JobService\/Submit < .*one$/)])
  })

  test('build, a restore → each file names its own submission', async () => {
    const headers = await Promise.all(['one', 'two'].map(async (name): Promise<unknown> => {
      await buildJob(testContext(), REVENUE, join(folder, name), 3)
      return JSON.parse(readFileSync(join(folder, name), 'utf8').split('\n')[0] ?? '')
    }))
    for (const header of headers) expect(header).toMatchObject({ header: { fromCheckpoint: '3', submissionId: expect.stringMatching(/^[0-9a-f-]{36}$/) } })
    expect(headers[0]).not.toEqual(headers[1])
  })

  test('build, a place that cannot be written → CLI_FILE_UNWRITABLE', async () => {
    await expect(buildJob(testContext(), REVENUE, join(folder, 'nowhere', 'x'))).rejects.toMatchObject({ code: 'CLI_FILE_UNWRITABLE', blame: 'user' })
  })
})
