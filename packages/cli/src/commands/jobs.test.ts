// jobs, describe, cancel, events, submit against a driver that is a few lines: what they print, and the shapes of --json.
import { describe, expect, test } from '@jest/globals'
import { fileURLToPath } from 'node:url'
import { realClock, TidemarkError } from '@tidemark/base'
import type { JobEvent, SubmitRequest } from '@tidemark/wire'
import { exitCodeOf } from '../exit.ts'
import { DESCRIPTION, EVENT, fakeJobs, printed, SUMMARY, testContext, SERVERS } from '../test-context.ts'
import { openTerminal } from '../terminal.ts'
import { showEvents } from './events.ts'
import { cancelJob, describeJob, listJobs } from './jobs.ts'
import { submitJob } from './submit.ts'

const REVENUE = fileURLToPath(new URL('../../../../examples/revenue.ts', import.meta.url))
const unreachable = new TidemarkError('nobody answers', { code: 'WIRE_UNAVAILABLE', blame: 'environment', action: 'retry' })

describe('jobs', () => {
  const client = fakeJobs({ list: async () => [SUMMARY], describe: async () => DESCRIPTION, cancel: async (job) => ({ job, run: 3, state: 'cancelling' }) })

  test('jobs, for people → a row for each job: tasks, lag, checkpoint and its age', async () => {
    const context = testContext({ openJobs: () => client })
    await listJobs(context)
    expect(context.out[0]).toMatch(/^job +version +run +state +tasks +lag +checkpoint/)
    expect(context.out[1]).toMatch(/^revenue +1 +3 +running +1\/2 +1,234 +7, 8\.0 s ago/)
  })

  test('a reason and an event whose causes stand on lines of their own → a row and a line all the same; describe tells them with the error', async () => {
    const reason = 'map n1, orders/0 offset 3: boom\nbecause: the page is gone'
    const summary = { ...SUMMARY, state: 'failed' as const, reason }
    const failed = fakeJobs({
      list: async () => [summary], describe: async () => ({ ...DESCRIPTION, summary, error: { code: 'TASK_USER_ERROR', message: reason, blame: 'user' as const, action: 'fail-job' as const } }),
      async * watchEvents() {
        yield { ...EVENT, event: 'job.failed', message: `job revenue has failed: TASK_USER_ERROR: ${reason}` }
      },
    })
    const context = testContext({ openJobs: () => failed })
    await listJobs(context)
    expect(context.out).toEqual([expect.any(String), expect.stringMatching(/^revenue .*map n1, orders\/0 offset 3: boom$/)])
    await showEvents(context, { follow: false })
    expect(context.out.slice(2)).toEqual([expect.stringMatching(/job revenue has failed: TASK_USER_ERROR: map n1, orders\/0 offset 3: boom; because: the page is gone$/)])
    await describeJob(context, 'revenue')
    expect(context.out.join('\n').match(/because: the page is gone/g)).toHaveLength(2)
    expect(context.out.join('\n')).toMatch(/^state +failed: map n1, orders\/0 offset 3: boom$/m)
  })

  test('jobs, one that the driver could not read → a row and a value of its own: its state, and why', async () => {
    const error = { code: 'RUN_RECORD_INVALID', message: 'the run record jobs/totals/runs/2.json is wrong:\n  it is no object', blame: 'environment', action: 'fail-job', hint: 'It was damaged, or edited by hand.' } as const
    const damaging = (jobs: readonly (typeof SUMMARY)[]) => ({ openJobs: () => fakeJobs({ list: async () => jobs, damaged: async () => [{ job: 'totals', error }] }) })
    const [people, alone, machine] = [testContext(damaging([SUMMARY])), testContext(damaging([])), testContext({ json: true, ...damaging([SUMMARY]) })]
    for (const context of [people, alone, machine]) await listJobs(context)
    expect(people.out.slice(1)).toEqual([expect.stringMatching(/^revenue /), expect.stringMatching(/^totals +damaged +RUN_RECORD_INVALID: the run record jobs\/totals\/runs\/2\.json is wrong:$/)])
    expect(alone.out.slice(1)).toEqual([expect.stringMatching(/^totals +damaged /)])
    expect(printed(machine)).toEqual([[SUMMARY, { job: 'totals', state: 'damaged', reason: `RUN_RECORD_INVALID: ${error.message}`, error }]])
  })

  test('jobs, none → said', async () => {
    const context = testContext({ openJobs: () => fakeJobs({ list: async () => [] }) })
    await listJobs(context)
    expect(context.out).toEqual(['no jobs'])
  })

  test('jobs, describe and cancel with --json → what the driver said, on one line', async () => {
    const context = testContext({ json: true, openJobs: () => client })
    await listJobs(context)
    await describeJob(context, 'revenue')
    await cancelJob(context, 'revenue', { now: true, wait: false, timeoutMs: 1_000 })
    expect(printed(context)).toEqual([[SUMMARY], DESCRIPTION, { job: 'revenue', run: 3, state: 'cancelling' }])
  })

  test('describe, for people → owner, generation, lag, watermark, state, snapshot, and each step of the last recovery', async () => {
    const growth = { batches: 2, bytes: 1_024, bytesPerHour: 2_048, freeBytes: 4_096, fullInHours: 2 }
    const context = testContext({ openJobs: () => fakeJobs({ describe: async () => ({ ...DESCRIPTION, growth }) }) })
    await describeJob(context, 'revenue')
    const text = context.out.join('\n')
    expect(text).toMatch(/revenue version 1, run 3, started from checkpoint 5/)
    expect(text).toMatch(/7, 8\.0 s ago: 4\.1 MiB in 2 parts; 8 under way for 1\.0 s, 1 of 2 parts/)
    expect(text).toMatch(/^since snapshots +journals and shuffles have grown by 1\.0 KiB in 2 batches, 2\.0 KiB an hour; 4\.0 KiB are free for the log: full in 2\.0 hours/m)
    expect(text).toMatch(/warning: the journal of s0 grows/)
    expect(text).toMatch(/east-1 +dead .*stream ended, probe refused/)
    expect(text).toMatch(/s0-0 +west-1 #1 +running +2\.17 +4,567 +1,234 +2023-11-14 22:14:10Z +1,203 +83\.0 KiB +7, 8\.0 s ago/)
    expect(text).toMatch(/s1-0 +waiting: store unreachable/)
    expect(text).toMatch(/task +detected +assigned +read +fenced +claimed +loaded +tailed +first commit/)
    expect(text).toMatch(/s0-0 +\S+ +\S+ +4 +11 +15 +20 +26 +41 +1 +snapshot 6 \(1,100 keys, 78\.1 KiB\) \+ tail of 120 records in 118 batches/)
    expect(text).toMatch(/executor east-1 dead: stream ended, probe refused: s0-0\n {2}s0-0: the newest snapshot is corrupt/)
  })

  test('lag that nobody knows → ? in tables and in words, absent with --json; never 0', async () => {
    const { lag: _known, ...summary } = SUMMARY
    const tasks = DESCRIPTION.tasks.map(({ lag: _its, ...task }) => ({ ...task, phase: 'unassigned' as const }))
    const stopped = fakeJobs({ list: async () => [summary], describe: async () => ({ ...DESCRIPTION, summary, tasks }) })
    const [people, machine] = [testContext({ openJobs: () => stopped }), testContext({ json: true, openJobs: () => stopped })]
    for (const context of [people, machine]) {
      await listJobs(context)
      await describeJob(context, 'revenue')
    }
    expect(people.out[1]).toMatch(/^revenue +1 +3 +running +1\/2 +\? +7, 8\.0 s ago/)
    const text = people.out.join('\n')
    expect(text).toMatch(/^lag +\?: nobody knows it of tasks that do not run$/m)
    expect(text).toMatch(/^s0-0 .* 4,567 +\? +2023-/m)
    expect(text).not.toMatch(/NaN|undefined/)
    expect(printed(machine)).toEqual([[summary], { ...DESCRIPTION, summary, tasks }])
  })

  test.each(['cancelled', 'failed', 'ended'] as const)('describe, a job that is %s → no lag, and of its tasks no snapshot that were yet to come', async (state) => {
    const tasks = DESCRIPTION.tasks.map(({ lag: _its, snapshot: _gone, waitingFor: _for, ...task }) => ({ ...task, phase: 'unassigned' as const }))
    const { checkpoint: _none, checkpointAt: _never, lag: _unknown, ...summary } = { ...SUMMARY, state }
    const context = testContext({ openJobs: () => fakeJobs({ list: async () => [summary], describe: async () => ({ ...DESCRIPTION, summary, tasks, executors: [], checkpoints: [] }) }) })
    await listJobs(context)
    await describeJob(context, 'revenue')
    expect(context.out[1]).toMatch(new RegExp(`^revenue .*${state} +1/2 +- +none`))
    expect(context.out.join('\n')).toMatch(/^lag +-$/m)
    expect(context.out.join('\n')).not.toMatch(/none yet|waiting:|tasks wait/)
  })

  test('describe, what has grown while no checkpoint is overdue → no rate and no forecast: the next one removes it', async () => {
    const growth = { batches: 1_191, bytes: 2_621_440, bytesPerHour: 417_752_678, freeBytes: 80_000_000_000 }
    const context = testContext({ openJobs: () => fakeJobs({ describe: async () => ({ ...DESCRIPTION, growth }) }) })
    await describeJob(context, 'revenue')
    expect(context.out).toContainEqual(expect.stringMatching(/^since snapshots +journals and shuffles have grown by 2\.5 MiB in 1,191 batches: removed behind the next checkpoint$/))
  })

  test('describe, a task whose new owner has taken no snapshot yet → which it has and that it is not its own, never an age since 1970', async () => {
    const tasks = DESCRIPTION.tasks.map((task) => task.snapshot === undefined ? task : { ...task, snapshot: { ...task.snapshot, takenAt: 0 } })
    const context = testContext({ openJobs: () => fakeJobs({ describe: async () => ({ ...DESCRIPTION, tasks }) }) })
    await describeJob(context, 'revenue')
    expect(context.out.join('\n')).toMatch(/83\.0 KiB +7, by the owner before/)
  })

  test('drivers, the first of two does not answer → the second is asked; an error that is an answer is not asked again', async () => {
    const asked: string[] = []
    const drivers = (answer: () => never) => testContext({
      json: true, servers: { ...SERVERS, folder: '/nowhere', driver: 'one:1, two:2' },
      openJobs: (address) => {
        asked.push(address)
        return address === 'one:1' ? fakeJobs({ list: async () => answer() }) : client
      },
    })
    const context = drivers(() => { throw unreachable })
    await listJobs(context)
    expect(printed(context)).toEqual([[SUMMARY]])
    await expect(listJobs(drivers(() => { throw new TidemarkError('no', { code: 'JOB_UNKNOWN', blame: 'user', action: 'exit' }) }))).rejects.toMatchObject({ code: 'JOB_UNKNOWN' })
    expect(asked).toEqual(['one:1', 'two:2', 'one:1'])
  })

  test('drivers, none answers → the exit code of a cluster that is not reachable', async () => {
    const error: unknown = await listJobs(testContext({ openJobs: () => fakeJobs({ list: async () => { throw unreachable } }) })).catch((reason: unknown) => reason)
    expect(exitCodeOf(error)).toBe(3)
  })
})

describe('events', () => {
  const watching = (events: readonly JobEvent[], endless: boolean) => fakeJobs({
    describe: async () => DESCRIPTION,
    async * watchEvents() {
      yield * events
      if (endless) await new Promise(() => {})
    },
  })

  test('events → a line each; --json: the event as it is', async () => {
    const [people, machine] = [testContext({ openJobs: () => watching([EVENT], false) }), testContext({ json: true, openJobs: () => watching([EVENT, EVENT], false) })]
    await showEvents(people, { follow: false })
    await showEvents(machine, { follow: false, job: 'revenue' })
    expect(people.out).toEqual([expect.stringMatching(/^\d\d:\d\d:\d\d\.\d{3} {2}executor\.dead +revenue {2}east-1 is dead: stream ended, probe refused$/)])
    expect(printed(machine)).toEqual([EVENT, EVENT])
  })

  test('events --follow, interrupted while nothing happens → ends at once', async () => {
    const interrupt = new AbortController()
    const context = testContext({ openJobs: () => watching([EVENT], true), signal: interrupt.signal })
    const ended = showEvents(context, { follow: true })
    while (context.out.length === 0) await new Promise((resolve) => setImmediate(resolve))
    interrupt.abort()
    await ended
    expect(context.out).toHaveLength(1)
  })
})

describe('events below which the job is shown', () => {
  test('the driver does not answer any more → what it said of the job is not left standing', async () => {
    let [text, whileAway, asked] = ['', '', 0]
    const interrupt = new AbortController()
    const stream = { isTTY: true, columns: 80, write: (piece: string) => { text += piece } }
    const client = fakeJobs({
      describe: async () => {
        asked += 1
        if (asked > 1) throw unreachable
        return DESCRIPTION
      },
      watchEvents: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }),
    })
    const clock = { ...realClock, now: () => 1_700_000_100_000, sleep: async () => {
      await new Promise((resolve) => setImmediate(resolve))
      if (asked < 3) return
      whileAway = text
      interrupt.abort()
    } }
    await showEvents(testContext({ openJobs: () => client, clock, terminal: openTerminal(stream, stream, (_style, plain) => plain), signal: interrupt.signal }), { follow: true, job: 'revenue' })
    expect(whileAway.split('\r\u001B[K')).toEqual(['', expect.stringMatching(/^revenue run 3 running · 1 of 2 tasks runs/), '', ''])
  })
})

describe('submit', () => {
  test('submit, an example from a checkpoint → plan and bundle reach the driver; what it notes is shown', async () => {
    const requests: SubmitRequest[] = []
    const client = fakeJobs({
      submit: async (request) => {
        requests.push(request)
        return { job: 'revenue', run: 4, outcome: 'restored', notes: ['readers of its output topics must set isolation.level=read_committed'] }
      },
    })
    const [people, machine] = [testContext({ openJobs: () => client }), testContext({ json: true, openJobs: () => client })]
    await submitJob(people, REVENUE, 7)
    await submitJob(machine, REVENUE)
    expect(requests.map(({ plan, fromCheckpoint }) => [(plan as { job: string }).job, fromCheckpoint])).toEqual([['revenue', 7], ['revenue', undefined]])
    expect(requests[0]?.bundle.toString()).toContain('revenue-per-user')
    expect(people.out).toEqual(['revenue, run 4, is restored as a new run', '  note: readers of its output topics must set isolation.level=read_committed'])
    expect(printed(machine)).toEqual([{ kind: 'submitted', job: 'revenue', run: 4, outcome: 'restored', notes: ['readers of its output topics must set isolation.level=read_committed'] }])
  })
})
