// describe --follow and submit --wait against a driver that is a few lines: redrawn, line by line, or JSON.
import { expect, test } from '@jest/globals'
import { fileURLToPath } from 'node:url'
import { TidemarkError } from '@tidemark/base'
import type { JobDescription, JobSummary } from '@tidemark/wire'
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
