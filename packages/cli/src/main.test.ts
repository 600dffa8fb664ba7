// The command line as a process: exit codes, what goes to stdout and what to stderr.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock, TidemarkError } from '@tidemark/base'
import { openLocalLog } from '@tidemark/log-local'
import { serveJobs } from '@tidemark/wire'
import type { Serving } from '@tidemark/wire'
import { mainOf } from './cluster/child.ts'
import { DESCRIPTION, EVENT, SUMMARY } from './test-context.ts'
import { EXAMPLES } from './usage.ts'

/** Without what would change the answers. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:TIDEMARK_|FORCE_COLOR$|NO_COLOR$)/.test(name)))
const unknown = (job: string): never => {
  throw new TidemarkError(`there is no job "${job}"`, { code: 'JOB_UNKNOWN', blame: 'user', action: 'fail-job', job })
}
let onSlow = (): unknown => undefined
/** A job that is being drained for ever; asking for it tells that somebody waits. */
const slow = () => {
  onSlow()
  return { ...DESCRIPTION, summary: { ...SUMMARY, job: 'slow', state: 'draining' as const } }
}
let folder: string
let driver: Serving
let nobody: string

const MISSPELLED = { TIDEMARK_SLOT_HAEP: '512' }
const REMARK = 'TIDEMARK_SLOT_HAEP is set, and is no setting. Did you mean TIDEMARK_SLOT_HEAP?'

interface Answer { readonly code: number | null, readonly out: string, readonly err: string }

const run = (args: readonly string[], env: Record<string, string> = {}, input = '', cwd = folder): Promise<Answer> => new Promise((resolve) => {
  const child = execFile(process.execPath, [join(import.meta.dirname, 'start.js'), ...args], {
    cwd, env: { ...environment, TIDEMARK_DIR: folder, TIDEMARK_DRIVER: driver.address, ...env }, timeout: 20_000,
  }, (_error, out, err) => resolve({ code: child.exitCode, out, err }))
  child.stdin?.end(input)
})

/** One for each core at a time: most of what a command takes is its start. */
const runAll = async (commands: readonly (() => Promise<Answer>)[]): Promise<Answer[]> => {
  const answers: Answer[] = []
  const left = commands.entries()
  await Promise.all(Array.from({ length: availableParallelism() }, async () => {
    for (const [at, command] of left) answers[at] = await command()
  }))
  return answers
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-cli-'))
  const log = openLocalLog({ path: join(folder, 'log.db'), clock: realClock })
  await log.createTopics([{ topic: 'orders', partitions: 1 }])
  await log.close()
  driver = await serveJobs({
    address: '127.0.0.1:0',
    jobs: {
      submit: async () => ({ job: 'revenue', run: 1, outcome: 'created', notes: ['starts empty'] }), list: async () => [SUMMARY], describe: async (job) => job === 'revenu' ? unknown(job) : job === 'slow' ? slow() : DESCRIPTION,
      cancel: async (job) => ({ job, run: 3, state: job === 'slow' ? 'draining' : 'cancelled' }), watchEvents: async (_request, emit) => emit(EVENT),
    },
  })
  // A port that was free a moment ago.
  nobody = await new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(`127.0.0.1:${port}`))
    })
  })
})
afterAll(async () => {
  await driver.close()
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
})

describe('main', () => {
  test('main, commands that are done → 0, the answer on stdout, nothing on stderr', async () => {
    const answers = await Promise.all([['jobs', '--json'], ['describe', 'revenue', '--json'], ['cancel', 'revenue', '--json'], ['events', '--json'], ['topics', '--json'], ['--help']].map((args) => run(args)))
    expect(answers.map(({ code, err }) => [code, err])).toEqual(answers.map(() => [0, '']))
    expect(answers.slice(0, 4).map(({ out }) => JSON.parse(out) as unknown)).toEqual([[SUMMARY], DESCRIPTION, { job: 'revenue', run: 3, state: 'cancelled' }, EVENT])
    expect(answers.at(-1)?.out).toMatch(/dev .*submit .*jobs .*describe .*cancel .*events .*topics .*write .*read .*audit .*doctor .*driver .*executor .*demo/s)
  })

  test('main, --version → the number of the package, and 0', async () => {
    expect(await run(['--version'])).toEqual({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), err: '' })
  })

  test('main, write by stdin and read back → 0 and the same lines', async () => {
    const written = await run(['write', 'orders', '--key', 'user', '--json'], {}, '{"user":"ann"}\n{"user":"bob"}\n')
    expect([written.code, JSON.parse(written.out)]).toEqual([0, { topic: 'orders', records: 2, partitions: [{ partition: 0, records: 2, firstOffset: 0 }] }])
    expect(await run(['read', 'orders'])).toEqual({ code: 0, out: '{"user":"ann"}\n{"user":"bob"}\n', err: '' })
  })

  const WRONG = [
    ['failed', 1, ['read', 'nothing'], {}, /^CLI_TOPIC_MISSING: .*\n {2}Make nothing with/],
    ['a job file that is none', 1, ['submit', 'nowhere.ts'], {}, /^JOB_FILE_INVALID/],
    ['several drivers for dev, which starts one', 2, ['dev', 'nowhere.ts', '--driver', 'a:1,b:2'], {}, /^CLI_USAGE: dev starts one driver, and a:1,b:2 names more/],
    ['an unknown command', 2, ['frobnicate'], {}, /unknown command/],
    ['a command that is nearly one', 2, ['desribe', 'revenue'], {}, /Did you mean describe\?/],
    ['a flag that is nearly one', 2, ['jobs', '--jsno'], {}, /Did you mean --json\?/],
    ["a driver's flag that is nearly one", 2, ['driver', '--heartbeat-timout', '1s'], {}, /Did you mean --heartbeat-timeout\?/],
    ['a driver whose flags do not fit each other', 2, ['driver', '--heartbeat-timeout', '1ms'], {}, /^SETTINGS_INVALID: .*TIDEMARK_HEARTBEAT_TIMEOUT \(1 ms\)/s],
    ['an executor whose flags are wrong, all of them', 2, ['executor', '--slots', 'none', '--slot-stuck', 'soon'], {}, /^SETTINGS_INVALID: .*--slots = "none".*--slot-stuck = "soon"/s],
    ['an argument that is missing', 2, ['cancel'], {}, /missing required argument 'job'\n\(tidemark cancel --help shows what it takes/],
    ['an argument of a command of a command that is missing', 2, ['topics', 'create', '--partitions', '1'], {}, /missing required argument 'topic'\n\(tidemark topics create --help shows/],
    ["a driver's flag that is none", 2, ['driver', '--colour'], {}, /\(tidemark driver --help shows/],
    ['no command', 2, [], {}, /Usage: tidemark/],
    ['a number that is none', 2, ['read', 'orders', '--count', 'many'], {}, /whole number/],
    ['an offset without its partition', 2, ['read', 'orders', '--from', '3'], {}, /^CLI_USAGE/],
    ['an address that is none', 2, ['topics', '--kafka', 'nonsense'], {}, /^SETTINGS_INVALID: .*--kafka = "nonsense": host:port/s],
    ["a driver's address that is none", 2, ['jobs', '--driver', 'nonsense'], {}, /^SETTINGS_INVALID: .*--driver = "nonsense": host:port/s],
    ['several addresses that are none', 2, ['doctor', '--s3-endpoint', 'minio:9000', '--redis', 'nonsense', '--s3-bucket', 'No'], {}, /^SETTINGS_INVALID: .*--s3-endpoint = "minio:9000": http.*--redis: redis.*--s3-bucket = "No"/s],
    ['no driver there', 3, ['jobs'], { TIDEMARK_DRIVER: 'nobody' }, /^WIRE_UNAVAILABLE: nobody answers at 127\.0\.0\.1:\d+: connect ECONNREFUSED 127\.0\.0\.1:\d+\n {2}Is a driver running\?.*--driver host:port.*\n$/],
    ["a driver's address without a port", 2, ['jobs', '--driver', '127.0.0.1'], {}, /^SETTINGS_INVALID: .*--driver = "127\.0\.0\.1": host:port.* is wanted/s],
    ['a job that nobody knows, asked for its events', 1, ['events', 'revenu'], {}, /^JOB_UNKNOWN: .*\n {2}Did you mean revenue\?/],
    ['a job that nobody knows, audited', 1, ['audit', 'revenu'], {}, /^AUDIT_JOB_UNKNOWN: .*revenu/],
    ['no cluster in the folder', 3, ['topics', '--dir', '/nowhere/at/all'], {}, /^CLI_NO_CLUSTER/],
    ['a job that nobody knows, audited with --json', 1, ['audit', 'revenu', '--json'], {}, /^AUDIT_JOB_UNKNOWN: .*revenu/],
    ['no cluster to audit, with --json', 3, ['audit', 'revenue', '--json', '--dir', '/nowhere/at/all'], {}, /^CLI_NO_CLUSTER/],
    ['a job file that is none, for dev with --json', 1, ['dev', 'nowhere.ts', '--json'], {}, /^JOB_FILE_INVALID/],
    ['a driver there already, for dev with --json', 1, ['dev', '--json'], {}, /^CLI_CLUSTER_RUNS/],
    ['a demo too short, with --json', 2, ['demo', '--seconds', '1', '--json'], {}, /whole number of at least 4/],
  ] as const
  describe('wrong', () => {
    let answers: Answer[]
    beforeAll(async () => {
      answers = await runAll(WRONG.map(([, , args, env]) => () => run(args, 'TIDEMARK_DRIVER' in env ? { TIDEMARK_DRIVER: nobody } : {})))
    }, 90_000)

    test.each(WRONG.map(([what, code, , , message], at) => [what, code, message, at] as const))('main, %s → %i, and why on stderr', (_what, code, message, at) => {
      expect([answers[at]?.code, answers[at]?.out]).toEqual([code, ''])
      expect(answers[at]?.err).toMatch(message)
    })
  })

  const NOBODY = [
    ['a driver, no broker there', ['driver', '--kafka', 'NOBODY'], /^LOG_UNAVAILABLE: .*127\.0\.0\.1/m],
    ['a driver, no object store there', ['driver', '--s3-endpoint', 'http://NOBODY', '--s3-access-key', 'a', '--s3-secret-key', 'b'], /^STORE_UNAVAILABLE: .*127\.0\.0\.1/m],
    ['a driver, no Redis there', ['driver', '--redis', 'redis://NOBODY'], /^LEASE_UNAVAILABLE: .*127\.0\.0\.1/m],
    ['an executor, no driver there', ['executor', '--driver', 'NOBODY', '--driver-wait', '1s'], /^EXECUTOR_NO_DRIVER: no driver answered in 1000 ms: 127\.0\.0\.1.*\n {2}Is one running/m],
  ] as const
  describe('nobody there', () => {
    let answers: Answer[]
    let places: string[]
    beforeAll(async () => {
      places = NOBODY.map(() => mkdtempSync(join(tmpdir(), 'tidemark-nobody-')))
      answers = await runAll(NOBODY.map(([, args], at) => () => run([...args.map((arg) => arg.replace('NOBODY', nobody)), '--dir', places[at] ?? '', ...args[0] === 'driver' ? ['--listen', '127.0.0.1:0'] : []], MISSPELLED)))
    }, 90_000)
    afterAll(() => {
      for (const place of places) rmSync(place, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    })

    test.each(NOBODY.map(([what, , message], at) => [what, message, at] as const))('main, %s → 3, and who did not answer', (_what, message, at) => {
      expect([answers[at]?.code, answers[at]?.err]).toEqual([3, expect.stringMatching(message)])
    })

    test('main, a driver or an executor with a variable that is nearly a setting → a warning in its log, once, and nowhere else', () => {
      for (const { out, err } of answers) {
        const lines = out.split('\n').filter((line) => line.includes('SLOT_HAEP')).map((line) => JSON.parse(line) as unknown)
        expect([lines, err]).toEqual([[expect.objectContaining({ level: 40, msg: 'settings.misspelled', remark: REMARK })], expect.not.stringContaining('SLOT_HAEP')])
      }
    })
  })

  test('main, a variable that is nearly a setting → any command says which one was meant, beside its answer or its error', async () => {
    const commands = [['jobs', '--json'], ['config', '--json'], ['topics', '--json'], ['submit', 'nowhere.ts'], ['dev', 'nowhere.ts']]
    const answers = await runAll(commands.map((args) => () => run(args, MISSPELLED)))
    expect(answers.map(({ code, err }) => [code, err.split('\n').slice(0, 2).map((line) => line.split(':')[0])])).toEqual([...[0, 0, 0].map((code) => [code, [REMARK, '']]), ...[1, 1].map((code) => [code, [REMARK, 'JOB_FILE_INVALID']])])
    expect(answers.slice(0, 3).every(({ out }) => Array.isArray(JSON.parse(out)))).toBe(true)
  })

  test.each([['SIGINT', 130], ['SIGTERM', 143]] as const)('main, %s while it waits → %i, and what goes on without it', async (signal, code) => {
    const answer = await new Promise<Answer>((resolve) => {
      const child = execFile(process.execPath, [join(import.meta.dirname, 'start.js'), 'cancel', 'slow'], { env: { ...environment, TIDEMARK_DRIVER: driver.address }, timeout: 20_000 }, (_error, out, err) => resolve({ code: child.exitCode, out, err }))
      onSlow = () => child.kill(signal)
    })
    expect(answer).toEqual({ code, out: '', err: expect.stringMatching(/^CLI_INTERRUPTED: slow is draining: that goes on without you\n/) })
  })

  test('main, no terminal → no colours, unless they are asked for; NO_COLOR → none in any case', async () => {
    const answers = await Promise.all([run(['jobs']), run(['jobs'], { FORCE_COLOR: '1' }), run(['jobs'], { FORCE_COLOR: '1', NO_COLOR: '1' }), run(['jobs'], { FORCE_COLOR: '1', NO_COLOR: '' })])
    expect(answers.map(({ out }) => out.includes('\u001B['))).toEqual([false, true, false, true])
  })

  test('main, a reader that has seen enough → no error', async () => {
    await run(['write', 'orders'], {}, '{"a":1}\n'.repeat(5_000))
    const answer = await new Promise<{ code: number | null, err: string }>((resolve) => {
      const child = execFile(process.execPath, [join(import.meta.dirname, 'start.js'), 'read', 'orders'], { env: { ...environment, TIDEMARK_DIR: folder } }, (_error, _out, err) => resolve({ code: child.exitCode, err }))
      child.stdout?.once('data', () => child.stdout?.destroy())
    })
    expect(answer).toEqual({ code: 0, err: '' })
  })

  test('main, a driver or an executor started by its own file, wrongly → 2 as well', async () => {
    const codes = await Promise.all((['driver', 'executor'] as const).map((main) => new Promise((resolve) => {
      const child = execFile(process.execPath, [mainOf(main), '--nonsense'], { env: environment }, (_error, _out, err) => resolve([child.exitCode, /^SETTINGS_INVALID: .*--nonsense/s.test(err)]))
    })))
    expect(codes).toEqual([[2, true], [2, true]])
  })

  test('main, --help of every command → examples, whose flags it has', async () => {
    const names = Object.keys(EXAMPLES)
    const answers = await runAll(names.map((name) => () => run([...name.split(' '), '--help'])))
    const helps = new Map(names.map((name, at) => [name, answers[at]?.out]))
    for (const [name, lines] of Object.entries(EXAMPLES)) {
      expect(helps.get(name)).toContain(`\nExamples:\n  tidemark ${lines[0]}\n`)
      for (const line of lines) {
        const command = names.filter((one) => `${line} `.startsWith(`${one} `)).toSorted((a, b) => b.length - a.length)[0] ?? 'none'
        for (const [flag] of line.matchAll(/--[\w-]+/g)) expect([line, helps.get(command)]).toEqual([line, expect.stringContaining(`${flag} `)])
      }
    }
    const { out } = await run(['--help'])
    expect([...out.matchAll(/^ {2}([a-z]+)\b.*/gm)].map(([, name]) => name).filter((name) => name !== 'help').toSorted()).toEqual(names.filter((name) => !name.includes(' ')).toSorted())
  }, 90_000)

  test('main, a tidemark.config.ts in the folder → used by commands and told by config; its mistakes end any of them with 2, all at once', async () => {
    const place = mkdtempSync(join(tmpdir(), 'tidemark-config-'))
    try {
      const file = join(place, 'tidemark.config.ts')
      writeFileSync(file, `const dir: string = ${JSON.stringify(folder)}\nexport default { dir, heartbeatTimeout: '3s' }\n`)
      const there = (args: readonly string[]) => run(args, { TIDEMARK_DIR: '' }, '', place)
      expect(await there(['topics', '--json'])).toMatchObject({ code: 0, err: '', out: expect.stringContaining('orders') })
      const { code, out, err } = await there(['config', '--json', '--driver', 'd:1', '--slots', '2'])
      expect([code, err]).toEqual([0, ''])
      expect(JSON.parse(out)).toEqual(expect.arrayContaining([
        expect.objectContaining({ setting: 'dir', value: folder, from: 'file', source: 'tidemark.config.ts' }), expect.objectContaining({ setting: 'heartbeatTimeout', value: 3_000, from: 'file' }),
        expect.objectContaining({ setting: 'driver', value: 'd:1', from: 'flag', source: '--driver' }), expect.objectContaining({ setting: 'slots', value: 2, from: 'flag', source: '--slots' }),
        expect.objectContaining({ setting: 'listen', from: 'default', source: null }),
      ]))
      writeFileSync(file, "export default { kafak: 'x:1', heartbeatTimeout: 'soon' }\n")
      for (const answer of await runAll([['jobs'], ['config'], ['driver', '--listen', 'x:1'], ['dev']].map((args) => () => there(args)))) {
        expect(answer).toEqual({ code: 2, out: '', err: expect.stringMatching(/^SETTINGS_INVALID: .*kafak in tidemark\.config\.ts is no setting\. Did you mean kafka\?\n.*heartbeatTimeout in tidemark\.config\.ts = "soon"/s) })
      }
      writeFileSync(file, "export default { heartbeatTimeout: '300ms', heartbeatInterval: '200ms' }\n")
      expect((await run(['config'], { TIDEMARK_HEARTBEAT_INTERVAL: '150ms' }, '', place)).err).toMatch(/heartbeatTimeout in tidemark\.config\.ts \(300 ms\) must be at least three times TIDEMARK_HEARTBEAT_INTERVAL \(150 ms\)/)
    } finally {
      rmSync(place, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    }
  })
})
