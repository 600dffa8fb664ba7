// Cancel beside a submission of the same job: what is answered is what is stored.
import { afterEach, expect, test } from '@jest/globals'
import { executorId, slotId, transactionalId } from '@tidemark/base'
import { formatManifest, paths } from '@tidemark/checkpoint'
import { DEFAULT_SETTINGS } from '../core/protocol.ts'
import { bundle, JOB, lead, memoryPorts, planOf } from './cluster.sample.ts'
import { readDefinition } from './definition.ts'
import { jobHandlers } from './job-handlers.ts'
import { Leading } from './leading.ts'

let leading: Leading | undefined
afterEach(() => leading?.end(undefined))

test('cancel: while a restore of the job is being taken → it cancels no run that the stored definition says is wanted', async () => {
  const ports = await memoryPorts()
  const now = new Leading({ ports, leadership: lead(5), settings: DEFAULT_SETTINGS, engineVersion: '0.1.0', jobs: [], probe: async () => ({ kind: 'silent', reason: 'nobody' }), onStepDown: () => {} })
  leading = now
  const handlers = jobHandlers(ports, async () => now)
  await handlers.submit({ plan: planOf(), bundle: bundle() })
  for (const until = performance.now() + 5_000; now.core.job(JOB)?.state !== 'running' && performance.now() < until;) await ports.clock.sleep(5)
  const generation = { epoch: 5, counter: 1 }
  await ports.store.put(paths.manifest(JOB, 1), formatManifest({
    formatVersion: 1, job: JOB, run: 1, checkpoint: 1, engineVersion: '0.1.0', jobVersion: '1', schemas: {}, driverEpoch: 5, timestamp: 1, inFlight: [], outputs: [],
    parts: [0, 1].map((partition) => ({ stage: 's0' as never, partition, upstreams: [], ref: {
      generation, owner: { executor: executorId('e'), slot: 0, slotId: slotId('s') }, transactionalId: transactionalId('x'), checkpoint: 1, batchId: 1, journalNext: 1, positions: [{ input: 'n0', topic: 'in', partition, next: 0 }], keys: 0, objects: [],
    } })),
  }))
  const restore = handlers.submit({ plan: planOf({ version: '2' }), bundle: bundle(), fromCheckpoint: 1 })
  const [restored, cancelled] = await Promise.allSettled([restore, handlers.cancel(JOB)])
  expect(restored).toMatchObject({ status: 'fulfilled', value: { run: 2 } })
  expect(cancelled).toMatchObject({ status: 'rejected', reason: { code: 'JOB_BUSY' } })
  expect(await readDefinition(ports.store, JOB)).toMatchObject({ run: 2, desired: 'running' })
  expect(now.core.job(JOB)?.state).not.toMatch(/cancel/)
})
