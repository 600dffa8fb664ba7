// A slot whose log meets an error of its own with the output of one task, and does not say whose output it was.
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import type { Log, ProducerSession, TransactionalId } from '@tidemark/base'
import { openLocalLog } from '@tidemark/log-local'
import { startCounting } from './counting-slot.ts'
import type { SlotFixture } from './slot-fixture.ts'

let open: SlotFixture | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
})

const POISON = 'poison'

/** Its sessions throw what is no error of the log's when they are to append what a count of `POISON` is in. */
const breaking = (folder: string): Log => {
  const real = openLocalLog({ path: join(folder, 'log.db'), clock: realClock })
  const broken = (session: ProducerSession): ProducerSession => ({
    transactionalId: session.transactionalId,
    initialise: () => session.initialise(),
    append: async (writes) => {
      if (writes.some(({ records }) => records.some(({ value }) => typeof value === 'string' && value.includes(POISON)))) throw new RangeError('the value of "value" is out of range')
      await session.append(writes)
    },
    commit: () => session.commit(),
    close: () => session.close(),
  })
  return new Proxy(real, {
    get: (target, name) => {
      if (name === 'session') return (id: TransactionalId) => broken(target.session(id))
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

test('suspects: an append throws for the output of one task and names no topic → that task ends, alone; its neighbours commit, also in the same transactions, and go on', async () => {
  const { fixture, items, out } = await startCounting({ partitions: 3, openLog: breaking })
  open = fixture
  const running = await fixture.slot()
  const tasks = fixture.tasks()
  fixture.assign(running, tasks)
  await fixture.until(() => running.events.filter(({ kind }) => kind === 'running').length === tasks.length, 'running')
  const users = ['ann', POISON, 'bob']
  const write = (partitions: readonly number[]): Promise<unknown> => fixture.log.write(partitions.map((partition) => ({ topic: items, partition, records: [{ key: users[partition] ?? '', value: JSON.stringify({ user: users[partition] }) }] })))
  const counts = async (): Promise<string[]> => (await fixture.read<{ key: string, count: number }>(out)).map(({ key, count }) => `${key} ${count}`).toSorted()
  await write([0, 1, 2])
  await fixture.until(async () => (await counts()).length === 2 && running.events.some(({ kind }) => kind === 'failed'), 'the neighbours\' counts and the end of the task')
  expect(running.events.flatMap((event) => (event.kind === 'failed' ? [[event.task.partition, event.error.code, event.error.message]] : []))).toEqual([[1, 'UNEXPECTED', 'the value of "value" is out of range']])
  await write([0, 2])
  await fixture.until(async () => (await counts()).length === 4, 'their next counts')
  expect(await counts()).toEqual(['ann 1', 'ann 2', 'bob 1', 'bob 2'])
})
