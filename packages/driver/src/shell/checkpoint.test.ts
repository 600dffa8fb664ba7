// A manifest is written only when a restore could read it: parts come from executors, and nobody has looked at them before.
import { expect, test } from '@jest/globals'
import { executorId, slotId, transactionalId } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { ManifestPart, OwedToSink } from '@tidemark/checkpoint'
import { writeCheckpoint } from './checkpoint.ts'
import { bundle, JOB, lead, memoryPorts, planOf } from './cluster.sample.ts'
import type { TestPorts } from './cluster.sample.ts'
import { readRun } from './start-run.ts'
import { submit } from './submit.ts'

const leader = lead(5)
const part = (partition: number, outbox: readonly OwedToSink[]): ManifestPart => ({
  stage: 's0' as never, partition, upstreams: [], outbox,
  ref: { generation: { epoch: 5, counter: 1 }, owner: { executor: executorId('e'), slot: 0, slotId: slotId('s') }, transactionalId: transactionalId('x'), checkpoint: 1, batchId: 1, journalNext: 1, positions: [], keys: 0, objects: [] },
})
const write = async (ports: TestPorts, outbox: readonly OwedToSink[]) => {
  await submit(ports, leader, { plan: planOf(), bundle: bundle() }, () => undefined)
  return writeCheckpoint(ports, leader, await readRun(ports, JOB, 1), '0.1.0', { kind: 'write-checkpoint', last: false, job: JOB, run: 1, checkpoint: 1, parts: [part(0, outbox), part(1, [])], inFlight: [], outputs: [] })
}

test('parts that a restore can read → written', async () => {
  const ports = await memoryPorts()
  await write(ports, [{ sink: 'a', entries: 2 }])
  expect((await ports.store.list(paths.manifestPrefix(JOB))).map(({ key }) => key)).toEqual([paths.manifest(JOB, 1)])
})

test.each([
  ['no output for a sink', [{ sink: 'a', entries: 0 }], 'parts[0].outbox[0].entries is 0'],
  ['a map, as an executor of another version may say it', { a: 2 } as never, 'parts[0].outbox is no list'],
])('a part whose outbox can\'t be read, %s → refused with its place, and nothing is written', async (_, outbox, message) => {
  const ports = await memoryPorts()
  await expect(write(ports, outbox)).rejects.toMatchObject({ code: 'MANIFEST_INVALID', message: expect.stringContaining(message) })
  expect(await ports.store.list(paths.offsets(JOB, 1))).toEqual([])
  expect(await ports.store.list(paths.manifestPrefix(JOB))).toEqual([])
})
