// JobService over real sockets: chunks, errors with their facts, the way to the leader, events.
import { afterEach, describe, expect, test } from '@jest/globals'
import { realClock, TidemarkError } from '@tidemark/base'
import type { Clock } from '@tidemark/base'
import { randomBytes } from 'node:crypto'
import { jobsClient, serveJobs } from './index.ts'
import type { JobEvent, JobHandlers, JobsClient, SubmitRequest } from './index.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})
const refuse = (): never => {
  throw new TidemarkError('not part of this test', { code: 'UNEXPECTED', blame: 'bug', action: 'exit' })
}
const HANDLERS: JobHandlers = { submit: async () => refuse(), list: async () => [], describe: async () => refuse(), cancel: async () => refuse(), watchEvents: async () => refuse() }

const listen = async (handlers: Partial<JobHandlers>): Promise<string> => {
  const serving = await serveJobs({ address: '127.0.0.1:0', jobs: { ...HANDLERS, ...handlers } })
  cleanups.push(() => serving.close())
  return serving.address
}
const dial = (address: string, clock: Clock = realClock): JobsClient => {
  const client = jobsClient(address, { clock })
  cleanups.push(() => client.close())
  return client
}
const event = (sequence: number): JobEvent => ({ sequence, at: 1, event: 'job.submitted', message: 'm', facts: {} })

describe('submit', () => {
  test('a bundle of several chunks → arrives whole, with the plan', async () => {
    const seen: SubmitRequest[] = []
    const client = dial(await listen({ submit: async (request) => {
      seen.push(request)
      return { job: 'orders', run: 1, outcome: 'created', notes: ['starts empty'] }
    } }))
    const bundle = randomBytes(3 * 256 * 1024 + 17)
    expect(await client.submit({ plan: { job: 'orders' }, bundle, fromCheckpoint: 0 })).toEqual({ job: 'orders', run: 1, outcome: 'created', notes: ['starts empty'] })
    expect(seen[0]?.bundle.equals(bundle)).toBe(true)
    expect(seen[0]).toMatchObject({ plan: { job: 'orders' }, fromCheckpoint: 0 })
  })

  test('a bundle over the limit → refused with code and hint, before its bytes are taken', async () => {
    const client = dial(await listen({}))
    await expect(client.submit({ plan: {}, bundle: Buffer.alloc(33 * 1024 * 1024) })).rejects.toMatchObject({ code: 'JOB_BUNDLE_TOO_LARGE', blame: 'user' })
  })
})

describe('errors', () => {
  test('a refusal with details → the client sees the same code, blame, hint and details', async () => {
    const problems = [{ path: 'settings.parallelism', code: 'PLAN_RANGE', message: 'must be at least 1' }]
    const client = dial(await listen({ describe: async () => {
      throw new TidemarkError('the plan is wrong', { code: 'PLAN_INVALID', blame: 'user', action: 'fail-job', hint: 'Mend it.', details: { problems } })
    } }))
    await expect(client.describe('orders')).rejects.toMatchObject({ code: 'PLAN_INVALID', blame: 'user', action: 'fail-job', hint: 'Mend it.', details: { problems } })
  })
  test('facts too large for a header → the message still arrives with its code', async () => {
    const client = dial(await listen({ cancel: async () => {
      throw new TidemarkError('x'.repeat(50_000), { code: 'PLAN_INVALID', blame: 'user', action: 'fail-job', details: { all: 'y'.repeat(50_000) } })
    } }))
    await expect(client.cancel('orders')).rejects.toMatchObject({ code: 'PLAN_INVALID', message: 'x'.repeat(4_000) })
  })
  test('an error that is none of ours → UNEXPECTED, a bug', async () => {
    const client = dial(await listen({ list: async () => {
      throw new Error('boom')
    } }))
    await expect(client.list()).rejects.toMatchObject({ code: 'UNEXPECTED', blame: 'bug', message: 'boom' })
  })
  test('a job that the driver could not read → told beside the list; a driver that says nothing of such → none', async () => {
    const error = { code: 'RUN_RECORD_INVALID', message: 'it is no object', blame: 'environment', action: 'fail-job', hint: 'Restore it.' } as const
    const client = dial(await listen({ damaged: async () => [{ job: 'orders', error }] }))
    expect([await client.list(), await client.damaged(), await dial(await listen({})).damaged()]).toEqual([[], [{ job: 'orders', error }], []])
  })
  test('nobody listens → WIRE_UNAVAILABLE that names the address', async () => {
    const serving = await serveJobs({ address: '127.0.0.1:0', jobs: HANDLERS })
    await serving.close()
    await expect(dial(serving.address).list()).rejects.toMatchObject({ code: 'WIRE_UNAVAILABLE', action: 'retry', message: `nobody answers at ${serving.address}: connect ECONNREFUSED ${serving.address}` })
  })
  test('a driver that does not lead → the client goes to the leader', async () => {
    const leader = await listen({ list: async () => [{ job: 'orders', version: '1', run: 1, state: 'running', tasks: 1, tasksRunning: 1, tasksWaiting: 0, submittedAt: 1, lag: 0 }] })
    const notLeading = (): never => {
      throw new TidemarkError('does not lead', { code: 'DRIVER_NOT_LEADER', blame: 'environment', action: 'retry', details: { leader } })
    }
    const client = dial(await listen({ list: async () => notLeading(), watchEvents: async () => notLeading() }))
    expect(await client.list()).toHaveLength(1)
  })
  test('the leader it was sent to is gone → asks who it asked first, who leads by now', async () => {
    const gone = await serveJobs({ address: '127.0.0.1:0', jobs: HANDLERS })
    await gone.close()
    let leads = false
    const client = dial(await listen({ list: async () => {
      if (leads) return []
      throw new TidemarkError('does not lead', { code: 'DRIVER_NOT_LEADER', blame: 'environment', action: 'retry', details: { leader: gone.address } })
    } }))
    await expect(client.list()).rejects.toMatchObject({ code: 'WIRE_UNAVAILABLE' })
    leads = true
    expect(await client.list()).toEqual([])
  })
})

describe('deadlines', () => {
  /** Of the time that a client gives a call, all but 200 ms is over when it is made. */
  const late = (deadlineMs: number): Clock => ({ ...realClock, now: () => realClock.now() - deadlineMs + 200 })
  const never = () => new Promise<never>(() => {})

  test.each<readonly [string, number, (client: JobsClient) => Promise<unknown>]>([
    ['list', 10_000, (client) => client.list()], ['describe', 10_000, (client) => client.describe('orders')], ['cancel', 10_000, (client) => client.cancel('orders', 'drain')],
    ['submit', 60_000, (client) => client.submit({ plan: { job: 'orders' }, bundle: Buffer.from('x') })],
  ])('%s, no answer for %i ms → WIRE_DEADLINE that names who was asked', async (_name, deadlineMs, ask) => {
    const address = await listen({ submit: never, list: never, describe: never, cancel: never })
    await expect(ask(dial(address, late(deadlineMs)))).rejects.toMatchObject({ code: 'WIRE_DEADLINE', blame: 'environment', action: 'retry', message: `${address} did not answer in time` })
  })

  test('the leader it was sent to hangs → WIRE_DEADLINE; asks who it asked first, who leads by now', async () => {
    const hung = await listen({ list: never })
    let [clock, leads] = [realClock, false]
    const client = dial(await listen({ list: async () => {
      if (leads) return []
      clock = late(10_000)
      throw new TidemarkError('does not lead', { code: 'DRIVER_NOT_LEADER', blame: 'environment', action: 'retry', details: { leader: hung } })
    } }), { ...realClock, now: () => clock.now() })
    await expect(client.list()).rejects.toMatchObject({ code: 'WIRE_DEADLINE', message: expect.stringMatching(new RegExp(`^127.0.0.1:\\d+ says that another driver leads, and there ${hung} did not answer in time$`)) })
    ;[clock, leads] = [realClock, true]
    expect(await client.list()).toEqual([])
  })
})

describe('events', () => {
  test('without follow → all that there are, then the end', async () => {
    const client = dial(await listen({ watchEvents: async ({ after }, emit) => {
      for (const sequence of [1, 2, 3]) if (sequence > after) emit(event(sequence))
    } }))
    const seen: number[] = []
    for await (const { sequence } of client.watchEvents({ after: 1, follow: false })) seen.push(sequence)
    expect(seen).toEqual([2, 3])
  })
  test('the reader leaves the loop → the server is told', async () => {
    const told = Promise.withResolvers<void>()
    const client = dial(await listen({ watchEvents: (_request, emit, signal) => new Promise((resolve) => {
      emit(event(1))
      signal.addEventListener('abort', () => {
        told.resolve()
        resolve()
      })
    }) }))
    for await (const { sequence } of client.watchEvents({ after: 0, follow: true })) if (sequence === 1) break
    await told.promise
  })
})
