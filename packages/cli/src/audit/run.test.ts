import { expect, test } from '@jest/globals'
import { jobId } from '@tidemark/base'
import { formatDefinition, paths } from '@tidemark/checkpoint'
import { MemoryObjectStore, VirtualClock } from '@tidemark/testkit'
import { findRun } from './run.ts'

const JOB = jobId('orders')
const accepted = formatDefinition({ formatVersion: 1, job: JOB, run: 1, desired: 'running', state: 'started', submittedAt: 1, epoch: 5 }).toString()

/** Two run records, whose content names them in the error that it is. */
const stored = async (definition?: string): Promise<MemoryObjectStore> => {
  const store = new MemoryObjectStore({ clock: new VirtualClock() })
  for (const run of [1, 2]) await store.put(paths.run(JOB, run), Buffer.from('{}'))
  if (definition !== undefined) await store.put(paths.definition(JOB, 5), Buffer.from(definition))
  return store
}

test('audit: a run record above the one that was accepted → the accepted run is audited; one that is named, all the same', async () => {
  const store = await stored(accepted)
  await expect(findRun(store, 'orders')).rejects.toThrow(paths.run(JOB, 1))
  await expect(findRun(store, 'orders', 2)).rejects.toThrow(paths.run(JOB, 2))
})

test('audit: no definition → the newest record; a damaged one → said, nothing is guessed', async () => {
  await expect(findRun(await stored(), 'orders')).rejects.toThrow(paths.run(JOB, 2))
  for (const damaged of ['{', accepted.replace('"run": 1', '"run": "1"'), accepted.replace('"formatVersion": 1', '"formatVersion": 2'), accepted.replace('orders', 'others')]) await expect(findRun(await stored(damaged), 'orders')).rejects.toMatchObject({ code: 'AUDIT_DEFINITION_DAMAGED', place: { path: paths.definition(JOB, 5) } })
})
