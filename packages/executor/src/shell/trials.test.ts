// Throw-away processes from their start to their verdict: played on virtual time, with a real file for their last word, and one that is real.
import { afterEach, expect, test } from '@jest/globals'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { jobId, realClock, silentLogger, stageId } from '@tidemark/base'
import type { TrialOutcome, TrialRequest, TrialWord } from '@tidemark/runtime'
import { VirtualClock } from '@tidemark/testkit'
import { wordWriter } from '../slot/word-file.ts'
import { trialProcesses } from './trials.ts'
import type { ToTrial } from './trials.ts'

const requestOf = (partition: number): TrialRequest => ({ task: { job: jobId('j'), run: 1, stage: stageId(0), partition }, generation: { epoch: 1, counter: 1 }, claimOffset: 0, setAside: [] })
const inOne: TrialWord = { kind: 'in', subject: { name: 'n0 in/0@7', node: 'n0' }, memoryUsed: 0.1 }

interface Played {
  readonly told: ToTrial
  readonly words: ReturnType<typeof wordWriter>
  kills: number
  end(code: number | null, signal: NodeJS.Signals | null): void
  fail(error: Error): void
}

const setUp = ({ residentBytes = 0, cannotStart = false } = {}) => {
  const clock = new VirtualClock()
  const started: Played[] = []
  const trial = trialProcesses({ clock, logger: silentLogger, stuckMs: 1_000, memoryBytesMax: 100 }, (told) => {
    if (cannotStart) throw new Error('no process is left')
    const { promise, resolve, reject } = Promise.withResolvers<{ readonly code: number | null, readonly signal: NodeJS.Signals | null }>()
    const played: Played = { told, words: wordWriter(told.words), kills: 0, end: (code, signal) => resolve({ code, signal }), fail: reject }
    started.push(played)
    const kill = (): void => {
      played.kills += 1
      played.end(null, 'SIGKILL')
    }
    return { residentBytes: () => residentBytes, kill, ended: promise }
  })
  const outcomes: TrialOutcome[] = []
  const run = (partition = 0): void => void trial(requestOf(partition)).then((outcome) => outcomes.push(outcome))
  return { clock, started, outcomes, run }
}

/** The one that was started last. */
const newest = (started: readonly Played[]): Played => {
  const played = started.at(-1)
  if (played === undefined) throw new Error('none was started')
  return played
}

test('it comes through → passed; its folder is gone, and it is looked at no more', async () => {
  const { clock, started, outcomes, run } = setUp()
  run()
  await clock.advance(200)
  const one = newest(started)
  expect([one.told.request, existsSync(one.told.words)]).toEqual([requestOf(0), true])
  one.words.say(inOne)
  one.words.close()
  one.end(0, null)
  await clock.settle()
  expect([outcomes, existsSync(dirname(one.told.words)), clock.nextAt]).toEqual([[{ kind: 'passed' }], false, undefined])
})

test('it dies in a record → of its last word', async () => {
  const { clock, started, outcomes, run } = setUp()
  run()
  await clock.settle()
  newest(started).words.say({ kind: 'preparing' })
  newest(started).words.say(inOne)
  newest(started).end(null, 'SIGSEGV')
  await clock.settle()
  expect(outcomes).toEqual([{ kind: 'died', subject: { name: 'n0 in/0@7', node: 'n0' }, why: 'killed by SIGSEGV', certain: true }])
})

test('it does not come back out of a record → killed, and the record is blamed for certain', async () => {
  const { clock, started, outcomes, run } = setUp()
  run()
  await clock.settle()
  newest(started).words.say(inOne)
  await clock.advance(1_000)
  expect(newest(started).kills).toBe(0)
  await clock.advance(200)
  expect([newest(started).kills, outcomes]).toEqual([1, [{ kind: 'died', subject: { name: 'n0 in/0@7', node: 'n0' }, why: 'it did not come back for 1000 ms', certain: true }]])
})

test('it takes more memory than it may → killed; a record that came when half of it was taken is not blamed', async () => {
  for (const memoryUsed of [0.1, 0.6]) {
    const { clock, started, outcomes, run } = setUp({ residentBytes: 101 })
    run()
    await clock.settle()
    newest(started).words.say({ ...inOne, memoryUsed })
    await clock.advance(50)
    expect([newest(started).kills, outcomes]).toEqual([1, [expect.objectContaining({ kind: memoryUsed > 0.5 ? 'leaked' : 'died', why: 'it took 101 bytes of memory, 100 are allowed' })]])
  }
})

test('several are asked for at once → one after the other, each in a folder of its own', async () => {
  const { clock, started, outcomes, run } = setUp()
  for (const partition of [0, 1, 2]) run(partition)
  for (const partition of [0, 1, 2]) {
    await clock.advance(500)
    expect([started.length, newest(started).told.request.task.partition]).toEqual([partition + 1, partition])
    newest(started).end(1, null)
  }
  await clock.settle()
  expect([outcomes.length, new Set(started.map(({ told }) => told.words)).size]).toEqual([3, 3])
})

test('it can not be started, or says later that it could not be → untried, and the next one is tried', async () => {
  const none = setUp({ cannotStart: true })
  none.run()
  await none.clock.settle()
  expect(none.outcomes).toEqual([{ kind: 'untried', why: 'no process is left' }])

  const { clock, started, outcomes, run } = setUp()
  run()
  run()
  await clock.settle()
  newest(started).words.say(inOne)
  newest(started).fail(new Error('spawn EAGAIN'))
  await clock.settle()
  expect([outcomes, existsSync(dirname(started[0]?.told.words ?? '')), started.length]).toEqual([[{ kind: 'untried', why: 'spawn EAGAIN' }], false, 2])
  newest(started).end(0, null)
  await clock.settle()
  expect(outcomes).toHaveLength(2)
})

const before = { ...process.env }
let folder: string | undefined
afterEach(() => {
  process.env = { ...before }
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
})

test('a real one, told of a run that is not there → it ends, and is untried', async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-no-run-'))
  process.env = { ...before, TIDEMARK_DIR: folder, TIDEMARK_LOG_LEVEL: 'error' }
  const trial = trialProcesses({ clock: realClock, logger: silentLogger, stuckMs: 30_000, memoryBytesMax: Infinity })
  // One that is told nothing never ends.
  expect(await trial(requestOf(0))).toEqual({ kind: 'untried', why: 'exited with 1' })
}, 60_000)
