// User code that changes its accumulator in place: what a failed record or an undone batch has done to it must leave no trace, or doing it
// again would count it twice.
import { afterEach, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { realClock } from '@tidemark/base'
import type { Append } from '@tidemark/base'
import { openLocalLog } from '@tidemark/log-local'
import { job, json, topic, topicSink } from 'tidemark'
import { SlotFixture } from '../slots/slot-fixture.ts'

interface Basket {
  readonly user: string
  amount: number
  readonly items: string[]
  readonly poison: boolean
}
interface Tally {
  n: number
  readonly byItem: Record<string, number>
}
interface Said extends Tally {
  readonly user: string
}

/** Two operators over the same records, each changing what it holds before it fails. */
const baskets = (name: string) => {
  const built = job(name, { commitIntervalMax: 100 })
  const keyed = built.source('baskets', topic(`${name}.baskets`, { value: json<Basket>() })).keyBy((basket) => basket.user, { copartitioned: true })
  keyed.reduce('merged', (acc, basket) => {
    acc.amount += basket.amount
    acc.items.push(...basket.items)
    if (basket.poison) throw new Error('poison, after the accumulator was changed')
    return acc
  }).sink('merged', topicSink(`${name}.merged`, { value: json() }))
  keyed.process<Said, Tally>('tally', {
    state: () => ({ n: 0, byItem: {} }),
    onRecord(ctx, basket) {
      const tally = ctx.state.get()
      tally.n += 1
      for (const item of basket.items) tally.byItem[item] = (tally.byItem[item] ?? 0) + 1
      ctx.state.set(tally)
      if (basket.poison) throw new Error('poison, after the state was set')
      ctx.emit({ user: ctx.key, n: tally.n, byItem: tally.byItem })
    },
  }).sink('tally', topicSink(`${name}.tally`, { value: json() }))
  return built
}

const USERS = 5
/** Every eleventh is poison, never a user's first: without an accumulator there is nothing to change. */
const basket = (i: number): Basket => ({ user: `u${i % USERS}`, amount: 1 + i % 9, items: [`item-${i % 3}`], poison: i >= USERS && i % 11 === 0 })

/** What both operators should say of each user in the end, from the input alone. */
const oracle = (records: number): Map<string, { amount: number, items: string[], n: number, byItem: Record<string, number> }> => {
  const totals = new Map<string, { amount: number, items: string[], n: number, byItem: Record<string, number> }>()
  for (let i = 0; i < records; i += 1) {
    const { user, amount, items, poison } = basket(i)
    const total = totals.get(user) ?? { amount: 0, items: [], n: 0, byItem: {} }
    totals.set(user, total)
    if (poison) continue
    total.amount += amount
    total.items.push(...items)
    total.n += 1
    for (const item of items) total.byItem[item] = (total.byItem[item] ?? 0) + 1
  }
  return totals
}

describe('accumulators changed in place', () => {
  let open: SlotFixture | undefined
  afterEach(async () => {
    await open?.stop()
    open = undefined
  })

  test('aggregation repeated gives the same: a reducer mutates its accumulator in place, errors in the middle of batches, commits that fail → state equals the input', async () => {
    const name = `in-place-${randomUUID().slice(0, 8)}`
    const fixture = open = await SlotFixture.start((folder) => openLocalLog({ path: join(folder, 'log.db'), clock: realClock }), baskets(name), 2, [`${name}.baskets`, `${name}.merged`, `${name}.tally`])
    const write = async (from: number, to: number): Promise<void> => {
      const lists: Basket[][] = [[], []]
      for (let i = from; i < to; i += 1) lists[fixture.log.partitionFor(Buffer.from(basket(i).user), 2)]?.push(basket(i))
      await fixture.log.write(lists.map((list, partition): Append => ({ topic: `${name}.baskets`, partition, records: list.map((one) => ({ key: one.user, value: JSON.stringify(one) })) })))
    }
    const good = (to: number): number => Array.from({ length: to }, (_, i) => basket(i)).filter(({ poison }) => !poison).length
    let commits = 0
    const lost = new Map([[4, 'never'], [6, 'lost'], [9, 'never'], [10, 'never']] as const)
    const undone: string[] = []
    const first = await fixture.slot({
      spoil: () => {
        commits += 1
        const how = lost.get(commits as 4)
        if (how !== undefined) undone.push(how)
        return how
      },
    })
    fixture.assign(first, fixture.tasks())
    for (let i = 0; i < 12; i += 1) {
      await write(i * 40, (i + 1) * 40)
      await fixture.until(async () => (await fixture.read(`${name}.tally`)).length >= good((i + 1) * 40), `${(i + 1) * 40} baskets`)
    }
    // All of them happened: three batches were done again, one had been committed.
    expect(undone).toEqual(['never', 'lost', 'never', 'never'])
    // And what a new owner folds is the same.
    first.kill()
    const second = await fixture.slot()
    fixture.assign(second, fixture.tasks())
    await write(480, 600)
    await fixture.until(async () => (await fixture.read(`${name}.tally`)).length >= good(600), '600 baskets')

    const expected = oracle(600)
    const [merged, tally] = [await fixture.read<{ readonly key: string, readonly value: Basket }>(`${name}.merged`), await fixture.read<Said>(`${name}.tally`)]
    expect(tally).toHaveLength(good(600))
    expect(merged).toHaveLength(good(600))
    for (const [user, { amount, items, n, byItem }] of expected) {
      expect(merged.findLast((one) => one.key === user)?.value).toEqual({ user, amount, items, poison: false })
      expect(tally.findLast((one) => one.user === user)).toEqual({ user, n, byItem })
      expect(tally.filter((one) => one.user === user).map((one) => one.n)).toEqual(Array.from({ length: n }, (_, i) => i + 1))
    }
    // Each poison is put aside once, whatever was done again.
    expect(await fixture.read(`${name}.dead-letters`)).toHaveLength(600 - good(600))
  })
})
