// The README's walk through a cluster of containers, typed word by word; each executor killed once on the way, and the output counted anew from the input.
import { afterAll, describe, expect, test } from '@jest/globals'
import { execFile, spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { grpcurlProgram } from '../../deploy/services/tools.ts'
import { linesOf, readmeSection } from '../docs/readme-section.ts'
import { describeWhere, readCommitted } from '../services/index.ts'
import { composeMissing } from './docker.ts'

const ROOT = join(import.meta.dirname, '../..')
const BROKERS = '127.0.0.1:29092'
const DETECTED_MS_MAX = 500
const HEARTBEAT_MS = 250
const HEARTBEATS_LATE = 2
const WAIT_MS_MAX = 120_000
const LINE_MS_MAX = 900_000
const TEST_MS_MAX = 1_800_000

const { blocks } = readmeSection('On a cluster', 'sh,sh,sh,sh,sh')
/** The store's volume as one that ran as root leaves it: `down` and `up` of another version go on where it was. */
const ROOTS_VOLUME = 'docker compose run --rm --no-deps --no-TTY --user 0:0 --entrypoint mkdir store-folder -p /data/.minio.sys/tmp < /dev/null'
const [up = [], jobs = [], load = [], executorKilled = [], driverKilled = []] = blocks.map(linesOf)

interface Answer {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** `export` lines hold for all that is typed after them, as in a terminal. */
const exported: string[] = []
// A project of its own: what somebody keeps in the volumes of theirs is not touched. Ports are the same, so only one can be up.
const env = { ...process.env, COMPOSE_PROJECT_NAME: 'tidemark-walk', PATH: `${join(grpcurlProgram(), '..')}:${process.env['PATH']}` }
const type = (line: string): Promise<Answer> => new Promise((resolve) => {
  if (line.startsWith('export ')) exported.push(line)
  const child = execFile('sh', ['-c', [...exported, line].join('\n')], { cwd: ROOT, env, timeout: LINE_MS_MAX, maxBuffer: 1024 ** 3 }, (_error, out, err) => resolve({ code: child.exitCode, out, err }))
})
const typed = async (line: string | undefined): Promise<string> => {
  if (line === undefined) throw new Error('the README has fewer lines than this test types')
  const { code, out, err } = await type(line)
  if (code !== 0) throw new Error(`${line} ended with ${code}:\n${out}${err}`)
  return out
}
const typedAll = async (lines: readonly string[]): Promise<string[]> => {
  const answers: string[] = []
  for (const line of lines) answers.push(await typed(line))
  return answers
}

const until = async <T>(what: string, look: () => Promise<T | undefined>): Promise<T> => {
  const end = performance.now() + WAIT_MS_MAX
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error(`not in ${WAIT_MS_MAX} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

interface Described {
  readonly summary: { readonly tasks: number, readonly tasksRunning: number, readonly lag: number }
  readonly tasks: readonly { readonly totals?: { readonly emitted: number } }[]
}
interface Happened {
  readonly event: string
  readonly at: number
  readonly message: string
  readonly facts: { readonly label?: string, readonly reason?: string, readonly silentMs?: number, readonly tasks?: number }
}
/** A machine that is busy with this may cost the leader its lease: nobody answers (exit code 3) until the other one leads. */
const cli = (args: string): Promise<string> => until(`an answer to ${args}`, async () => {
  const { code, out, err } = await type(`npm run --silent tidemark -- ${args}`)
  if (code === 3) return undefined
  if (code !== 0) throw new Error(`${args} ended with ${code}:\n${out}${err}`)
  return out
})
const described = async (job: string): Promise<Described> => JSON.parse(await cli(`describe ${job} --json`)) as Described
/** What the leader of now has seen since then, on this machine's clock. */
const happened = async (since: number): Promise<Happened[]> => (await cli('events --json')).split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Happened).filter(({ at }) => at >= since)
const death = async (label: string, since: number): Promise<Happened | undefined> => (await happened(since)).find(({ event, facts }) => event === 'executor.dead' && facts.label === label)
const allRun = (job: string) => until(`all tasks of ${job} run`, async () => {
  const answer = await described(job)
  return answer.summary.tasks > 0 && answer.summary.tasks === answer.summary.tasksRunning ? answer : undefined
})

/**
 * When Docker says that it killed the container, ms, on the clock that the drivers have. It says so behind the signal (within 10 ms of the death of process 1, where that was measured), so a detection may look a little shorter than
 * it was; what bounds that is the time since it was last heard.
 */
const killedAt = async (container: string, since: number): Promise<number> => {
  const said = (await typed(`docker events --since ${since / 1_000} --until ${Date.now() / 1_000} --filter container=${container} --filter event=kill --format '{{.TimeNano}}'`)).split('\n').filter((line) => line !== '')
  if (said.length !== 1) throw new Error(`Docker tells of ${said.length} kills of ${container}, one was wanted`)
  return Number(BigInt(said[0] ?? '') / 1_000_000n)
}

/** The time since it was last heard has up to a heartbeat in it in which it lived, on a busy machine two. */
const detected = async (label: string, kill: () => Promise<unknown>): Promise<void> => {
  await allRun('running-totals')
  await allRun('revenue')
  const container = (await typed(`docker compose ps --quiet ${label}`)).trim()
  const since = Date.now()
  await kill()
  const { at, facts } = await until(`${label} is taken for dead`, () => death(label, since))
  const tookMs = at - await killedAt(container, since)
  console.log(`${label}: ${facts.reason}; ${tookMs} ms after the kill, ${facts.silentMs} ms after it was last heard, ${facts.tasks} tasks move`)
  expect(tookMs).toBeLessThanOrEqual(DETECTED_MS_MAX)
  expect(facts.silentMs).toBeLessThanOrEqual(DETECTED_MS_MAX + HEARTBEATS_LATE * HEARTBEAT_MS)
  const recovered = await until(`all tasks of ${label} run elsewhere`, async () => {
    const found = (await happened(at)).filter(({ event, message }) => event === 'task.running' && message.includes(`executor ${label} is dead`))
    return found.length >= (facts.tasks ?? 0) ? found : undefined
  })
  console.log(recovered.map(({ message }) => message).join('\n'))
}

interface Total {
  readonly user: string
  readonly orders: number
  readonly total: number
}

/** What the job is for, in five lines that share nothing with it. */
const counted = async (): Promise<Map<string, Total[]>> => {
  const found = new Map<string, Total[]>()
  for (const { payload } of await readCommitted(BROKERS, 'orders')) {
    const { user, amount } = JSON.parse(payload ?? '') as { user: string, amount: number }
    const before = found.get(user) ?? []
    found.set(user, [...before, { user, orders: before.length + 1, total: (before.at(-1)?.total ?? 0) + amount }])
  }
  return found
}
const putOut = async (): Promise<Map<string, Total[]>> =>
  Map.groupBy((await readCommitted(BROKERS, 'running-totals')).map(({ payload }) => JSON.parse(payload ?? '') as Total), ({ user }) => user)

describeWhere(composeMissing === undefined, 'compose', composeMissing ?? '', () => {
  describe('the walk of the README', () => {
    afterAll(() => {
      spawnSync('docker', ['compose', '--profile', 'demo', 'down', '--volumes'], { cwd: ROOT, env, stdio: 'ignore' })
      rmSync(join(ROOT, 'submit.ndjson'), { force: true })
    }, LINE_MS_MAX)

    test('compose, every line of the README, on a store\'s volume that is root\'s → as it says: executors killed are noticed within 500 ms, nothing is lost or doubled', async () => {
      await typed(ROOTS_VOLUME)
      await typedAll(up)
      const submitted = (await typedAll(jobs)).join('')
      expect(submitted).toMatch(/"job": "running-totals",\s+"run": "1",\s+"outcome": "created"/)
      expect(submitted).toMatch(/^revenue, run 1, is submitted$/m)

      const seen = (await typedAll(load)).at(-1) ?? ''
      expect(seen.trimEnd().split('\n').map((line) => JSON.parse(line) as Total)).toHaveLength(20)

      // The job of the profile is the one that runs: given again, by another machine, it changes nothing.
      const job = await until('the job of the profile is given', async () => {
        const container = await typed('docker compose ps --all --format json demo-job')
        return container.includes('"State":"exited"') ? container : undefined
      })
      expect(job).toContain('"ExitCode":0')
      expect(await typed('docker compose logs --no-log-prefix demo-job')).toMatch(/^running-totals, run 1, is the same as what runs; nothing was changed$/m)
      const processes = await typed('docker compose top')
      expect(processes).toContain('tidemark')
      expect(processes).not.toMatch(/\broot +\d+ +\d+ /)

      // The lines of the README around a kill of one, then the same for the others.
      const [kill, describes, bringBack] = executorKilled
      for (const label of ['executor-1', 'executor-2', 'executor-3']) {
        await detected(label, () => typed(kill?.replace('executor-1', label)))
        const table = await typed(describes)
        expect(table).toMatch(new RegExp(`^${label}\\s+dead\\s.*, probe `, 'm'))
        expect(table).toMatch(/^last recovery of each task$/m)
        await typed(bringBack?.replace('executor-1', label))
      }
      // The child of process 1 is the command; its own child is the executor.
      await allRun('running-totals')
      const crashedAt = Date.now()
      await typed('docker compose exec executor-1 sh -c \'read -r command others < /proc/1/task/1/children; kill -9 $(cat /proc/$command/task/$command/children)\'')
      await until('a crashed executor is dead', () => death('executor-1', crashedAt))
      await until('its container is started again', async () => /^executor-1\s+alive/m.test(await typed(executorKilled[1])) ? true : undefined)

      expect(await typed(driverKilled[0])).toBe('')
      const since = performance.now()
      await until('the other driver leads', async () => (await type('npm run --silent tidemark -- jobs')).code === 0 ? true : undefined)
      console.log(`the other driver answers ${Math.round(performance.now() - since)} ms later`)
      await allRun('running-totals')
      const [, , audited = ''] = await typedAll(driverKilled.slice(1, 4))
      expect(audited).toMatch(/^balanced: 0 lost, 0 doubled$/m)

      await typed(driverKilled[4])
      const written = await until('everything written is processed', async () => {
        const inputs = (await readCommitted(BROKERS, 'orders')).length
        const { tasks } = await described('running-totals')
        return tasks.every(({ totals }) => totals !== undefined) && tasks.reduce((sum, { totals }) => sum + (totals?.emitted ?? 0), 0) === inputs ? inputs : undefined
      })
      const [output, input] = [await putOut(), await counted()]
      expect([...output.values()].reduce((sum, { length }) => sum + length, 0)).toBe(written)
      expect(Object.fromEntries(output)).toEqual(Object.fromEntries(input))
      for (const job of ['running-totals', 'revenue']) expect(await cli(`audit ${job}`)).toMatch(/^balanced: 0 lost, 0 doubled$/m)
      console.log(`${written} orders in, ${written} totals out, of ${input.size} users: each as counted from the input`)

      await typed(driverKilled[5])
      expect((await type('docker compose ps --all --quiet')).out).toBe('')
    }, TEST_MS_MAX)
  })
})
