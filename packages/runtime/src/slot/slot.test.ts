import { afterEach, describe, expect, test } from '@jest/globals'
import { count, job, json, sum, topic, topicSink } from 'tidemark'
import type { Append } from '@tidemark/base'
import { SlotFixture } from './slot-fixture.ts'

interface Sale {
  readonly user: string
  readonly amount: number
  readonly ts: number
}
interface Total {
  readonly key: string
  readonly count: number
  readonly sum: number
}

const running = (copartitioned: boolean) => job('totals', { version: '1' })
  .source('sales', topic('sales', { value: json<Sale>(), timestamp: (sale) => sale.ts }))
  .keyBy((sale) => sale.user, { copartitioned })
  .aggregate('per-user', { count: count(), sum: sum((sale) => sale.amount) }, { emit: 'updates' })
  .sink('out', topicSink('out', { value: json() }))

let open: SlotFixture | undefined
afterEach(async () => {
  await open?.stop()
  open = undefined
})

const start = async (copartitioned: boolean): Promise<SlotFixture> => {
  open = await SlotFixture.start(running(copartitioned), 2, ['sales', 'out'])
  return open
}

const sale = (i: number): Sale => ({ user: `u${i % 50}`, amount: i % 7, ts: 1_700_000_000_000 + i })

const write = async (fixture: SlotFixture, from: number, to: number): Promise<void> => {
  const lists: Sale[][] = [[], []]
  for (let i = from; i < to; i += 1) lists[fixture.log.partitionFor(Buffer.from(sale(i).user), 2)]?.push(sale(i))
  await fixture.log.write(lists.map((sales, partition): Append => ({ topic: 'sales', partition, records: sales.map((one) => ({ key: one.user, value: JSON.stringify(one), timestamp: one.ts })) })))
}

/** One output per input: each user's counts are 1, 2, 3, … and the sums follow. */
const expectExact = (totals: readonly Total[], events: number): void => {
  expect(totals).toHaveLength(events)
  const seen = new Map<string, number>()
  for (const { key, count: n } of totals) {
    expect(n).toBe((seen.get(key) ?? 0) + 1)
    seen.set(key, n)
  }
  const sums = new Map<string, number>()
  for (let i = 0; i < events; i += 1) sums.set(sale(i).user, (sums.get(sale(i).user) ?? 0) + sale(i).amount)
  for (const total of totals) if (total.count === seen.get(total.key)) expect(total.sum).toBe(sums.get(total.key))
}

describe.each([['copartitioned', true], ['with a shuffle', false]])('slot, %s', (_name, copartitioned) => {
  test('slot: folds its input and writes one output per input', async () => {
    const fixture = await start(copartitioned)
    const slot = await fixture.slot()
    fixture.assign(slot, fixture.tasks())
    await write(fixture, 0, 1_000)
    await fixture.until(async () => (await fixture.read('out')).length >= 1_000, 'a thousand outputs')
    expectExact(await fixture.read<Total>('out'), 1_000)
  })

  test('takeover: another slot goes on where a killed one was, nothing lost, nothing doubled', async () => {
    const fixture = await start(copartitioned)
    const first = await fixture.slot()
    fixture.assign(first, fixture.tasks())
    await write(fixture, 0, 500)
    await fixture.until(async () => (await fixture.read('out')).length >= 200, 'some outputs')
    first.kill()
    await write(fixture, 500, 1_000)
    const second = await fixture.slot()
    fixture.assign(second, fixture.tasks())
    await fixture.until(async () => (await fixture.read('out')).length >= 1_000, 'all outputs')
    expectExact(await fixture.read<Total>('out'), 1_000)
  })

  test('takeover: the old owner lives on, is fenced, and says that it gave up', async () => {
    const fixture = await start(copartitioned)
    const first = await fixture.slot()
    fixture.assign(first, fixture.tasks())
    await write(fixture, 0, 500)
    await fixture.until(async () => (await fixture.read('out')).length >= 200, 'some outputs')
    const second = await fixture.slot()
    fixture.assign(second, fixture.tasks())
    await write(fixture, 500, 1_000)
    await fixture.until(async () => (await fixture.read('out')).length >= 1_000, 'all outputs')
    await fixture.until(() => first.events.filter((event) => event.kind === 'given-up').length === fixture.tasks().length, 'the old owner giving up')
    expectExact(await fixture.read<Total>('out'), 1_000)
  })

  test('snapshot: begun, cut, named; a takeover loads it and reads only the tail', async () => {
    const fixture = await start(copartitioned)
    const first = await fixture.slot()
    fixture.assign(first, fixture.tasks())
    await write(fixture, 0, 500)
    await fixture.until(async () => (await fixture.read('out')).length >= 500, 'outputs')
    for (const checkpoint of [1, 2]) {
      first.slot.handle({ kind: 'snapshot-begin', checkpoint, tasks: fixture.tasks() })
      first.slot.handle({ kind: 'snapshot-complete', checkpoint, tasks: fixture.tasks() })
      await fixture.until(() => first.events.filter((event) => event.kind === 'snapshot-named' && event.checkpoint === checkpoint).length === fixture.tasks().length, `snapshot ${checkpoint} of every task`)
    }
    await write(fixture, 500, 700)
    await fixture.until(async () => (await fixture.read('out')).length >= 700, 'outputs')
    first.kill()
    const second = await fixture.slot()
    fixture.assign(second, fixture.tasks())
    await write(fixture, 700, 1_000)
    await fixture.until(async () => (await fixture.read('out')).length >= 1_000, 'all outputs')
    expectExact(await fixture.read<Total>('out'), 1_000)
    const recoveries = second.events.flatMap((event) => (event.kind === 'running' ? [event.recovery] : []))
    expect(recoveries).toHaveLength(fixture.tasks().length)
    for (const recovery of recoveries) expect(recovery.snapshot?.checkpoint).toBe(2)
  })
})
