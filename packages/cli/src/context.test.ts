// How commands ask drivers: over one connection, which is left when nobody answers there.
import { describe, expect, test } from '@jest/globals'
import { TidemarkError } from '@tidemark/base'
import { showEvents } from './commands/events.ts'
import { cancelJob, describeJob } from './commands/jobs.ts'
import { withDrivers } from './context.ts'
import type { Context } from './context.ts'
import { openTerminal } from './terminal.ts'
import { DESCRIPTION, fakeJobs, SERVERS, SUMMARY, testContext } from './test-context.ts'

const away = new TidemarkError('nobody answers', { code: 'WIRE_UNAVAILABLE', blame: 'environment', action: 'retry' })

/** What is opened and closed, in order; `list` of an address that is away is not answered. */
const watched = (driver: string, isAway: (address: string) => boolean = () => false) => {
  const seen: string[] = []
  const context = testContext({ servers: { ...SERVERS, driver }, openJobs: (address) => {
    seen.push(`open ${address}`)
    return fakeJobs({ close: () => void seen.push(`close ${address}`), list: async () => {
      if (isAway(address)) throw away
      return [SUMMARY]
    } })
  } })
  return { seen, context }
}

describe('drivers', () => {
  test('several questions → one connection, closed at the end', async () => {
    const { seen, context } = watched('one:1,two:2')
    await withDrivers(context, async (drivers) => {
      for (let i = 0; i < 3; i += 1) await drivers.ask((jobs) => jobs.list())
    })
    expect(seen).toEqual(['open one:1', 'close one:1'])
  })

  test('nobody answers → that connection is left, the next driver is asked and stays the one; in the end around the list again', async () => {
    let gone = 'one:1'
    const { seen, context } = watched('one:1,two:2', (address) => address === gone)
    await withDrivers(context, async (drivers) => {
      for (let i = 0; i < 2; i += 1) await drivers.ask((jobs) => jobs.list())
      gone = 'two:2'
      await drivers.ask((jobs) => jobs.list())
    })
    expect(seen).toEqual(['open one:1', 'close one:1', 'open two:2', 'close two:2', 'open one:1', 'close one:1'])
  })

  test('nobody answers at any → each is asked once, then it is told; asked again, over a new connection', async () => {
    const { seen, context } = watched('one:1,two:2', () => true)
    await withDrivers(context, async (drivers) => {
      for (let i = 0; i < 2; i += 1) await expect(drivers.ask((jobs) => jobs.list())).rejects.toBe(away)
    })
    expect(seen).toEqual(['open one:1', 'close one:1', 'open two:2', 'close two:2', 'open one:1', 'close one:1', 'open two:2', 'close two:2'])
  })

  test('it is over while a question is under way → nobody else is asked', async () => {
    const { seen, context } = watched('one:1,two:2')
    let fail: (error: Error) => void = () => {}
    let asking: Promise<unknown> = Promise.resolve()
    await withDrivers(context, async (drivers) => {
      asking = drivers.ask(() => new Promise((_resolve, reject) => { fail = reject }))
    })
    fail(away)
    await expect(asking).rejects.toBe(away)
    expect(seen).toEqual(['open one:1', 'close one:1'])
  })

  /** Asks again and again, and counts the connections that it takes. */
  const POLLS: readonly (readonly [string, number, (context: Context) => Promise<unknown>])[] = [
    ['describe --follow', 1, (context) => describeJob(context, 'revenue', true)],
    ['cancel', 1, (context) => cancelJob(context, 'revenue', { now: false, wait: true, timeoutMs: 60_000 }).catch(() => undefined)],
    ['events --follow', 2, (context) => showEvents(context, { job: 'revenue', follow: true })],
  ]
  test.each(POLLS)('%s → %i connection(s), however often it asks, all closed', async (_name, connections, command) => {
    let [opened, closed, asked] = [0, 0, 0]
    const interrupt = new AbortController()
    const stream = { isTTY: true, write: () => {} }
    const given = testContext()
    const context = testContext({
      signal: interrupt.signal, terminal: openTerminal(stream, stream, (_style, text) => text), clock: { ...given.clock, sleep: () => new Promise((resolve) => setImmediate(resolve)) },
      openJobs: () => {
        opened += 1
        return fakeJobs({
          close: () => { closed += 1 }, cancel: async (job) => ({ job, run: 3, state: 'draining' }), watchEvents: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }),
          describe: async () => {
            asked += 1
            if (asked === 5) interrupt.abort()
            return DESCRIPTION
          },
        })
      },
    })
    await command(context)
    while (closed < opened) await new Promise((resolve) => setImmediate(resolve))
    expect([asked >= 5, opened]).toEqual([true, connections])
  })
})
