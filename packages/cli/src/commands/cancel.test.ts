// tidemark cancel: what it asks for, how it waits, what it says.
import { expect, test } from '@jest/globals'
import type { CancelMode, JobSummary } from '@tidemark/wire'
import { exitCodeOf, interruption } from '../exit.ts'
import { DESCRIPTION, fakeJobs, printed, quickClock, SUMMARY, testContext } from '../test-context.ts'
import { cancelJob } from './jobs.ts'

const OPTIONS = { now: false, wait: true, timeoutMs: 60_000 }

/** A driver whose job is in these states, one after the other. */
const driver = (states: readonly Partial<JobSummary>[], asked: (CancelMode | undefined)[] = []) => {
  const left = [...states]
  return fakeJobs({
    cancel: async (job, mode) => {
      asked.push(mode)
      return { job, run: 3, state: 'draining' }
    },
    describe: async () => ({ ...DESCRIPTION, summary: { ...SUMMARY, ...left.length > 1 ? left.shift() : left[0] } }),
  })
}

test('cancel → it is drained, waited for, and the checkpoint to go on from is told', async () => {
  const asked: (CancelMode | undefined)[] = []
  const context = (json: boolean) => {
    const client = driver([{ state: 'draining' }, { state: 'cancelling' }, { state: 'cancelled', finalCheckpoint: 8 }], asked)
    return testContext({ clock: quickClock(), json, openJobs: () => client })
  }
  const [people, machine] = [context(false), context(true)]
  await cancelJob(people, 'revenue', OPTIONS)
  await cancelJob(machine, 'revenue', { ...OPTIONS, now: true })
  expect(people.out).toEqual(['revenue, run 3: cancelled. The name is free, its checkpoints are kept.', 'It was drained: `tidemark submit <job file> --from 8` goes on exactly where it ended.'])
  expect(printed(machine)).toEqual([{ job: 'revenue', run: 3, state: 'cancelled', finalCheckpoint: 8 }])
  expect(asked).toEqual(['drain', 'now'])
})

test.each<[string, readonly Partial<JobSummary>[], string, RegExp]>([
  ['it takes too long', [{ state: 'draining', reason: '2 of 2 tasks wait: there is no executor' }], 'CLI_CANCEL_TIMEOUT', /still draining after .+: 2 of 2 tasks wait/],
  ['it fails', [{ state: 'draining' }, { state: 'failed', reason: 'no broker answers' }], 'CLI_DRAIN_FAILED', /no broker answers/],
  ['somebody submits it again', [{ state: 'running', run: 4 }], 'CLI_OTHER_RUN', /run 4 of it is running/],
])('cancel, %s → said, with what to do; exit code 1', async (_what, states, code, message) => {
  const client = driver(states)
  const error: unknown = await cancelJob(testContext({ clock: quickClock(), openJobs: () => client }), 'revenue', OPTIONS).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code, hint: expect.stringContaining('tidemark'), message: expect.stringMatching(message) })
  expect(exitCodeOf(error)).toBe(1)
})

test('cancel, a drain that takes longer than 3 s → said once what it waits for, and what ends it without; a quick one says nothing', async () => {
  const waits = (count: number) => Array.from({ length: count }, () => ({ state: 'draining' as const, reason: '8 of 8 tasks wait: no slot is free' }))
  const context = (states: readonly Partial<JobSummary>[]) => {
    const client = driver([...states, { state: 'cancelled' }])
    return testContext({ clock: quickClock(), openJobs: () => client })
  }
  const [slow, quick] = [context(waits(90)), context(waits(20))]
  for (const one of [slow, quick]) await cancelJob(one, 'revenue', OPTIONS)
  expect(slow.notes).toEqual(['revenue is draining: 8 of 8 tasks wait: no slot is free. `tidemark cancel revenue --now` ends it without a last checkpoint.'])
  expect(quick.notes).toEqual([])
})

test('cancel --no-wait → asked for, and that is all', async () => {
  const context = testContext({ openJobs: () => driver([]) })
  await cancelJob(context, 'revenue', { ...OPTIONS, wait: false })
  expect(context.out).toEqual(['revenue, run 3: draining. Its checkpoints are kept; the name is free when it is cancelled.'])
})

test.each([['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const)('cancel, interrupted by %s → it goes on without you, exit code %i', async (signal, code) => {
  const error: unknown = await cancelJob(testContext({ clock: quickClock(), openJobs: () => driver([{ state: 'draining' }]), signal: AbortSignal.abort(interruption(signal)) }), 'revenue', OPTIONS).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'CLI_INTERRUPTED', message: 'revenue is draining: that goes on without you' })
  expect(exitCodeOf(error)).toBe(code)
})

test('cancel, interrupted while a driver hangs → it ends at once', async () => {
  const interrupt = new AbortController()
  const hangs = fakeJobs({ cancel: async (job) => ({ job, run: 3, state: 'draining' }), describe: () => {
    setImmediate(() => interrupt.abort(interruption('SIGINT')))
    return new Promise(() => {})
  } })
  await expect(cancelJob(testContext({ clock: quickClock(), openJobs: () => hangs, signal: interrupt.signal }), 'revenue', OPTIONS)).rejects.toMatchObject({ code: 'CLI_INTERRUPTED' })
})
