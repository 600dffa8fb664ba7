// What of a checkpoint has to find its place in a plan that goes on from it: the state of each operator, and what sinks have not got yet.
import { beforeEach, expect, test } from '@jest/globals'
import type { Duration } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { OwedToSink } from '@tidemark/checkpoint'
import { count, fileSink, job, json, max, stdoutSink, sum, topic, topicSink, tumbling } from 'tidemark'
import type { AggregateFields, KeyedStream, LogicalPlan, SinkSpec } from 'tidemark'
import { bundle, JOB, lead, memoryPorts, storeCheckpoint } from './cluster.sample.ts'
import type { TestPorts } from './cluster.sample.ts'
import { newestRun, readRun } from './start-run.ts'
import { submit } from './submit.ts'
import type { Submission } from './submit.ts'

let ports: TestPorts
const leader = lead(5)
beforeEach(async () => {
  ports = await memoryPorts()
})
/** A job of this plan runs, and has a checkpoint. */
const runs = async (plan: LogicalPlan): Promise<void> => {
  await submit(ports, leader, { plan, bundle: bundle() }, () => undefined)
  await storeCheckpoint(ports, 1, 1)
}
const restore = (plan: LogicalPlan): Promise<Submission> => submit(ports, leader, { plan, bundle: bundle('new'), fromCheckpoint: 1 }, () => ({ run: 1, state: 'running' }))

interface Order { readonly user: string, readonly amount: number }
const orders = (): KeyedStream<string, Order> => job('orders', { version: '2' }).source('in', topic('in', { value: json<Order>() })).keyBy((order) => order.user, { copartitioned: true })
const [orderCount, total] = [count(), sum((order: Order) => order.amount)]
const aggregates = (fields: AggregateFields<Order>, name = 'per-user'): LogicalPlan => orders().aggregate(name, fields).sink('out', topicSink('out', { value: json() })).plan()
const windows = (size: Duration, allowedLateness: Duration = '0s'): LogicalPlan => orders().window(tumbling(size, { allowedLateness })).aggregate('per-user', { orders: orderCount, total }).sink('out', topicSink('out', { value: json() })).plan()
const TWO = aggregates({ orders: orderCount, total })

test.each([
  ['its aggregates in another order', TWO, aggregates({ total, orders: orderCount }), 'per-user is: aggregate total: sum, orders: count; in the checkpoint: aggregate orders: count, total: sum'],
  ['an aggregate less', TWO, aggregates({ total }), 'per-user is: aggregate total: sum; in the checkpoint: aggregate orders: count, total: sum'],
  ['an aggregate more', TWO, aggregates({ orders: orderCount, total, most: max((order: Order) => order.amount) }), 'per-user is: aggregate orders: count, total: sum, most: max; in the checkpoint: aggregate orders: count, total: sum'],
  ['its operator under another name', TWO, aggregates({ orders: orderCount, total }, 'by-user'), 'the checkpoint has state of per-user (aggregate orders: count, total: sum), the plan has no such operator'],
  ['another operator under its name', TWO, orders().reduce('per-user', (a) => a).sink('out', topicSink('out', { value: json() })).plan(), 'per-user is: reduce; in the checkpoint: aggregate orders: count, total: sum'],
  ['windows where there were none', TWO, windows('10s'), 'per-user is: aggregate orders: count, total: sum in windows of 10000 ms; in the checkpoint: aggregate orders: count, total: sum'],
  ['windows of another size', windows('10s'), windows('20s'), 'per-user is: aggregate orders: count, total: sum in windows of 20000 ms; in the checkpoint: aggregate orders: count, total: sum in windows of 10000 ms'],
] as const)('submit: a restore with %s, which would go on with wrong state → refused, and no run begins', async (_what, before, plan, says) => {
  await runs(before)
  await expect(restore(plan)).rejects.toMatchObject({ code: 'CHECKPOINT_INCOMPATIBLE', message: `checkpoint 1 does not fit: ${says}`, hint: expect.stringContaining('stateful operators') })
  expect(await newestRun(ports, JOB)).toBe(1)
})

const withMore = (): LogicalPlan => {
  const keyed = orders()
  keyed.aggregate('more', { most: max((order) => order.amount) }).sink('more', topicSink('out', { value: json() }))
  return keyed.aggregate('per-user', { orders: orderCount, total }).sink('out', topicSink('out', { value: json() })).plan()
}
test.each([['an operator more', TWO, withMore()], ['windows that wait longer', windows('10s'), windows('10s', '5s')]] as const)('submit: a restore with %s → taken', async (_what, before, plan) => {
  await runs(before)
  expect(await restore(plan)).toMatchObject({ answer: { run: 2, outcome: 'restored', notes: expect.not.arrayContaining([expect.stringContaining('not known')]) } })
})

test('submit: a restore, and the plan of the checkpoint is gone → taken, and said that it was not compared', async () => {
  await runs(TWO)
  await ports.store.delete([(await readRun(ports, JOB, 1)).plan])
  expect(await restore(aggregates({ total }))).toMatchObject({ answer: { run: 2, notes: expect.arrayContaining(["the plan of run 1 can't be read: whether its operators and sinks are those of this plan is not known"]) } })
})

const sinks = (archive: SinkSpec<unknown> | undefined, more?: SinkSpec<unknown>): LogicalPlan => {
  const totals = orders().aggregate('per-user', { orders: orderCount, total })
  if (archive !== undefined) totals.sink('archive', archive)
  if (more !== undefined) totals.sink('more', more)
  return totals.sink('out', topicSink('out', { value: json() })).plan()
}
const FILES = sinks(fileSink('/archive'))
/** What the parts of that checkpoint say of their outboxes; undefined: nothing, as those of an older engine. */
const owes = async (...outboxes: readonly (readonly OwedToSink[] | undefined)[]): Promise<void> => {
  const key = paths.manifest(JOB, 1)
  const manifest = JSON.parse(String(await ports.store.get(key))) as { parts: object[] }
  await ports.store.put(key, Buffer.from(JSON.stringify({ ...manifest, parts: manifest.parts.map((part, i) => ({ ...part, outbox: outboxes[i] })) })))
}
const BOTH = [[{ sink: 'archive', entries: 1 }], [{ sink: 'archive', entries: 2 }]] as const

test.each([
  ['that is gone', sinks(undefined), 'no such sink'],
  ['that is a topic now', sinks(topicSink('out', { value: json() })), 'a topic under its name'],
  ['of another kind', sinks(stdoutSink()), 'stdout under its name'],
] as const)('submit: a restore, and the checkpoint holds output for a sink %s → refused with its name, and no run begins: it would be lost, or printed', async (_what, plan, has) => {
  await runs(FILES)
  await owes(...BOTH)
  await expect(restore(plan)).rejects.toMatchObject({ code: 'CHECKPOINT_INCOMPATIBLE', message: `checkpoint 1 does not fit: the checkpoint holds output of 3 batches that sink archive (file) has not got yet, the plan has ${has}`, hint: expect.stringContaining('tidemark cancel orders') })
  expect(await newestRun(ports, JOB)).toBe(1)
  // The plan of that run is gone: what kind the sink was is not known, that it can't be given anything is.
  await ports.store.delete([(await readRun(ports, JOB, 1)).plan])
  if (has !== 'stdout under its name') await expect(restore(plan)).rejects.toMatchObject({ code: 'CHECKPOINT_INCOMPATIBLE', message: expect.stringContaining('that sink archive has not got yet') })
})

test('submit: a restore without a sink that has got all, with one that has another folder, or with one more → taken', async () => {
  await runs(FILES)
  await owes([], [])
  expect(await restore(sinks(undefined))).toMatchObject({ answer: { outcome: 'restored' } })
  await owes(...BOTH)
  expect(await restore(sinks(fileSink('/elsewhere')))).toMatchObject({ answer: { outcome: 'restored' } })
  await owes(...BOTH)
  expect(await restore(sinks(fileSink('/archive'), stdoutSink()))).toMatchObject({ answer: { outcome: 'restored' } })
})

test('submit: a restore without a sink from a checkpoint that does not say what it owes → refused, for it may owe it something', async () => {
  await runs(FILES)
  await owes([], undefined)
  await expect(restore(sinks(undefined))).rejects.toMatchObject({ code: 'CHECKPOINT_INCOMPATIBLE', message: expect.stringContaining('the checkpoint may hold output that sink archive (file) has not got yet, the plan has no such sink') })
  expect(await restore(FILES)).toMatchObject({ answer: { outcome: 'restored' } })
})
