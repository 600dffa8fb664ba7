// A name that nobody has: which one was meant.
import { expect, test } from '@jest/globals'
import { TidemarkError } from '@tidemark/base'
import { cancelJob, describeJob } from './commands/jobs.ts'
import { didYouMean } from './meant.ts'
import { fakeJobs, SUMMARY, testContext } from './test-context.ts'

const unknown = async (): Promise<never> => {
  throw new TidemarkError('there is no job "revenu"', { code: 'JOB_UNKNOWN', blame: 'user', action: 'fail-job', hint: '`tidemark jobs` lists those that there are.' })
}
const CANCEL = { now: true, wait: false, timeoutMs: 1 }

test('describe, describe --follow and cancel of a job that there is none of → the nearest name first', async () => {
  const context = testContext({ openJobs: () => fakeJobs({ describe: unknown, cancel: unknown, list: async () => [{ ...SUMMARY, job: 'orders' }, SUMMARY] }) })
  for (const asked of [() => describeJob(context, 'revenu'), () => describeJob(context, 'revenu', true), () => cancelJob(context, 'revenu', CANCEL)]) {
    await expect(asked()).rejects.toMatchObject({ code: 'JOB_UNKNOWN', message: 'there is no job "revenu"', hint: 'Did you mean revenue? `tidemark jobs` lists those that there are.' })
  }
})

test('none is near, or they cannot be listed → what to do without one', async () => {
  for (const list of [async () => [{ ...SUMMARY, job: 'something-else' }], unknown]) {
    await expect(describeJob(testContext({ openJobs: () => fakeJobs({ describe: unknown, list }) }), 'revenu')).rejects.toMatchObject({ hint: '`tidemark jobs` lists those that there are.' })
  }
})

test('another error → untouched, nothing is listed', async () => {
  const away = new TidemarkError('nobody answers', { code: 'WIRE_UNAVAILABLE', blame: 'environment', action: 'retry' })
  await expect(describeJob(testContext({ openJobs: () => fakeJobs({ describe: async () => { throw away } }) }), 'revenu')).rejects.toBe(away)
})

test('a name → asked about before what else can be done', () => {
  expect([didYouMean('ordres', ['orders', 'totals'], 'Make it.'), didYouMean('x', ['orders'], 'Make it.')]).toEqual(['Did you mean orders? Make it.', 'Make it.'])
})
