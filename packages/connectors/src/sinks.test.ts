// The stdout sink's back-pressure and end, the marker sink's comparison.
import { PassThrough, Writable } from 'node:stream'
import { expect, test } from '@jest/globals'
import { jobId, stageId } from '@tidemark/base'
import type { OutboxDelivery } from '@tidemark/base'
import { openMarkerSink } from './marker-sink.ts'
import type { MarkerEntry } from './marker-sink.ts'
import { openStdoutSink } from './stdout-sink.ts'

const delivery = (run: number, batchId: number, lines: readonly string[], partition = 0): OutboxDelivery =>
  ({ task: { job: jobId('orders'), run, stage: stageId(0), partition }, sink: 'out', batchId, records: lines.map((line) => Buffer.from(line)) })

test('stdout sink: records → lines, in order', async () => {
  const stream = new PassThrough()
  const sink = openStdoutSink(stream)
  await sink.deliver(delivery(1, 1, ['a', 'b']))
  await sink.deliver(delivery(1, 2, []))
  await sink.deliver(delivery(1, 3, ['c']))
  expect(String(stream.read())).toBe('a\nb\nc\n')
  await sink.close()
  expect(stream.listenerCount('error')).toBe(0)
})

test('stdout sink: a reader that does not read → the delivery waits', async () => {
  let go: (() => void) | undefined
  const stream = new Writable({ highWaterMark: 1, write: (_, __, done) => { go = done } })
  let delivered = false
  const pending = openStdoutSink(stream).deliver(delivery(1, 1, ['a'])).then(() => { delivered = true })
  await new Promise(setImmediate)
  expect(delivered).toBe(false)
  go?.()
  await pending
  expect(delivered).toBe(true)
})

test('stdout sink: a reader that is gone → refused now and later, nothing unhandled', async () => {
  const stream = new Writable({ write: (_, __, done) => done(new Error('EPIPE')) })
  const sink = openStdoutSink(stream)
  await expect(sink.deliver(delivery(1, 1, ['a']))).rejects.toMatchObject({ code: 'SINK_REFUSED', action: 'fail-job' })
  await expect(sink.deliver(delivery(1, 1, ['a']))).rejects.toMatchObject({ code: 'SINK_REFUSED' })
})

test('marker sink: a delivery is applied only above (run, batch), compared in that order', async () => {
  const store = new Map<string, MarkerEntry>()
  const sink = openMarkerSink(store)
  const steps: readonly (readonly [number, number, boolean])[] = [[1, 1, true], [1, 1, false], [1, 4, true], [1, 2, false], [2, 1, true], [1, 9, false], [2, 1, false], [2, 2, true]]
  const expected: string[] = []
  for (const [run, batchId, applies] of steps) {
    // A sink opened anew, as after a crash, goes by the store alone.
    await (batchId % 2 === 0 ? sink : openMarkerSink(store)).deliver(delivery(run, batchId, [`${run}.${batchId}`]))
    if (applies) expected.push(`${run}.${batchId}`)
    expect(store.get('orders/out/s0/0')?.records.map(({ record }) => String(record))).toEqual(expected)
  }
  expect(store.get('orders/out/s0/0')).toMatchObject({ run: 2, batchId: 2 })
})

test('marker sink: each partition has its own marker', async () => {
  const store = new Map<string, MarkerEntry>()
  const sink = openMarkerSink(store)
  await sink.deliver(delivery(1, 5, ['a'], 0))
  await sink.deliver(delivery(1, 2, ['b'], 1))
  expect([...store].map(([key, { batchId }]) => [key, batchId])).toEqual([['orders/out/s0/0', 5], ['orders/out/s0/1', 2]])
})

test('marker sink: a write that fails → marker and records as before', async () => {
  const store = new Map<string, MarkerEntry>()
  await openMarkerSink(store).deliver(delivery(1, 1, ['a']))
  const failing = openMarkerSink({ get: (key) => store.get(key), set: () => { throw new Error('no') } })
  await expect(failing.deliver(delivery(1, 2, ['b']))).rejects.toThrow('no')
  await openMarkerSink(store).deliver(delivery(1, 2, ['b']))
  expect(store.get('orders/out/s0/0')?.records.map(({ record }) => String(record))).toEqual(['a', 'b'])
})
