// Which exit code each command that asks a driver or a log ends with, by what went wrong. As processes: main.test.ts.
import { expect, test } from '@jest/globals'
import { fileURLToPath } from 'node:url'
import { TidemarkError } from '@tidemark/base'
import { auditJob } from './commands/audit.ts'
import { showEvents } from './commands/events.ts'
import { cancelJob, describeJob, listJobs } from './commands/jobs.ts'
import { readTopic } from './commands/read.ts'
import { submitJob } from './commands/submit.ts'
import { listTopics } from './commands/topics.ts'
import { writeTopic } from './commands/write.ts'
import type { Context } from './context.ts'
import { exitCodeOf } from './exit.ts'
import { fakeJobs, SERVERS, testContext } from './test-context.ts'

type Run = (context: Context) => Promise<unknown>

const REVENUE = fileURLToPath(new URL('../../../examples/revenue.ts', import.meta.url))
const ASK_DRIVER: readonly (readonly [string, Run])[] = [
  ['submit', (context) => submitJob(context, REVENUE)], ['jobs', listJobs], ['describe', (context) => describeJob(context, 'revenue')], ['describe --follow', (context) => describeJob(context, 'revenue', true)],
  ['cancel', (context) => cancelJob(context, 'revenue', { now: true, wait: true, timeoutMs: 1_000 })], ['events', (context) => showEvents(context, { follow: false })],
]
const ASK_LOG: readonly (readonly [string, Run])[] = [
  ['topics', (context) => listTopics(context, false)], ['write', (context) => writeTopic(context, 'orders', {})], ['read', (context) => readTopic(context, 'orders', { follow: false, from: 'start' })],
  ['audit', (context) => auditJob(context, 'revenue', { shared: [], outputs: true, state: false })],
]
const codeOf = async (run: Run, context: Context): Promise<number | undefined> => {
  try {
    await run(context)
    return undefined
  } catch (error) {
    return exitCodeOf(error)
  }
}
const failing = (code: string): Context => {
  const fail = async (): Promise<never> => {
    throw new TidemarkError('told by the driver', { code, blame: 'environment', action: 'retry' })
  }
  return testContext({ openJobs: () => fakeJobs({ submit: fail, list: fail, describe: fail, cancel: fail, watchEvents: () => ({ [Symbol.asyncIterator]: () => ({ next: fail }) }) }) })
}

test.each(ASK_DRIVER)('exit code, %s → 3 where no driver answers or none leads, 1 where it refuses, 2 where none is named', async (_name, run) => {
  const codes = await Promise.all(['WIRE_UNAVAILABLE', 'WIRE_DEADLINE', 'DRIVER_NOT_LEADER', 'JOB_UNKNOWN'].map((code) => codeOf(run, failing(code))))
  expect([...codes, await codeOf(run, testContext({ servers: { ...SERVERS, driver: ' , ' } }))]).toEqual([3, 3, 3, 1, 2])
})

test.each(ASK_LOG)('exit code, %s → 3 where the folder has no cluster', async (_name, run) => {
  expect(await codeOf(run, testContext())).toBe(3)
})
