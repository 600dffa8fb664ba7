// What is stored of a job that has failed, when the object store answers with errors.
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { TidemarkError } from '@tidemark/base'
import type { ObjectStore } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import { instead } from '@tidemark/testkit'
import { bundle, JOB, lead, leads, memoryPorts, planOf } from './cluster.sample.ts'
import type { TestPorts } from './cluster.sample.ts'
import { readDefinition } from './definition.ts'
import { jobHandlers } from './job-handlers.ts'
import type { Leading } from './leading.ts'
import { loadJobs } from './load-jobs.ts'
import type { DriverPorts } from './ports.ts'

let ports: TestPorts
let all: Leading[]
beforeEach(async () => {
  ports = await memoryPorts()
  all = []
})
afterEach(() => {
  for (const one of all) one.end(undefined)
})
const begin = async (epoch: number, own: DriverPorts = ports): Promise<Leading> => {
  const leading = leads(own, epoch, await loadJobs(ports, lead(epoch)))
  all.push(leading)
  return leading
}
const until = async (is: () => boolean | Promise<boolean>): Promise<void> => {
  for (const end = performance.now() + 20_000; !await is() && performance.now() < end;) await ports.clock.sleep(5)
  expect(await is()).toBe(true)
}
const comesTo = (leading: Leading, state: string): Promise<void> => until(() => leading.core.job(JOB)?.state === state)
/** A job that ran and whose topics are gone since: the next leader finds that it has failed. `refusals`: how often that word is refused. */
const failing = async (refusals: number) => {
  const first = await begin(5)
  await jobHandlers(ports, async () => first).submit({ plan: planOf(), bundle: bundle() })
  await comesTo(first, 'running')
  first.end(undefined)
  await ports.log.deleteTopics((await ports.log.listTopics()).filter((topic) => topic.startsWith('tidemark.')))
  const refused = { left: refusals, count: 0 }
  const own = { ...ports, store: instead<ObjectStore>(ports.store, { put: async (key, body) => {
    if (key !== paths.definition(JOB, 6) || refused.left === 0 || !Buffer.from(body).includes('"failed"')) return ports.store.put(key, body)
    refused.left -= 1
    refused.count += 1
    throw new TidemarkError('400 RequestTimeout', { code: 'STORE_REFUSED', blame: 'environment', action: 'fail-job' })
  } }) }
  const next = await begin(6, own)
  await comesTo(next, 'failed')
  return { refused, next, own }
}

test('fail: the object store refuses the word that a job has failed → asked again, and who leads next does not begin it', async () => {
  await failing(1)
  await until(async () => (await readDefinition(ports.store, JOB))?.state === 'failed')
  const third = await begin(7)
  expect(third.core.job(JOB)).toMatchObject({ state: 'failed', error: { code: 'RUN_TOPICS_GONE' } })
})

test('fail: the job is cancelled before the store takes that word → it is asked no more, and the word of the cancel stays', async () => {
  const { refused, next, own } = await failing(Infinity)
  await until(() => refused.count > 0)
  await jobHandlers(own, async () => next).cancel(JOB, 'now')
  await comesTo(next, 'cancelled')
  const { count } = refused
  refused.left = 0
  await ports.clock.sleep(1_200)
  expect([refused.count, (await readDefinition(ports.store, JOB))?.state]).toEqual([count, 'cancelled'])
})
