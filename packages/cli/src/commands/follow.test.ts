// describe --follow and submit --wait against a driver that is a few lines: redrawn, line by line, or JSON.
import { expect, test } from '@jest/globals'
import { fileURLToPath } from 'node:url'
import { TidemarkError } from '@tidemark/base'
import type { JobDescription, JobSummary, TaskDescription } from '@tidemark/wire'
import { exitCodeOf } from '../exit.ts'
import { DESCRIPTION, fakeJobs, printed, quickClock, SUMMARY, testContext } from '../test-context.ts'
import type { TestContext } from '../test-context.ts'
import { openTerminal } from '../terminal.ts'
import { followJob } from './follow.ts'
import { describeJob } from './jobs.ts'
import { submitJob } from './submit.ts'

const REVENUE = fileURLToPath(new URL('../../../../examples/revenue.ts', import.meta.url))

const of = (change: Partial<JobSummary>): JobDescription => ({ ...DESCRIPTION, tasks: [], summary: { ...SUMMARY, ...change } })
const away = new TidemarkError('nobody answers', { code: 'WIRE_UNAVAILABLE', blame: 'environment', action: 'retry' })

/** Answers one after the other; at the end of them the user leaves. */
const setUp = (answers: readonly (JobDescription | TidemarkError)[], json = false) => {
  const interrupt = new AbortController()
  const left = [...answers]
  const client = fakeJobs({ describe: async () => {
    const next = left.shift()
    if (next === undefined || left.length === 0) interrupt.abort()
    if (next instanceof Error) throw next
    return next ?? DESCRIPTION
  } })
  return testContext({ clock: quickClock(), json, signal: interrupt.signal, openJobs: () => client })
}

test('describe --follow, no terminal → a line when something changes, not for each answer; a leader that is away is said and waited for', async () => {
  const context = setUp([of({ tasksRunning: 1 }), of({ tasksRunning: 1, lag: 5 }), away, of({ tasksRunning: 2, lag: 0 }), of({ tasksRunning: 2 })])
  await describeJob(context, 'revenue', true)
  expect(context.out.map((line) => line.replace(/^\S+ +/, ''))).toEqual([expect.stringMatching(/^revenue run 3 running · .*lag 1,234/), expect.stringMatching(/^revenue run 3 running · .*lag 0/)])
  expect(context.notes).toEqual([expect.stringMatching(/no driver answers: nobody answers; it is asked again$/)])
})

test('describe --follow --json → each answer on a line, in the shape of describe --json', async () => {
  const context = setUp([of({ tasksRunning: 1 }), of({ tasksRunning: 2 }), of({ tasksRunning: 2 })], true)
  await describeJob(context, 'revenue', true)
  expect(printed(context).slice(0, 2)).toEqual([of({ tasksRunning: 1 }), of({ tasksRunning: 2 })])
})

test('the first question is not answered → that is an error, as everywhere', async () => {
  await expect(describeJob(setUp([away, away]), 'revenue', true)).rejects.toMatchObject({ code: 'WIRE_UNAVAILABLE' })
})

test('on a terminal → one picture, redrawn in place; it stays at the end, and what comes next stands below', async () => {
  let text = ''
  const stream = { isTTY: true, columns: 40, rows: 6, write: (piece: string) => { text += piece } }
  const context = { ...setUp([of({ lag: 1 }), of({ lag: 2 }), of({ lag: 3 })]), terminal: openTerminal(stream, stream, (_style, plain) => plain) }
  await followJob(context, 'revenue', ({ summary }) => summary.lag === 2)
  const frames = text.split('\r\u001B[4A\u001B[J')
  expect(frames.map((frame) => frame.split('\n').filter((line) => line.startsWith('lag')))).toEqual([['lag         1 record'], ['lag         2 records']])
  for (const line of text.replaceAll('\r\u001B[4A\u001B[J', '\n').split('\n')) expect(line.length).toBeLessThan(40)
  expect(text.endsWith('\n')).toBe(true)
})

const ESC = '\u001B'
/** A terminal of that size, and the frames that are drawn in it, as lines. */
const screen = (columns: number, rows: number) => {
  let text = ''
  const stream = { isTTY: true, columns, rows, write: (piece: string) => { text += piece } }
  return { terminal: openTerminal(stream, stream, (_style, plain) => plain), frames: () => text.split(new RegExp(`\\r(?:${ESC}\\[\\d+A)?${ESC}\\[J`)).map((frame) => frame.split('\n')) }
}

const MIB = 1024 * 1024
const NOW = quickClock().now()
const STEPS = { readMs: 4, fencedMs: 11, claimedMs: 15, loadedMs: 20, tailedMs: 26, firstCommitMs: 41, snapshot: { checkpoint: 7, keys: 1_100, bytes: 60 * MIB }, tailRecords: 120, tailBatches: 118, fencedIds: 1, remarks: [] } as const

/** A takeover of four tasks that began a minute ago, as the driver tells of it: so many of them run again. */
const takingOver = (running: number, cause: string, change: Partial<JobDescription>): JobDescription => {
  const since = NOW - 60_000
  const tasks = [0, 1, 2, 3].map((partition): TaskDescription => ({
    stage: 's0', partition, phase: partition < running ? 'running' : 'taking-over', executor: 'west-1', inputs: [], lag: 0, batchId: 0, stateKeys: 0, stateBytes: 0, totals: {},
    recovery: { cause, detectedAt: since, assignedAt: since, ...partition < running ? { steps: { ...STEPS, startedAt: since } } : {} },
  }))
  return { ...DESCRIPTION, executors: [], warnings: [], tasks, summary: { ...SUMMARY, tasks: 4, tasksRunning: running, tasksWaiting: 0 }, ...change }
}

test.each<readonly [string, string, Partial<JobDescription>, readonly string[]]>([
  ['a restore', 'the run starts', { origin: { checkpoint: 7, run: 2 }, checkpoints: [{ checkpoint: 7, run: 2, takenAt: 0, bytes: 240 * MIB, parts: 4 }] }, [
    '1 of 4 tasks runs; state of 1 loaded, 60.0 MiB of 240.0 MiB, 1.0 MiB/s, about 3 min 0 s left', '3 of 4 tasks run; state of 3 loaded, 180.0 MiB of 240.0 MiB, 3.0 MiB/s, about 20 s left',
  ]],
  ['a recovery', 'executor east-1 dead: stream ended, probe refused', {}, [
    '1 of 4 tasks runs; state of 1 loaded, 60.0 MiB, 1.0 MiB/s, about 3 min 0 s left', '3 of 4 tasks run; state of 3 loaded, 180.0 MiB, 3.0 MiB/s, about 20 s left',
  ]],
])('%s on a terminal → how far it is above the job, which is redrawn in place with the steps of each task; gone when all of them run', async (_what, cause, change, progress) => {
  const { terminal, frames } = screen(200, 40)
  const clock = { ...quickClock(), now: () => NOW }
  await followJob({ ...setUp([1, 3, 4, 4].map((running) => takingOver(running, cause, change))), clock, terminal }, 'revenue', ({ summary }) => summary.tasksRunning === 4)
  expect(frames().map((frame) => frame.slice(0, 2))).toEqual([...progress.map((line) => [line, '']), [expect.stringMatching(/^job +revenue /), expect.stringMatching(/^state +running$/)]])
  // Without the times of day, which are those of this machine's zone.
  const steps = frames().map((frame) => frame.filter((line) => /^s0-\d +\d\d:/.test(line)).map((line) => line.replace(/ +\S+ +\S+/, '').replaceAll(/ +/g, ' ')))
  const [done, underWay] = ['4 11 15 20 26 41 1 snapshot 7 (1,100 keys, 60.0 MiB) + tail of 120 records in 118 batches', '… … … … … … under way']
  expect(steps).toEqual([1, 3, 4].map((running) => [0, 1, 2, 3].map((task) => `s0-${task} ${task < running ? done : underWay}`)))
  for (const frame of frames()) expect(frame).toEqual(expect.arrayContaining(['last recovery of each task', `${cause}: s0-0, s0-1, s0-2, s0-3`]))
})

test('a restore on a terminal too small for it → the first lines, cut: how far it is stays in sight', async () => {
  const { terminal, frames } = screen(40, 4)
  const answer = takingOver(1, 'the run starts', {})
  await followJob({ ...setUp([answer, answer]), terminal }, 'revenue', () => true)
  expect(frames()).toEqual([['1 of 4 tasks runs; state of 1 loaded, 6', '', expect.stringMatching(/^job .{35}$/), '']])
})

test('a driver that hangs while the user leaves → it ends at once', async () => {
  const interrupt = new AbortController()
  const context = testContext({ signal: interrupt.signal, openJobs: () => fakeJobs({ describe: () => new Promise(() => {}) }) })
  const ended = followJob(context, 'revenue', () => false)
  interrupt.abort()
  expect(await ended).toBeUndefined()
})

const submitting = (context: TestContext): TestContext => ({ ...context, openJobs: (address) => ({ ...context.openJobs(address), submit: async () => ({ job: 'revenue', run: 3, outcome: 'created', notes: [] }) }) })

test('submit --wait --json → each line says what it is: the answer, then the job as describe --json has it', async () => {
  const context = submitting(setUp([of({ tasksRunning: 1 }), of({ tasksRunning: 2 }), of({})], true))
  await submitJob(context, REVENUE, undefined, true)
  expect(printed(context)).toEqual([{ kind: 'submitted', job: 'revenue', run: 3, outcome: 'created', notes: [] }, { kind: 'job', ...of({ tasksRunning: 1 }) }, { kind: 'job', ...of({ tasksRunning: 2 }) }])
})

test('submit --wait, left before all of its tasks run → what goes on is said, exit code 130; once they run → it is done, whoever leaves', async () => {
  const wait = async (answers: readonly JobDescription[]) => submitJob(submitting(setUp(answers)), REVENUE, undefined, true).then(() => 0, (error: unknown) => [exitCodeOf(error), String(error)])
  expect(await wait([of({ tasksRunning: 1 }), of({ tasksRunning: 1 })])).toEqual([130, expect.stringMatching(/revenue, run 3, is submitted and does not run yet: it goes on without you/)])
  expect(await wait([of({ run: 4 }), of({})])).toEqual([1, expect.stringMatching(/somebody has submitted revenue again: run 4 of it is running/)])
  expect(await wait([of({ state: 'failed', reason: 'boom' }), of({})])).toEqual([1, expect.stringMatching(/revenue does not run: it is failed: boom/)])
  expect(await wait([of({ tasksRunning: 2 }), of({})])).toBe(0)
})
