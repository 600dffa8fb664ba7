// The package as somebody gets it: packed, installed in an empty folder, and every command of the README's first five minutes typed there.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pack } from '../../../deploy/package/pack.ts'
import { describeWith } from '../../services/index.ts'
import { recorded } from '../../services/run-folder.ts'
import { deadLinks } from './links.ts'
import { firstFiveMinutes } from './readme.ts'

const TSC = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url))
const TIMEOUT_MS = 240_000
const walk = firstFiveMinutes()

let work: string
let folder: string
let env: Record<string, string | undefined>
const seconds: string[] = []

const timed = async <T>(what: string, act: () => T | Promise<T>): Promise<T> => {
  const from = performance.now()
  const answer = await act()
  seconds.push(`${what} ${((performance.now() - from) / 1_000).toFixed(1)} s`)
  return answer
}

interface Answer {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** One line, as a person types it. */
const type = (line: string): Promise<Answer> => new Promise((resolve) => {
  const child = execFile('sh', ['-c', line], { cwd: folder, env }, (_error, out, err) => resolve({ code: child.exitCode, out, err }))
})
const checkTypes = (file: string): Promise<Answer> => new Promise((resolve) => {
  const child = execFile(process.execPath, [TSC, '--ignoreConfig', '--noEmit', '--strict', '--exactOptionalPropertyTypes', '--module', 'nodenext', '--target', 'es2024', file], { cwd: folder }, (_error, out, err) => resolve({ code: child.exitCode, out, err }))
})

describe('first five minutes: the README', () => {
  test('first five minutes, the job → ten lines at most', () => {
    expect(walk.jobFile.text.trimEnd().split('\n').length).toBeLessThanOrEqual(10)
  })
})

describeWith(['registry'], 'first five minutes', () => {
  let tarball: string

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'tidemark-first-'))
    folder = join(work, 'empty')
    mkdirSync(folder)
    const port = await new Promise<number>((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => {
        const { port } = server.address() as AddressInfo
        server.close(() => resolve(port))
      })
    })
    // A terminal of somebody else: not the Node that npm installed here, none of our settings.
    env = {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:TIDEMARK_|npm_(?!config_(?:registry|cafile|cache)$)|NODE_|FORCE_COLOR$|INIT_CWD$)/i.test(name))),
      PATH: (process.env['PATH'] ?? '').split(delimiter).filter((place) => !place.includes('node_modules') && !place.includes('node-gyp-bin')).join(delimiter),
      TIDEMARK_DRIVER: `127.0.0.1:${port}`, npm_config_prefer_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false',
    }
    tarball = await timed('pack', () => pack(work))
    const installed = await timed('install', () => type(walk.install.replace('/path/to', work)))
    if (installed.code !== 0) throw new Error(`${walk.install} failed:\n${installed.err}`)
    writeFileSync(join(folder, walk.jobFile.name), walk.jobFile.text)
  }, TIMEOUT_MS)
  afterAll(() => rmSync(work, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))

  test('package, what is in it → compiled code, types, proto files, README, docs, examples and license; no sources, no tests; no link that leads nowhere', () => {
    const names = execFileSync('tar', ['tzf', tarball], { encoding: 'utf8' }).trim().split('\n').map((name) => name.replace(/^package\//, ''))
    const kinds = new Set(names.map((name) => name.replace(/^dist\/types\/.*\.d\.ts$/, 'types').replace(/^dist\/[\w.-]+\.js$/, 'code').replace(/^proto\/.*\.proto$/, 'proto').replace(/^docs\/.*\.md$/, 'docs').replace(/^examples\/.*\.(?:ts|py|js)$/, 'examples')))
    expect([...kinds].toSorted()).toEqual(['LICENSE', 'README.md', 'code', 'docs', 'examples', 'package.json', 'proto', 'types'])
    expect(names.filter((name) => /test|simulation|conformance/.test(name))).toEqual([])
    expect(walk.install).toContain(tarball.slice(work.length))
    expect(deadLinks(join(folder, 'node_modules/tidemark'))).toEqual([])
  })

  test('the load that the README names, as it lies in the package → runs there', async () => {
    const { code, out } = await type('node node_modules/tidemark/examples/orders.js --rate 500 --count 2')
    expect([code, out.trim().split('\n').map((line) => Object.keys(JSON.parse(line) as object))]).toEqual([0, [['user', 'amount', 'ts'], ['user', 'amount', 'ts']]])
    expect(await type('node node_modules/tidemark/examples/orders.js --rates 500')).toMatchObject({ code: 2, err: expect.stringMatching(/^orders: Unknown option '--rates'/) })
  })

  test('types, the job of the README → right; a field that does not exist → found', async () => {
    expect(await timed('types', () => checkTypes(walk.jobFile.name))).toEqual({ code: 0, out: '', err: '' })
    writeFileSync(join(folder, 'wrong.ts'), walk.jobFile.text.replace('order.amount)', 'order.amuont)'))
    expect(await checkTypes('wrong.ts')).toMatchObject({ code: 1, out: expect.stringMatching(/^wrong\.ts\(.*'amuont' does not exist on type 'Order'/) })
  })

  test('tidemark/kafkajs, in that folder → typed, and repairs the kafkajs that the file there would import', async () => {
    const repair = "import { repairKafkajs } from 'tidemark/kafkajs'\nrepairKafkajs(import.meta.url)\n"
    writeFileSync(join(folder, 'typed.mts'), repair)
    expect(await checkTypes('typed.mts')).toEqual({ code: 0, out: '', err: '' })
    writeFileSync(join(folder, 'typed.mts'), repair.replace('import.meta.url', ''))
    expect(await checkTypes('typed.mts')).toMatchObject({ code: 1, out: expect.stringMatching(/Expected 1 argument/) })
    writeFileSync(join(folder, 'reader.mjs'), `import { createRequire } from 'node:module'\nconst { prototype } = createRequire(import.meta.url)('kafkajs/src/broker')\nconst before = prototype.fetch\n${repair}console.log(before !== prototype.fetch)\n`)
    expect(await type('node reader.mjs')).toEqual({ code: 0, out: 'true\n', err: '' })
  })

  test('first five minutes, every command → what the README shows', async () => {
    for (const line of walk.before) expect(await timed(line, () => type(line))).toEqual({ code: 0, out: expect.any(String), err: '' })
    let said = ''
    const cluster = recorded(spawn('sh', ['-c', walk.cluster], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true }))
    const ended = new Promise<void>((resolve) => cluster.on('close', () => resolve()))
    let over = false
    void ended.then(() => { over = true })
    for (const stream of [cluster.stdout, cluster.stderr]) stream.on('data', (piece) => { said += String(piece) })
    try {
      await timed(`${walk.cluster}: all tasks run`, async () => {
        for (;;) {
          const { code, out } = await type('npx tidemark describe totals --json')
          const { tasks, tasksRunning } = code === 0 ? (JSON.parse(out) as { summary: { tasks: number, tasksRunning: number } }).summary : { tasks: 0, tasksRunning: 0 }
          if (tasks > 0 && tasks === tasksRunning) return
          if (over) throw new Error(`it ended by itself:\n${said}`)
        }
      })
      const printed = await timed('orders in, totals out', async () => {
        let all = ''
        for (const line of walk.after) {
          const { code, out, err } = await type(line)
          expect([line, code, err]).toEqual([line, 0, ''])
          all += out
        }
        return all
      })
      expect(printed).toBe(walk.seen)
      // As a terminal does it: to all of the group.
      process.kill(-(cluster.pid ?? 0), 'SIGINT')
      await timed('Ctrl-C', () => ended)
      expect(said).toMatch(/draining/)
    } finally {
      if (!over) process.kill(-(cluster.pid ?? 0), 'SIGTERM')
      await ended
    }
    expect((await type('npx tidemark jobs')).code).toBe(3)
    console.log(`first five minutes: ${seconds.join(', ')}`)
  }, TIMEOUT_MS)
})
