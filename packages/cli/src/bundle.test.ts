// Bundling a job file: one that is right, and every way to be wrong.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeError } from '@tidemark/base'
import { BUNDLE_BYTES_MAX, bundleJob } from './bundle.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-bundle-'))
  symlinkSync(join(import.meta.dirname, '../../../node_modules'), join(folder, 'node_modules'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const JOB = "import { job, json, stdoutSink, topic } from 'tidemark'\nimport { name } from './name.ts'\nexport default job(name).source('in', topic('in', { value: json<number>() })).sink('out', stdoutSink())\n"

describe('bundle', () => {
  test('bundle, a job file with an import of its own → one file that needs nothing, its plan and its hash; the same each time', async () => {
    file('name.ts', "export const name: string = 'mine'")
    const path = file('job.ts', JOB)
    const [first, second] = [await bundleJob(path), await bundleJob(path)]
    expect(first.plan.job).toBe('mine')
    expect(first.bundle.toString()).not.toMatch(/from ['"](?:tidemark|\.\/)/)
    expect(first.sha256).toBe(createHash('sha256').update(first.bundle).digest('hex'))
    expect(second).toEqual(first)
  })

  test.each([
    ['no such file', undefined, 'JOB_FILE_INVALID', /^there is no file .*job\.ts$/],
    ['a syntax error', 'export default job(', 'JOB_FILE_INVALID', /job\.ts:1:/],
    ['an import that is not there', "import { x } from './nowhere.ts'\nexport default x", 'JOB_FILE_INVALID', /Could not resolve "\.\/nowhere\.ts"/],
    ['a throw while it is imported', "throw new Error('boom')", 'JOB_FILE_INVALID', /job\.ts throws when it is imported at .*job\.ts:1:7$/],
    ['no default export', 'export const a = 1', 'JOB_FILE_INVALID', /exports no job as its default/],
    ['a default that is no job', 'export default { name: "x" }', 'JOB_FILE_INVALID', /exports no job as its default/],
    ['more than a cluster takes', `const big = '${'x'.repeat(BUNDLE_BYTES_MAX)}'\nexport default big`, 'JOB_BUNDLE_TOO_LARGE', /at most/],
    ['a pipeline without its sink', "import { job, json, topic } from 'tidemark'\nexport default job('a').source('in', topic('in', { value: json() }))", 'JOB_FILE_INVALID', /exports no job as its default/],
  ])('bundle, %s → %s', async (_what, text, code, message) => {
    const path = text === undefined ? join(folder, 'job.ts') : file('job.ts', text)
    await expect(bundleJob(path)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  test('bundle, a throw in a file that the job file imports → the place in that file, as it is written there', async () => {
    file('rates.ts', "interface Rate { readonly of: string }\n\nexport const rate = ({ of }: Rate): number => {\n  if (of === 'none') throw new RangeError('no rate')\n  return 1\n}\n")
    const path = file('job.ts', "import { job } from 'tidemark'\nimport { rate } from './rates.ts'\nexport default job(`r${rate({ of: 'none' })}`)\n")
    const refused: unknown = await bundleJob(path).catch((error: unknown) => error)
    expect(describeError(refused)).toBe(`JOB_FILE_INVALID: ${path} throws when it is imported at ${join(folder, 'rates.ts')}:4:28\n  A job file only builds the job; it must import without doing anything else.\nbecause: no rate`)
  })

  test.each([
    ['a dependency of it', "import { read } from 'thrower'\nread()\n", ':2:1'], ['nobody knows what', "throw 'boom'", ''], ['Node, of a name that is not there', "import { nothing } from 'node:fs'\nexport default nothing", ''],
  ])('bundle, thrown by %s → where the file called it, where that can be known', async (_what, text, at) => {
    mkdirSync(join(folder, 'lib/node_modules/thrower'), { recursive: true })
    writeFileSync(join(folder, 'lib/node_modules/thrower/package.json'), '{"name":"thrower","type":"module","main":"index.js"}')
    writeFileSync(join(folder, 'lib/node_modules/thrower/index.js'), "export const read = () => { throw new Error('boom') }\n")
    const path = file('lib/job.ts', text)
    await expect(bundleJob(path)).rejects.toMatchObject({ code: 'JOB_FILE_INVALID', message: `${path} throws when it is imported${at === '' ? '' : ` at ${path}${at}`}` })
  })

  test.each(["job('a').source('in', topic('in', { value: json() })).aggregate('n', {})", "job('a').keyBy(() => 'x')"])('bundle, a step where there is none: %s → where steps stand, and no advice about imports', async (chain) => {
    const path = file('job.ts', `import { job, json, topic } from 'tidemark'\nexport default ${chain}\n`)
    const refused: unknown = await bundleJob(path).catch((error: unknown) => error)
    expect(describeError(refused)).toMatch(/job\.ts throws when it is imported at .*job\.ts:2:\d+\n {2}No such step stands there: .*\nbecause: .*\.\w+ is not a function$/)
  })

  test('bundle, a job that its builder refuses → what the builder says, and no advice about imports', async () => {
    const path = file('job.ts', "import { job, json, stdoutSink, topic } from 'tidemark'\nexport default job('a').source('in', topic('in', { value: json() })).map(async (one) => one).sink('out', stdoutSink())")
    const refused: unknown = await bundleJob(path).catch((error: unknown) => error)
    expect(describeError(refused)).toMatch(/^JOB_FILE_INVALID: the job that .*job\.ts builds is refused at .*job\.ts:2:70\nbecause: JOB_ASYNC_FUNCTION: .*the function is async\n {2}User functions are synchronous/)
  })
})
