// What is told of a restore and an upload, from what the driver says of the job.
import { expect, test } from '@jest/globals'
import type { JobDescription, TaskDescription } from '@tidemark/wire'
import { DESCRIPTION } from '../test-context.ts'
import { leftMs, restoringOf, restoringText, summaryText, uploadText } from './progress.ts'

const MIB = 1024 * 1024
const task = (phase: TaskDescription['phase'], loadedMs = 0, bytes = 0): TaskDescription => ({
  stage: 's0', partition: 0, phase, inputs: [], lag: 0, batchId: 0, stateKeys: 0, stateBytes: 0, totals: {},
  recovery: { cause: 'the run starts', detectedAt: 0, assignedAt: 0, steps: { startedAt: 0, readMs: 1, fencedMs: 2, claimedMs: 3, loadedMs, tailedMs: 0, ...bytes === 0 ? {} : { snapshot: { checkpoint: 7, keys: 1, bytes } }, tailRecords: 0, tailBatches: 0, fencedIds: 0, remarks: [] } },
})
const job = (tasks: readonly TaskDescription[], origin: JobDescription['origin'] | null = { checkpoint: 7, run: 2 }): JobDescription =>
  ({ ...DESCRIPTION, tasks, startedFrom: 'as it is said', ...origin === null ? {} : { origin }, checkpoints: [{ checkpoint: 7, run: 2, takenAt: 0, bytes: 40 * MIB, parts: 4 }] })

test('restore under way → tasks that run, snapshots loaded, bytes of those of the checkpoint, how fast, and what is left at this pace', () => {
  const now = restoringOf(job([task('running', 10, 5 * MIB), task('taking-over', 12, 5 * MIB), task('taking-over'), task('assigned')]))
  expect(now).toEqual({ tasks: 4, running: 1, loaded: 2, bytesLoaded: 10 * MIB, bytes: 40 * MIB, takeover: { tasks: 4, loaded: 2, bytesLoaded: 10 * MIB, since: 0 } })
  expect(now && restoringText(now, 2_000)).toBe('1 of 4 tasks runs; state of 2 loaded, 10.0 MiB of 40.0 MiB, 5.0 MiB/s, about 6 s left')
  expect(now && restoringText(now, 0)).toBe('1 of 4 tasks runs; state of 2 loaded, 10.0 MiB of 40.0 MiB')
})

test('recovery of some tasks, no checkpoint began the run → counted by tasks, no bytes to compare with', () => {
  const now = restoringOf(job([task('running', 10), task('running', 10), task('running', 10), task('assigned')], null))
  expect(now && restoringText(now, 3_000)).toBe('3 of 4 tasks run; state of 3 loaded, about 1 s left')
})

const at = (one: TaskDescription, detectedAt: number, assignedAt: number): TaskDescription => one.recovery === undefined ? one : { ...one, recovery: { ...one.recovery, detectedAt, assignedAt } }

test('rate → of what is taken over now alone: what others loaded long ago took none of this time', () => {
  const now = restoringOf(job([at(task('running', 10, 30 * MIB), 1_000, 1_100), at(task('running', 10, 4 * MIB), 900_000, 900_100), at(task('taking-over'), 900_000, 900_000)], null))
  expect(now && restoringText(now, 902_000)).toBe('2 of 3 tasks run; state of 2 loaded, 34.0 MiB, 2.0 MiB/s, about 2 s left')
})

test('time left → since the tasks under way were given out, whoever watches since when; who runs for longer says nothing of the pace', () => {
  const [old, lost] = [at(task('running', 10), 1_000, 1_100), at(task('unassigned', 10), 1_000, 1_100)]
  const text = (tasks: readonly TaskDescription[]): string | undefined => {
    const now = restoringOf(job(tasks, null))
    return now && restoringText(now, 910_000)
  }
  expect(text([old, old, at(task('running', 10), 900_000, 900_000), at(task('taking-over'), 900_400, 901_000)])).toBe('3 of 4 tasks run; state of 3 loaded, about 10 s left')
  expect(text([old, at(task('running', 10), 900_000, 900_000), at(task('taking-over'), 900_000, 900_000), lost])).toBe('2 of 4 tasks run; state of 2 loaded, about 20 s left')
  expect(text([old, lost])).toBe('1 of 2 tasks runs; state of 1 loaded')
  expect(text([old, at(task('taking-over'), 900_000, 900_000)])).toBe('1 of 2 tasks runs; state of 1 loaded')
})

test('all tasks run, or the job is over → nothing is restored', () => {
  expect(restoringOf(job([task('running', 1), task('waiting', 1), task('ended', 1)]))).toBeUndefined()
  expect(restoringOf({ ...job([task('unassigned')]), summary: { ...DESCRIPTION.summary, state: 'cancelled' } })).toBeUndefined()
})

test('upload → sent of all, rate, time left; done → no time left', () => {
  expect(uploadText(4 * MIB, 12 * MIB, 2_000)).toBe('4.0 MiB of 12.0 MiB sent, 2.0 MiB/s, about 4 s left')
  expect(uploadText(12 * MIB, 12 * MIB, 6_000)).toBe('12.0 MiB of 12.0 MiB sent, 2.0 MiB/s')
  expect(uploadText(0, 12 * MIB, 0)).toBe('0 B of 12.0 MiB sent')
})

test('nothing done, or nothing left → nobody can say how long', () => {
  expect([leftMs(0, 5, 100), leftMs(5, 5, 100), leftMs(1, 5, 100)]).toEqual([undefined, undefined, 400])
})

test('one line of a job → state, tasks, lag, checkpoint', () => {
  expect(summaryText(job([task('running', 1), task('running', 1)]), 0)).toBe('revenue run 3 running · 1 of 2 tasks runs · lag 1,234 · checkpoint 7')
  const { lag: _known, ...summary } = DESCRIPTION.summary
  expect(summaryText({ ...job([task('unassigned')]), summary }, 0)).toMatch(/ · lag \? · checkpoint 7$/)
})
