// The shares of a CPU profile: of busy time only, each frame's for its room or its caller's, 100 % in all.
import { afterAll, expect, test } from '@jest/globals'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const MAIN = fileURLToPath(new URL('../../bench/shares.main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'tidemark-shares-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const frame = (functionName: string, url: string): { readonly functionName: string, readonly url: string } => ({ functionName, url })

test('shares, of two profiles → idle time left out, native frames with their callers, largest first', async () => {
  const nodes = [
    { id: 1, callFrame: frame('(root)', ''), children: [2, 3, 4, 7] },
    { id: 2, callFrame: frame('(idle)', '') },
    { id: 3, callFrame: frame('(garbage collector)', '') },
    { id: 4, callFrame: frame('open', 'file:///there/packages/runtime/src/state/tuple-table.ts'), children: [5, 6] },
    { id: 5, callFrame: frame('writeBuffer', '') },
    { id: 6, callFrame: frame('pack', 'file:///there/node_modules/msgpackr/pack.js') },
    { id: 7, callFrame: frame('parse', 'file:///there/packages/api/src/codecs.ts') },
  ]
  const files = [[2, 3, 4, 5], [6, 7, 7, 5]].map((samples, i) => {
    const file = join(folder, `${i}.cpuprofile`)
    writeFileSync(file, JSON.stringify({ nodes, samples, timeDeltas: samples.map(() => 1_000_000) }))
    return file
  })
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...files])
  expect(stdout.trimEnd().split('\n')).toEqual(['busy for 7.00 s', ' 42.9 %  runtime/state', ' 28.6 %  JSON.parse', ' 14.3 %  garbage collection', ' 14.3 %  msgpackr'])
})

test('shares, of nothing → 2, and what to say', async () => {
  await expect(promisify(execFile)(process.execPath, [MAIN])).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('file.cpuprofile') })
})
