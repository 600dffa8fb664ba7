import { expect, test } from '@jest/globals'
import { transactionalId } from '@tidemark/base'
import { emptyChain, encodeSnapshot, JournalCursor } from '@tidemark/checkpoint'
import { HeldTask } from './held-task.ts'
import { load } from './loading.ts'
import { SLICE_MS } from './slices.ts'
import { fixture } from './slot.sample.ts'
import { encodeContent } from './snapshot-objects.ts'

test('takeover: the state that the run began from is to be loaded, and its manifest is gone → no good, and not taken for empty', async () => {
  const { ports, options, held, from } = fixture()
  expect(await load(ports, options, held, { kind: 'origin', from, tailBegin: 0 })).toEqual({ kind: 'no-good', why: 'orders/commits/7.json, which the run began from, is gone' })
})

test('takeover: what it begins with is loaded, and then the journal is trimmed behind its claim → it begins anew, with a task that nothing was loaded into', async () => {
  const { held } = fixture()
  const cursor = () => new JournalCursor(held.ref, held.journalTopic, 0, emptyChain())
  held.startOver(cursor())
  const { task } = held
  await held.finishLoading()
  expect(held.loaded).toBe(true)
  held.startOver(cursor())
  expect(held.loaded).toBe(false)
  expect(held.task).not.toBe(task)
})

test('takeover: a snapshot of many blocks → applied in slices, the slot has its turns in between; begun anew meanwhile, the rest goes nowhere', async () => {
  const { ports, options, held: { ref } } = fixture()
  const [blocks, blockMs] = [10, SLICE_MS * 2 / 3]
  let [at, applied, pauses] = [0, 0, 0]
  let between = (): void => {}
  const clock = { ...ports.clock, now: () => 0, monotonic: () => at, after: ports.clock.after.bind(ports.clock), sleep: async () => {
    pauses += 1
    between()
  } }
  const held = new HeldTask(() => options.makeTask(ref), { epoch: 1, counter: 1 }, 'journal', clock)
  const { task } = held
  const stamp = { generation: { epoch: 1, counter: 1 }, owner: options.owner, transactionalId: transactionalId('t') }
  const header = { task: held.ref, ...stamp, checkpoint: 3, batchId: 1, keys: 0, timestamp: 0, engineVersion: '0.1.0', jobVersion: '1' }
  const encoded = encodeSnapshot(header, [encodeContent({ ...task.content(), batchId: 1 })])
  const objects = encoded.map(({ body, sha256 }, i) => ({ key: `o${i}`, sizeBytes: body.length, sha256 }))
  for (const [i, { body }] of encoded.entries()) await ports.store.put(`o${i}`, body)
  const start = { kind: 'snapshot', ref: { ...stamp, checkpoint: 3, batchId: 1, journalNext: 1, positions: [], keys: 0, objects }, tailBegin: 1 } as const
  Object.assign(task, {
    * loadingSnapshot(): Generator<void> {
      for (; applied < blocks; at += blockMs, applied += 1) yield
    },
  })
  expect(await load({ clock, store: ports.store }, options, held, start)).toEqual({ kind: 'loaded' })
  expect([applied, pauses]).toEqual([blocks, 1 + 2 * 4])
  expect(held.timeline.snapshot).toMatchObject({ checkpoint: 3 })

  ;[applied, pauses] = [0, 0]
  between = () => {
    if (pauses === 3) held.task = options.makeTask(held.ref)
  }
  await load({ clock, store: ports.store }, options, held, start)
  expect(applied).toBeLessThan(blocks)
})
