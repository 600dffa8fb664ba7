// What slots do with a log, whichever it is: fold, take over, give up, take snapshots.
import { afterEach, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { count, job, json, sum, topic, topicSink } from 'tidemark'
import type { Append } from '@tidemark/base'
import { SlotFixture } from './slot-fixture.ts'
import type { OpenLog } from './slot-fixture.ts'

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

const running = (name: string, copartitioned: boolean) => job(name, { version: '1' })
  .source('sales', topic(`${name}.sales`, { value: json<Sale>(), timestamp: (sale) => sale.ts }))
  .keyBy((sale) => sale.user, { copartitioned })
  .aggregate('per-user', { count: count(), sum: sum((sale) => sale.amount) }, { emit: 'updates' })
  .sink('out', topicSink(`${name}.out`, { value: json() }))

const sale = (i: number): Sale => ({ user: `u${i % 50}`, amount: i % 7, ts: 1_700_000_000_000 + i })

const write = async (fixture: SlotFixture, from: number, to: number): Promise<void> => {
  const lists: Sale[][] = [[], []]
  for (let i = from; i < to; i += 1) lists[fixture.log.partitionFor(Buffer.from(sale(i).user), 2)]?.push(sale(i))
  await fixture.log.write(lists.map((sales, partition): Append => ({ topic: `${fixture.run.job}.sales`, partition, records: sales.map((one) => ({ key: one.user, value: JSON.stringify(one), timestamp: one.ts })) })))
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

export const slotSuite = (openLog: OpenLog): void => { describe.each([['copartitioned', true], ['with a shuffle', false]])('slot, %s', (_name, copartitioned) => {
  let open: SlotFixture | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
  })

  const start = async (): Promise<SlotFixture> => {
    const name = `slots-${randomUUID().slice(0, 8)}`
    open = await SlotFixture.start(openLog, running(name, copartitioned), 2, [`${name}.sales`, `${name}.out`])
    return open
  }

  test('slot: folds its input and writes one output per input', async () => {
    const fixture = await start()
    const slot = await fixture.slot()
    fixture.assign(slot, fixture.tasks())
    await write(fixture, 0, 1_000)
    await fixture.until(async () => (await fixture.read(`${fixture.run.job}.out`)).length >= 1_000, 'a thousand outputs')
    expectExact(await fixture.read<Total>(`${fixture.run.job}.out`), 1_000)
  })

  test('takeover: another slot goes on where a killed one was, nothing lost, nothing doubled', async () => {
    const fixture = await start()
    const first = await fixture.slot()
    fixture.assign(first, fixture.tasks())
    await write(fixture, 0, 500)
    await fixture.until(async () => (await fixture.read(`${fixture.run.job}.out`)).length >= 200, 'some outputs')
    first.kill()
    await write(fixture, 500, 1_000)
    const second = await fixture.slot()
    fixture.assign(second, fixture.tasks())
    await fixture.until(async () => (await fixture.read(`${fixture.run.job}.out`)).length >= 1_000, 'all outputs')
    expectExact(await fixture.read<Total>(`${fixture.run.job}.out`), 1_000)
  })

  test('takeover: the old owner lives on, is fenced, and says that it gave up', async () => {
    const fixture = await start()
    const first = await fixture.slot()
    fixture.assign(first, fixture.tasks())
    await write(fixture, 0, 500)
    await fixture.until(async () => (await fixture.read(`${fixture.run.job}.out`)).length >= 200, 'some outputs')
    const second = await fixture.slot()
    fixture.assign(second, fixture.tasks())
    // The old owner learns it from the log when it next has something to commit.
    await fixture.until(() => second.events.filter((event) => event.kind === 'running').length === fixture.tasks().length, 'the new owner running')
    await write(fixture, 500, 1_000)
    await fixture.until(async () => (await fixture.read(`${fixture.run.job}.out`)).length >= 1_000, 'all outputs')
    await fixture.until(() => first.events.filter((event) => event.kind === 'given-up').length === fixture.tasks().length, 'the old owner giving up')
    expectExact(await fixture.read<Total>(`${fixture.run.job}.out`), 1_000)
  })

  test('snapshot: begun, cut, named; a takeover loads it and reads only the tail', async () => {
    const fixture = await start()
    const first = await fixture.slot()
    fixture.assign(first, fixture.tasks())
    await write(fixture, 0, 500)
    await fixture.until(async () => (await fixture.read(`${fixture.run.job}.out`)).length >= 500, 'outputs')
    for (const checkpoint of [1, 2]) {
      first.slot.handle({ kind: 'snapshot-begin', checkpoint, tasks: fixture.tasks() })
      first.slot.handle({ kind: 'snapshot-complete', checkpoint, tasks: fixture.tasks() })
      await fixture.until(() => first.events.filter((event) => event.kind === 'snapshot-named' && event.checkpoint === checkpoint).length === fixture.tasks().length, `snapshot ${checkpoint} of every task`)
    }
    await write(fixture, 500, 700)
    await fixture.until(async () => (await fixture.read(`${fixture.run.job}.out`)).length >= 700, 'outputs')
    first.kill()
    const second = await fixture.slot()
    fixture.assign(second, fixture.tasks())
    await write(fixture, 700, 1_000)
    await fixture.until(async () => (await fixture.read(`${fixture.run.job}.out`)).length >= 1_000, 'all outputs')
    expectExact(await fixture.read<Total>(`${fixture.run.job}.out`), 1_000)
    const recoveries = second.events.flatMap((event) => (event.kind === 'running' ? [event.recovery] : []))
    expect(recoveries).toHaveLength(fixture.tasks().length)
    for (const recovery of recoveries) expect(recovery.snapshot?.checkpoint).toBe(2)
  })

  test.each(['lost', 'never'] as const)('commit: an answer that gets lost (%s) is settled by the journal, and the slot goes on under a new id', async (how) => {
    const fixture = await start()
    let commits = 0
    const slot = await fixture.slot({
      spoil: () => {
        commits += 1
        return commits === 4 || commits === 7 ? how : undefined
      },
    })
    fixture.assign(slot, fixture.tasks())
    for (let i = 0; i < 10; i += 1) {
      await write(fixture, i * 100, (i + 1) * 100)
      await fixture.until(async () => (await fixture.read(`${fixture.run.job}.out`)).length >= (i + 1) * 100, `${(i + 1) * 100} outputs`)
    }
    expectExact(await fixture.read<Total>(`${fixture.run.job}.out`), 1_000)
    expect(slot.events.filter((event) => event.kind === 'session')).toHaveLength(3)
    expect(slot.events.filter((event) => event.kind === 'given-up' || event.kind === 'failed')).toEqual([])
  })

  test('takeover: the newest snapshot is damaged → the one before and a longer tail, and it says so', async () => {
    const fixture = await start()
    const first = await fixture.slot()
    fixture.assign(first, fixture.tasks())
    for (const checkpoint of [1, 2]) {
      await write(fixture, (checkpoint - 1) * 300, checkpoint * 300)
      await fixture.until(async () => (await fixture.read(`${fixture.run.job}.out`)).length >= checkpoint * 300, 'outputs')
      first.slot.handle({ kind: 'snapshot-begin', checkpoint, tasks: fixture.tasks() })
      first.slot.handle({ kind: 'snapshot-complete', checkpoint, tasks: fixture.tasks() })
      await fixture.until(() => first.events.filter((event) => event.kind === 'snapshot-named' && event.checkpoint === checkpoint).length === fixture.tasks().length, `snapshot ${checkpoint}`)
    }
    first.kill()
    for (const event of first.events) {
      if (event.kind !== 'snapshot-named' || event.checkpoint !== 2) continue
      for (const { key } of event.ref.objects) {
        const body = await fixture.store.get(key)
        body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 0xff
        await fixture.store.put(key, body)
      }
    }
    const second = await fixture.slot()
    fixture.assign(second, fixture.tasks())
    await write(fixture, 600, 1_000)
    await fixture.until(async () => (await fixture.read(`${fixture.run.job}.out`)).length >= 1_000, 'all outputs')
    expectExact(await fixture.read<Total>(`${fixture.run.job}.out`), 1_000)
    for (const event of second.events) {
      if (event.kind !== 'running') continue
      expect(event.recovery.snapshot?.checkpoint).toBe(1)
      expect(event.recovery.remarks.join()).toMatch(/checkpoint 2 is missing or damaged/)
    }
  })
})
}
